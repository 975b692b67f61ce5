"""What every handler gets: a correlation id, a trace, and errors without their messages."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from jobledger.errors import JobNotFound, UnexpectedError
from jobledger.observability import _drop_messages, logger, observed, with_correlation_id
from testing.processes import ROOT
from testing.scripted_server import Scripted, scripted

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "f", "LAMBDA_TASK_ROOT": "/var/task", "POWERTOOLS_TRACE_DISABLED": "false",
    "PYTHONPATH": str(ROOT / "lambda"),
}  # fmt: skip
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn", aws_request_id="own-id"
)


@observed
def echo(event, context):
    return {"Event": event, "Id": logger.get_correlation_id()}


def test_the_correlation_id_is_the_requests_or_the_invocations_own_and_not_in_the_event():
    event: Any
    for event, correlation_id in (
        *(({}, "own-id"), ({"requestContext": None}, "own-id"), ([], "own-id")),
        ({"requestContext": {"requestId": "gateway-1"}}, "gateway-1"),
        ({"CorrelationId": "gateway-1"}, "gateway-1"),
        ({"RequestId": "cloudformation-1"}, "cloudformation-1"),
        *(({"CorrelationId": refused}, "own-id") for refused in ("a b", "x" * 65, 7)),
    ):
        assert echo(event, CONTEXT)["Id"] == correlation_id
    event = {"CorrelationId": "gateway-1", "Families": ["PHI"]}
    assert echo(event, CONTEXT)["Event"] == {"Families": ["PHI"]}
    assert event["CorrelationId"] == "gateway-1"
    assert with_correlation_id({"a": 1}) == {"a": 1, "CorrelationId": "gateway-1"}


def test_an_unknown_error_leaves_a_handler_without_message_and_cause_and_ours_as_it_is(caplog):
    @observed
    def broken(event, context):
        raise KeyError("a patient")

    @observed
    def refusing(event, context):
        raise JobNotFound

    with pytest.raises(UnexpectedError) as raised:
        broken({}, CONTEXT)
    assert str(raised.value).startswith("KeyError in broken:")
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert "a patient" not in caplog.text
    (record,) = (r for r in caplog.records if r.getMessage() == "invocation failed")
    assert record.error == "KeyError"
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


# As in Lambda, with the real X-Ray SDK: steps, a call of another function, a read of S3, and a failure.
INVOCATION = """
from contextlib import suppress
from types import SimpleNamespace
from jobledger.invoke import Function
from jobledger.observability import observed, step
from jobledger.outputs.store import Store

@observed
def handler(event, context):
    with step("SyncFamily", Family="PHI") as put:
        put("Jobs", 3)
        with suppress(KeyError), step("SyncPage"):
            raise KeyError("a patient's name")
    Function.connect("other")({})
    Store.connect().read("bucket", "a patient's name", 2)
    raise ValueError("a patient's name")

context = SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="f", aws_request_id="1")
handler({}, context)
"""


@contextmanager
def traced_invocation(sampled: int):
    """The daemon's socket after the invocation, and the headers that the invoked function got."""
    with socket.socket(type=socket.SOCK_DGRAM) as daemon, scripted(Scripted()) as invoked:
        daemon.bind(("127.0.0.1", 0))
        daemon.setblocking(False)
        environment = LAMBDA | {
            "_X_AMZN_TRACE_ID": f"Root={TRACE};Parent=53995c3f42cd8ad8;Sampled={sampled}",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "AWS_ENDPOINT_URL": invoked.url,
        }
        ended = subprocess.run(
            [sys.executable, "-c", INVOCATION],
            env={**os.environ, **environment}, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert "UnexpectedError: ValueError in handler:" in ended.stderr
        assert "patient" not in ended.stdout + ended.stderr
        request, _ = invoked.received
        yield daemon, request.headers


def test_a_trace_has_each_step_and_call_with_its_outcome_and_no_message():
    with traced_invocation(sampled=1) as (daemon, headers):
        sent = [daemon.recv(65_535).split(b"\n", 1)[1] for _ in range(5)]
    assert not any(b"patient" in part for part in sent)
    page, family, call, read, handler = map(json.loads, sent)
    assert {part["trace_id"] for part in (page, family, call, read, handler)} == {TRACE}
    parents = [page["parent_id"], family["parent_id"], call["parent_id"]]
    assert parents == [family["id"], handler["id"], handler["id"]]
    assert page["annotations"] == {"Operation": "SyncPage", "Outcome": "KeyError"}
    expected = {"Operation": "SyncFamily", "Outcome": "ok", "Family": "PHI", "Jobs": 3}
    assert family["annotations"] == expected
    assert handler["annotations"]["Outcome"] == "ValueError"
    assert handler["annotations"]["ColdStart"] is True
    assert page["cause"]["exceptions"][0]["type"] == "KeyError"
    # The invoked function hangs below the call.
    assert (call["name"], read["name"]) == ("lambda", "s3")
    assert headers["x-amzn-trace-id"] == f"Root={TRACE};Parent={call['id']};Sampled=1"


def test_an_invocation_that_is_not_sampled_sends_no_trace():
    with traced_invocation(sampled=0) as (daemon, headers), pytest.raises(BlockingIOError):
        daemon.recv(65_535)
    # The invoked function is not sampled either.
    assert headers["x-amzn-trace-id"] == f"Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=0"
