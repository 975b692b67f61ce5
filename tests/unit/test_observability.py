"""What every handler gets: a correlation id, a trace, and errors without their messages."""

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from jobledger.errors import JobNotFound, UnexpectedError
from jobledger.observability import _drop_messages, logger, observed, with_correlation_id

SCRIPT = Path(__file__).with_name("traced_invocation.py")
LAMBDA = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    "POWERTOOLS_SERVICE_NAME": "job-ledger",
    "POWERTOOLS_TRACE_DISABLED": "false",
    "PYTHONPATH": str(SCRIPT.parents[2] / "lambda"),
}
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=128,
    invoked_function_arn="arn",
    aws_request_id="own-id",
)


@observed
def echo(event, context):
    return {"Event": event, "Id": logger.get_correlation_id()}


@pytest.mark.parametrize(
    "event, correlation_id",
    [
        ({}, "own-id"),
        ({"requestContext": {"requestId": "gateway-1"}}, "gateway-1"),
        ({"CorrelationId": "gateway-1"}, "gateway-1"),
        ({"RequestId": "cloudformation-1"}, "cloudformation-1"),
        ({"CorrelationId": "a b"}, "own-id"),
        ({"CorrelationId": "x" * 65}, "own-id"),
        ({"CorrelationId": 7}, "own-id"),
        ({"requestContext": None}, "own-id"),
        ([], "own-id"),
    ],
)
def test_the_correlation_id_is_the_requests_or_the_invocations_own(event, correlation_id):
    assert echo(event, CONTEXT)["Id"] == correlation_id


def test_a_handler_gets_its_event_without_the_correlation_id():
    event = {"CorrelationId": "gateway-1", "Families": ["PHI"]}
    assert echo(event, CONTEXT)["Event"] == {"Families": ["PHI"]}
    assert event["CorrelationId"] == "gateway-1"
    assert with_correlation_id({"a": 1}) == {"a": 1, "CorrelationId": "gateway-1"}


def test_an_unknown_error_leaves_a_handler_without_message_and_cause(caplog):
    @observed
    def broken(event, context):
        raise KeyError("a patient")

    with pytest.raises(UnexpectedError) as raised:
        broken({}, CONTEXT)
    assert str(raised.value).startswith("KeyError in broken:")
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert "a patient" not in caplog.text
    (record,) = (r for r in caplog.records if r.getMessage() == "invocation failed")
    assert record.error == "KeyError"


def test_an_error_of_ours_leaves_a_handler_as_it_is():
    @observed
    def refusing(event, context):
        raise JobNotFound

    with pytest.raises(JobNotFound):
        refusing({}, CONTEXT)


def test_segments_lose_the_messages_of_their_exceptions_on_every_level():
    def segment(cause, inner=()):
        return SimpleNamespace(cause=cause, subsegments=list(inner))

    thrown = [SimpleNamespace(message=f"a patient {n}", type="ClientError") for n in range(3)]
    deep = segment({"exceptions": thrown[2:]})
    whole = segment({"exceptions": thrown[:2]}, [segment("0123456789abcdef", [deep]), segment({})])
    _drop_messages(whole)
    assert {exception.message for exception in thrown} == {None}
    assert {exception.type for exception in thrown} == {"ClientError"}


def test_a_trace_has_each_step_with_its_outcome_and_no_message():
    with socket.socket(type=socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        address = {"AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}"}
        ended = subprocess.run(
            [sys.executable, SCRIPT],
            env={**os.environ, **LAMBDA, **address},
            check=False,
            capture_output=True,
            text=True,
        )
        page, family, handler = (daemon.recv(65_535).split(b"\n", 1)[1] for _ in range(3))
    assert "UnexpectedError: ValueError in handler:" in ended.stderr
    sent = page + family + handler
    assert b"patient" not in sent
    assert "patient" not in ended.stdout + ended.stderr
    page, family, handler = map(json.loads, (page, family, handler))
    assert {part["trace_id"] for part in (page, family, handler)} == {
        "1-5759e988-bd862e3fe1be46a994272793"
    }
    assert [page["parent_id"], family["parent_id"]] == [family["id"], handler["id"]]
    assert page["annotations"] == {"Operation": "SyncPage", "Outcome": "KeyError"}
    expected = {"Operation": "SyncFamily", "Outcome": "ok", "Family": "PHI", "Jobs": 3}
    assert family["annotations"] == expected
    assert handler["annotations"]["Outcome"] == "ValueError"
    assert handler["annotations"]["ColdStart"] is True
    assert page["cause"]["exceptions"][0]["type"] == "KeyError"


def test_an_invocation_that_is_not_sampled_sends_no_trace():
    with socket.socket(type=socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.setblocking(False)
        unsampled = {
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "_X_AMZN_TRACE_ID": LAMBDA["_X_AMZN_TRACE_ID"].replace("Sampled=1", "Sampled=0"),
        }
        ended = subprocess.run(
            [sys.executable, SCRIPT],
            env={**os.environ, **LAMBDA, **unsampled},
            check=False,
            capture_output=True,
            text=True,
        )
        with pytest.raises(BlockingIOError):
            daemon.recv(65_535)
    assert "UnexpectedError: ValueError in handler:" in ended.stderr


class _Lambda(BaseHTTPRequestHandler):
    """Answers Invoke, and keeps the trace headers that it got."""

    traces: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.traces.append(self.headers["X-Amzn-Trace-Id"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def test_a_call_of_another_function_carries_the_trace_of_the_caller():
    with (
        socket.socket(type=socket.SOCK_DGRAM) as daemon,
        ThreadingHTTPServer(("127.0.0.1", 0), _Lambda) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        addresses = {
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        }
        subprocess.run(
            [sys.executable, SCRIPT.with_name("traced_call.py")],
            env={**os.environ, **LAMBDA, **addresses},
            check=True,
        )
        call, handler = (json.loads(daemon.recv(65_535).split(b"\n", 1)[1]) for _ in range(2))
        server.shutdown()
    assert (call["name"], call["parent_id"]) == ("lambda", handler["id"])
    # The invoked function hangs below the call.
    assert _Lambda.traces == [f"Root={call['trace_id']};Parent={call['id']};Sampled=1"]
