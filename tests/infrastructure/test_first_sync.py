"""The first sync answers CloudFormation in every case: a deployment never hangs or fails on it."""

import http.server
import io
import json
import threading
import time
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


ODD_RESULTS: list[object] = [b"", b"<html>", None, [], 7, {}, {"Families": None}, {"Families": [1]}]


def replied(payload, **more):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return {"StatusCode": 200, "Payload": io.BytesIO(body), **more}


def done(**errors):
    """The sync function's result: each family with its error, or with none."""
    good = {"AsOf": None, "UpstreamCalls": 1, "Changed": 0}
    families = {name: good | ({"Error": e} if e else {}) for name, e in errors.items()}
    return replied({"Families": families})


DENIED = error("AccessDeniedException")
IDS = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Run"}


@pytest.fixture
def run(monkeypatch):
    """Run the handler against a CloudFormation that listens, and return what that heard."""
    heard = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Keep quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/answer"
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def run(client, request="Create"):
        monkeypatch.setattr(botocore.session.Session, "create_client", lambda *_, **__: client)
        event = {"RequestType": request, "ResponseURL": url, **IDS}
        event["ResourceProperties"] = {"FunctionName": "sync"}
        first_sync_handler.handler(event, CONTEXT)
        return heard[-1]

    yield run
    server.shutdown()
    server.server_close()


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
        ([replied({"errorType": "LedgerFailed"}, FunctionError="Unhandled")], "LedgerFailed"),
        ([error("TooManyRequestsException")], "TooManyRequestsException"),
        ([DENIED] * 12, "AccessDeniedException"),
        ([ReadTimeoutError(endpoint_url="https://lambda")], "ReadTimeoutError"),
        ([done(SNOMEDCT="NoAccess", PHI=None)], "SNOMEDCT NoAccess"),
        # One that the next run resumes has not failed, but the other has.
        ([done(PHI="NoAccess", RXNORM="DeadlineReached")], "PHI NoAccess, RXNORM DeadlineReached"),
        *(([replied(odd)], "InvalidResponse") for odd in ODD_RESULTS),
        ([replied({"Families": {"PHI": None}})], "InvalidResponse"),
        ([replied([], FunctionError="Unhandled")], "InvalidResponse"),
        ([{"StatusCode": 200}], "InvalidResponse"),
    ],
)
def test_a_failed_sync_fails_no_deployment_and_is_reported_by_the_names_of_its_errors(
    run, replies, outcome, capsys
):
    client = Lambda(*replies)
    answer = run(client)
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Outcome": f"failed: {outcome}"})
    assert client.replies == []
    line = json.loads(capsys.readouterr().out)
    assert line == {"level": "ERROR", "message": f"first sync failed: {outcome}"}


def test_a_first_fill_that_the_next_run_goes_on_with_is_not_finished_and_has_not_failed(run):
    answer = run(Lambda(done(SNOMEDCT="DeadlineReached", PHI=None, RXNORM="WalkOvertaken")))
    expected = "unfinished: SNOMEDCT DeadlineReached, RXNORM WalkOvertaken"
    assert answer["Data"] == {"Outcome": expected}


def test_a_permission_that_takes_a_moment_is_waited_for(run):
    assert run(Lambda(DENIED, DENIED, done(PHI=None)))["Data"]["Outcome"] == "succeeded"


def of_sources(**errors):
    """The sync function's result in a ledger of several sources: the error of each, or none."""
    sources = {
        name: {"Families": {"SNOMEDCT": {}, "PHI": {"Error": e} if e else {}}}
        for name, e in errors.items()
    }
    return replied(
        {"Sources": sources, "Families": {"SNOMEDCT": {}, "PHI": {"Error": "one of them"}}}
    )


@pytest.mark.parametrize(
    "errors, outcome",
    [
        ({"a": None, "b": "AccessDenied"}, "failed: b AccessDenied"),
        ({"a": "DeadlineReached", "b": None}, "unfinished: a DeadlineReached"),
        (
            {f"s{n}": "AccessDenied" for n in range(42)},
            f"failed: {', '.join(f's{n} AccessDenied' for n in range(40))}, 2 more",
        ),
    ],
)
def test_of_several_sources_it_reports_each_that_failed(run, errors, outcome):
    assert run(Lambda(of_sources(**errors)))["Data"] == {"Outcome": outcome}
