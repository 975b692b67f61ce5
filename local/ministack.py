"""MiniStack as `make local` runs it, in its own environment: with parts of Lambda, CloudWatch and IAM that it lacks.

MiniStack ignores the setting ApplicationLogLevel, with which CDK's framework for custom resources keeps
requests out of its log. A log line in CloudWatch's embedded metric format becomes no metric: here it does, and
alarms see it. And there is no X-Ray daemon: this one writes what the functions send, one JSON document a line,
to the file that TRACES_FILE names. With PERSIST_STATE=1 it also saves the records of DynamoDB streams.

With AUTH=true MiniStack enforces IAM policies. It then lacks three condition keys that the stack's policies
name, and policies that require TLS refuse every request to its plain HTTP endpoint. A caller of an API that is
not allowed gets MiniStack's own error instead of the API's, and one of another account finds no API.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import os
import queue
import socket
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.session import Session
from ministack import app
from ministack.core import arn, iam_actions, iam_evaluator, lambda_runtime, responses
from ministack.services import apigateway_v1, dynamodb, lambda_svc

HOST = "127.0.0.1"
MOST_BYTES = 65_535  # of a UDP datagram
MOST_AT_ONCE = 4 * (os.cpu_count() or 1)


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


def emitting_metrics(emit: Any, keep: Callable[[str], None]) -> Any:
    """Wrap MiniStack's writer of a function's log: it keeps the metrics in it.

    At the level FATAL, a function writes no records.
    """

    @functools.wraps(emit)
    def emitting(
        func: dict[str, Any], request_id: str, log_text: str, *rest: Any, **more: Any
    ) -> None:
        logging = (func.get("config") or func).get("LoggingConfig") or {}
        fatal = logging.get("ApplicationLogLevel") == "FATAL"
        if '"CloudWatchMetrics"' in log_text:
            keep(log_text)
        emit(func, request_id, "" if fatal else log_text, *rest, **more)

    return emitting


def count_as_tls(pin: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    """Wrap MiniStack's record of a request's origin: in AWS every request of the clients here is over TLS."""
    return lambda source_ip, _secure: pin(source_ip, True)


def add_leading_keys(
    context: Callable[[bytes], dict[str, Any]],
) -> Callable[[bytes], dict[str, Any]]:
    """Wrap MiniStack's condition keys of a DynamoDB request: with the partition keys of what it writes."""

    def with_leading_keys(body: bytes) -> dict[str, Any]:
        request = json.loads(body or b"{}")
        writes = [request, *(w for item in request.get("TransactItems", ()) for w in item.values())]
        keys = [key for write in writes for key in leading_keys(write)]
        return context(body) | ({"dynamodb:LeadingKeys": keys} if keys else {})

    return with_leading_keys


def leading_keys(write: dict[str, Any]) -> list[str]:
    table = dynamodb._tables.get(write.get("TableName", "")) or {"KeySchema": []}
    names = [key["AttributeName"] for key in table["KeySchema"] if key["KeyType"] == "HASH"]
    row = write.get("Item") or write.get("Key") or {}
    return [text for name in names for text in row.get(name, {}).values()]


def add_request_keys(context: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's condition keys of any request: with an event's source, and KMS's context names."""

    def with_request_keys(
        service: str, action: str, body: bytes, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        found = context(service, action, body, parameters)
        if action == "events:PutEvents":
            sources = [entry.get("Source", "") for entry in json.loads(body)["Entries"]]
            # A condition without a set operator holds for one value only.
            found["events:source"] = sources[0] if len(sources) == 1 else sources
        if service == "kms" and (named := json.loads(body or b"{}").get("EncryptionContext")):
            found["kms:EncryptionContextKeys"] = list(named)
        return found

    return with_request_keys


def refuse_as_the_api(enforce: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap MiniStack's check of an API's caller: who is not allowed gets the API's response ACCESS_DENIED.

    For a caller of another account the API's resource policy decides. One that it allows gets 404, because
    MiniStack serves an API to its own account only.
    """
    apigateway_v1._AUTHENTICATION_GATEWAY_ERRORS["AccessDenied"] = ("ACCESS_DENIED", None)
    denied = iam_evaluator.AuthError("AccessDenied", "")

    def refusing(
        api_id: str, stage: str, method: str, path: str, headers: Any, query: Any, **more: Any
    ) -> Any:
        scope = scope_of(api_id) if app.AUTH else None
        if scope is None or scope[0] == responses.get_account_id():
            refused = enforce(api_id, stage, method, path, headers, query, **more)
            if scope is None or refused is None or "problem" in refused[1]["Content-Type"]:
                return refused
        elif is_allowed(arn.execute_api_arn(scope[1], scope[0], api_id, stage, method, path)):
            return None
        with responses.request_scope(*scope):
            return apigateway_v1.authentication_error_response(
                api_id, stage, denied, headers, query
            )

    return refusing


def scope_of(api_id: str) -> tuple[str, str] | None:
    """Return the account and the region of an API."""
    keys = (key for key, _ in apigateway_v1._rest_apis.all_items())
    return next(((account, region) for account, region, found in keys if found == api_id), None)


def is_allowed(method_arn: str) -> bool:
    """Whether the API's resource policy allows its method to the account of this request."""
    policy, _ = apigateway_v1.rest_api_policy_for_arn(method_arn)
    account = responses.get_account_id()
    caller = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:iam::{account}:root",
        principal_type="Root",
        principal_account=account,
        action="execute-api:Invoke",
        resource_arn=method_arn,
        region=responses.get_region(),
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, caller).decision == "Allow")


def complete_iam() -> None:
    """Let MiniStack evaluate the conditions in the stack's policies, and refuse callers as AWS does."""
    app._enforce_execute_api = refuse_as_the_api(app._enforce_execute_api)
    app.pin_request_origin = count_as_tls(app.pin_request_origin)
    iam_actions.dynamodb_service_context = add_leading_keys(iam_actions.dynamodb_service_context)
    iam_actions.request_tag_context = add_request_keys(iam_actions.request_tag_context)


def retry_batches(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's call of a function: a stream's batch that failed in part is delivered again.

    MiniStack takes it for processed, so that its rest is lost. AWS delivers that from the first failed record
    on; here the whole batch comes again.
    """

    def execute_again(func: dict[str, Any], event: Any, *rest: Any, **more: Any) -> dict[str, Any]:
        result = execute(func, event, *rest, **more)
        records = event.get("Records") if isinstance(event, dict) else None
        if records and records[0].get("eventSource") == "aws:dynamodb":
            body = result.get("body")
            answer = json.loads(body) if isinstance(body, str | bytes) and body else body
            if isinstance(answer, dict) and answer.get("batchItemFailures"):
                return result | {"error": True, "body": {"errorType": "BatchItemFailures"}}
        return result

    return execute_again


def take_turns(dispatch: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's run of a function: at most `MOST_AT_ONCE` environments of each function run at once.

    In AWS each environment has its own processor. Here fifty that start at once keep each other, and MiniStack,
    from answering in time; the others wait for their turn. Each function has turns of its own, because one may
    wait for another.
    """
    turns: dict[str, threading.Semaphore] = {}

    def dispatch_in_turn(func: Any, config: dict[str, Any], *rest: Any) -> dict[str, Any]:
        with turns.setdefault(config["FunctionArn"], threading.Semaphore(MOST_AT_ONCE)):
            return dispatch(func, config, *rest)

    return dispatch_in_turn


class SharedCode(zipfile.ZipFile):
    """A function's code, extracted once for all its workers, which only read it, as in AWS.

    MiniStack extracts it for each worker, and removes it with the worker: two thousand files, while nothing
    else is served.
    """

    _lock = threading.Lock()

    def extractall(self, path: Any = None, *_: Any, **__: Any) -> None:
        """Make the empty folder `path` a link to the code."""
        with Path(str(self.filename)).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        shared = Path(tempfile.gettempdir()) / f"code-{digest}"
        with self._lock:
            if not shared.exists():
                partial = Path(tempfile.mkdtemp(dir=shared.parent))
                super().extractall(partial)
                partial.rename(shared)
        Path(path).rmdir()
        Path(path).symlink_to(shared, target_is_directory=True)


def keep_streams() -> None:
    """Let MiniStack save the records of DynamoDB streams with its other state (PERSIST_STATE=1).

    It saves how far each event source mapping has read, and not the records: after a restart it would skip
    as many new records as there were old ones.
    """
    names = ("_stream_records", "_stream_trimmed")
    state_of_tables, load_tables = dynamodb.get_state, dynamodb.load_persisted_state

    def get_state() -> dict[str, Any]:
        streams = {name: copy.deepcopy(getattr(dynamodb, name)) for name in names}
        state: dict[str, Any] = state_of_tables() | streams
        return state

    def load(state: dict[str, Any]) -> None:
        load_tables(state)
        for name in names:
            getattr(dynamodb, name).update(state.get(name, {}))

    dynamodb.get_state, dynamodb.load_persisted_state = get_state, load


if __name__ == "__main__":
    complete_iam()
    keep_streams()
    # A query parses its condition for each row of the partition, while nothing else is served.
    dynamodb._tokenize = functools.lru_cache(dynamodb._tokenize)
    dynamodb._condition_syntax_error = functools.lru_cache(dynamodb._condition_syntax_error)
    lambda_svc._execute_function_dispatch = take_turns(lambda_svc._execute_function_dispatch)
    lambda_svc._execute_function = retry_batches(lambda_svc._execute_function)
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=SharedCode, BadZipFile=zipfile.BadZipFile)
    lambda_svc._emit_lambda_logs = emitting_metrics(lambda_svc._emit_lambda_logs, keep_metrics())
    keep_traces(Path(os.environ["TRACES_FILE"]))
    app.main()
