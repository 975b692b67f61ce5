"""Traces, metrics and log levels, as X-Ray, CloudWatch and Lambda have them."""

from __future__ import annotations

import functools
import json
import os
import queue
import socket
import threading
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from botocore.session import Session

HOST = "127.0.0.1"
MOST_BYTES = 65_535  # of a UDP datagram


def keep_traces(file: Path) -> None:
    """Write each segment that a function sends, and tell the functions where to send it.

    A datagram has two lines: the format, which is always the same, and the segment.
    """
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    daemon.bind((HOST, 0))
    os.environ["AWS_XRAY_DAEMON_ADDRESS"] = f"{HOST}:{daemon.getsockname()[1]}"

    def receive() -> None:
        with file.open("ab", buffering=0) as output:
            while True:
                _, segment = daemon.recv(MOST_BYTES).split(b"\n", 1)
                output.write(segment + b"\n")

    threading.Thread(target=receive, daemon=True).start()


def sampling_all(trace_id: Callable[..., str | None]) -> Callable[..., str | None]:
    """Wrap MiniStack's choice of the invocations that X-Ray samples: all of them.

    In AWS, API Gateway begins the traces of the API's requests. MiniStack's API Gateway begins none, and would leave
    the API's function untraced.
    """

    def sampled(config: dict[str, Any], *rest: Any) -> str | None:
        return trace_id(config | {"TracingConfig": {"Mode": "Active"}}, *rest)

    return sampled


def metrics_in(log_text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the namespace and the MetricDatum of each metric in lines of the embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for line in log_text.splitlines():
        if '"CloudWatchMetrics"' not in line:
            continue
        entry = json.loads(line)
        for described in entry["_aws"]["CloudWatchMetrics"]:
            for names in described["Dimensions"]:
                dimensions = [{"Name": name, "Value": str(entry[name])} for name in names]
                for metric in described["Metrics"]:
                    values = entry[metric["Name"]]
                    yield (
                        described["Namespace"],
                        {
                            "MetricName": metric["Name"],
                            "Unit": metric.get("Unit", "None"),
                            "Dimensions": dimensions,
                            "Values": values if isinstance(values, list) else [values],
                        },
                    )


def keep_metrics() -> Callable[[str], None]:
    """Return a function that sends the metrics of a log to CloudWatch, on a thread of its own."""
    logs: queue.SimpleQueue[str] = queue.SimpleQueue()

    def send() -> None:
        endpoint = f"http://{HOST}:{os.environ['GATEWAY_PORT']}"
        client = Session().create_client("cloudwatch", endpoint_url=endpoint)
        while True:
            for namespace, datum in metrics_in(logs.get()):
                client.put_metric_data(Namespace=namespace, MetricData=[datum])

    threading.Thread(target=send, daemon=True).start()
    return logs.put


def without_maths(record: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's reader of an alarm in a template: it refuses an expression, and here evaluates its first metric.

    The stack has expressions for DynamoDB's metrics only, which MiniStack does not send.
    """

    def record_first(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        measured = [
            each["MetricStat"] for each in properties.get("Metrics", ()) if "MetricStat" in each
        ]
        if not measured:
            return record(name, properties)
        first = measured[0]
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        return record(
            name, plain | first["Metric"] | {"Period": first["Period"], "Statistic": first["Stat"]}
        )

    return record_first


def by_dimensions(evaluate: Any) -> Callable[[dict[str, Any]], None]:
    """Wrap MiniStack's evaluation of an alarm: it takes the metric of every function, whatever the alarm's dimensions are."""

    def evaluate_own(alarm: dict[str, Any]) -> None:
        names = evaluate.__globals__
        own = names["_dims_key"]({each["Name"]: each["Value"] for each in alarm["Dimensions"]})
        measured = {key: points for key, points in names["_metrics"].items() if key[2] == own}
        # A copy of the function that sees only these; other threads add to the others meanwhile.
        FunctionType(evaluate.__code__, names | {"_metrics": measured})(alarm)

    return evaluate_own


def emitting_metrics(emit: Any, keep: Callable[[str], None], groups: Container[str]) -> Any:
    """Wrap MiniStack's writer of a function's log: it keeps the metrics in it. `groups` are the log groups that exist.

    At the level FATAL, a function writes no records. In a deleted log group it writes none either: the roles of the
    stack may not create log groups, and a call that ended late would leave one of a stack that is gone.
    """

    @functools.wraps(emit)
    def emitting(
        func: dict[str, Any], request_id: str, log_text: str, *rest: Any, **more: Any
    ) -> None:
        logging = (func.get("config") or func).get("LoggingConfig") or {}
        fatal = logging.get("ApplicationLogLevel") == "FATAL"
        if '"CloudWatchMetrics"' in log_text:
            keep(log_text)
        group = logging.get("LogGroup")
        if group and group not in groups:
            return
        emit(func, request_id, "" if fatal else log_text, *rest, **more)

    return emitting
