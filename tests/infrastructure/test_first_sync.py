"""The first sync answers CloudFormation in every case: a deployment never hangs or fails on it."""

import contextlib
import io
import json
import time
import urllib.request
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.exceptions import ReadTimeoutError

from stacks import first_sync_handler
from testing.memory_dynamodb import error

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)


class Lambda:
    """Stand in for the client: give these replies, one a call."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.calls = []

    def invoke(self, **arguments):
        self.calls.append(arguments)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


ODD_RESULTS: list[object] = [
    *(b"", b"<html>", None, [], 7, {}),
    *({"Families": None}, {"Families": [1]}, {"Families": {"PHI": None}}),
]


def replied(payload, **more):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return {"StatusCode": 200, "Payload": io.BytesIO(body), **more}


def done(**errors):
    """The sync function's result: each family with its error, or with none."""
    good = {"AsOf": None, "UpstreamCalls": 1, "Changed": 0}
    families = {name: good | ({"Error": e} if e else {}) for name, e in errors.items()}
    return replied({"Families": families})


def of_sources(**errors):
    """The sync function's result in a ledger of several sources: the error of each, or none."""
    sources = {
        name: {"Families": {"SNOMEDCT": {}, "PHI": {"Error": e} if e else {}}}
        for name, e in errors.items()
    }
    families = {"SNOMEDCT": {}, "PHI": {"Error": "one of them"}}
    return replied({"Sources": sources, "Families": families})


DENIED = error("AccessDeniedException")
IDS = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Run"}


@pytest.fixture
def run(monkeypatch):
    """Run the handler, and return what CloudFormation gets."""
    sent: list[urllib.request.Request] = []

    def send(request, timeout):
        sent.append(request)
        return contextlib.nullcontext()

    monkeypatch.setattr(urllib.request, "urlopen", send)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def run(client, request="Create"):
        monkeypatch.setattr(botocore.session.Session, "create_client", lambda *_, **__: client)
        event = {"RequestType": request, "ResponseURL": "https://s3/answer?signed", **IDS}
        event["ResourceProperties"] = {"FunctionName": "sync"}
        first_sync_handler.handler(event, CONTEXT)
        (answer,) = sent
        assert (answer.method, answer.full_url) == ("PUT", event["ResponseURL"])
        # The URL is signed without one.
        assert answer.get_header("Content-type") == ""
        assert isinstance(answer.data, bytes)
        return json.loads(answer.data)

    return run


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_it_syncs_every_family_and_says_that_it_did(run, request_type):
    client = Lambda(done(SNOMEDCT=None, PHI=None))
    answer = run(client, request_type)
    assert client.calls == [{"FunctionName": "sync", "Payload": b"{}"}]
    outcome = {"PhysicalResourceId": "first-sync", "Data": {"Outcome": "succeeded"}}
    assert answer == {"Status": "SUCCESS", **IDS, **outcome}


def test_deleting_the_stack_syncs_nothing(run):
    client = Lambda()
    assert run(client, "Delete")["Status"] == "SUCCESS"
    assert client.calls == []


@pytest.mark.parametrize(
    "replies, outcome",
    [
        ([replied({"errorType": "LedgerFailed"}, FunctionError="Unhandled")], "failed: LedgerFailed"),
        ([error("TooManyRequestsException")], "failed: TooManyRequestsException"),
        # A permission that takes a moment is waited for.
        ([DENIED, DENIED, done(PHI=None)], "succeeded"),
        ([DENIED] * 12, "failed: AccessDeniedException"),
        ([ReadTimeoutError(endpoint_url="https://lambda")], "failed: ReadTimeoutError"),
        ([done(SNOMEDCT="NoAccess", PHI=None)], "failed: SNOMEDCT NoAccess"),
        # The next run resumes these two, so they have not failed, unless another has.
        ([done(PHI="DeadlineReached", RXNORM="WalkOvertaken")], "unfinished: PHI DeadlineReached, RXNORM WalkOvertaken"),
        ([done(PHI="NoAccess", RXNORM="DeadlineReached")], "failed: PHI NoAccess, RXNORM DeadlineReached"),
        *(([replied(odd)], "failed: InvalidResponse") for odd in ODD_RESULTS),
        ([replied([], FunctionError="Unhandled")], "failed: InvalidResponse"),
        ([{"StatusCode": 200}], "failed: InvalidResponse"),
        ([of_sources(a=None, b="AccessDenied")], "failed: b AccessDenied"),
        ([of_sources(a="DeadlineReached", b=None)], "unfinished: a DeadlineReached"),
        (
            [of_sources(**{f"s{n}": "AccessDenied" for n in range(42)})],
            f"failed: {', '.join(f's{n} AccessDenied' for n in range(40))}, 2 more",
        ),
    ],
)  # fmt: skip
def test_it_fails_no_deployment_and_reports_the_names_of_all_errors(run, replies, outcome, capsys):
    client = Lambda(*replies)
    answer = run(client)
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Outcome": outcome})
    assert client.replies == []
    level = "ERROR" if "failed" in outcome else "INFO"
    line = json.loads(capsys.readouterr().out)
    assert line == {"level": level, "message": f"first sync {outcome}"}
