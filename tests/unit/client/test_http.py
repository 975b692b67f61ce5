"""Requests of the client: their signatures, and when they are repeated."""

import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from job_ledger.errors import ApiError, ConnectionFailed, CredentialsUnavailable, LedgerNotFound
from job_ledger.http import LONGEST_WAIT, MOST_ATTEMPTS, Http, Request
from testing.scripted_server import Scripted, document, problem, scripted

GET = Request("GET", "/jobs")
POST = Request("POST", "/digests", body=b"{}")
POST_ONCE = Request("POST", "/digests", headers={"Idempotency-Key": "k"}, body=b"{}")
FINE = document({"fine": True})
AWS = "https://api.example.org"


@pytest.fixture
def slept():
    """The seconds that a client has waited."""
    return []


def answer(server, slept, request=GET):
    return Http(server.url, sleep=slept.append).send(request)


@pytest.mark.parametrize("token", [None, "the-token"])
def test_the_signature_is_that_of_the_request_as_it_arrives(slept, monkeypatch, token):
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    requests = (
        Request("GET", "/jobs", [("JobName", "a b+c/d%41=é夜\u2028~*'()"), ("Family", "ALL")]),
        Request("GET", "/jobs", [("B", "2"), ("A", "1"), ("B", "1")]),
        *(Request("GET", "/jobs/a%20b%25%3A"), POST_ONCE),
    )
    with scripted(FINE) as server:
        for request in requests:
            answer(server, slept, request)
    assert len(server.received) == len(requests)
    for received in server.received:
        assert received.is_signed()
        assert not received.is_signed(secret="other")
        assert received.headers.get("x-amz-security-token") == token
        assert ("x-amz-security-token" in received.headers["authorization"]) == bool(token)


def test_a_compressed_answer_is_decompressed(slept):
    zipped = Scripted(headers={"Content-Encoding": "gzip"}, body=gzip.compress(FINE.body))
    with scripted(zipped) as server:
        assert answer(server, slept).json == {"fine": True}
    assert server.received[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("request_", [GET, POST_ONCE], ids=["GET", "POST with a key"])
def test_a_failure_that_may_pass_is_repeated_after_the_time_that_it_says(slept, request_):
    for status, wait in ((429, 3), (503, 5), (409, 5)):
        with scripted(problem(status, Retry_After=str(wait)), FINE) as server:
            assert answer(server, slept, request_).status == 200
        assert (len(server.received), slept.pop()) == (2, wait)
    pages = (Scripted(status, body=b"<html>") for status in (502, 503))
    for failure in (problem(500), problem(504), *pages):
        with scripted(failure, FINE) as server:
            assert answer(server, slept, request_).status == 200
        assert len(server.received) == 2
        assert 0.4 < slept.pop() <= 1
    # It can be a time of the day as well.
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    with scripted(problem(429, Retry_After=moment), FINE) as server:
        answer(server, slept, request_)
    assert 7 < slept.pop() <= 10
    assert slept == []


def test_a_lost_connection_is_repeated_and_attempts_are_bounded(slept):
    with scripted(*[None] * (MOST_ATTEMPTS - 1), FINE) as server:
        assert answer(server, slept).status == 200
    slept.clear()
    with scripted(problem(429, Retry_After="1")) as server:
        assert answer(server, slept).status == 429
    assert (len(server.received), slept) == (MOST_ATTEMPTS, [1] * (MOST_ATTEMPTS - 1))


def test_a_post_without_a_key_and_a_failure_that_stays_are_not_repeated(slept):
    for request, failure in (
        (POST, problem(429, Retry_After="1")),
        (POST, problem(500)),
        *[(GET, problem(status)) for status in (400, 403, 404, 503)],
        (GET, problem(503, Retry_After=str(int(LONGEST_WAIT) + 1))),  # longer than it waits
    ):
        with scripted(failure) as server:
            assert answer(server, slept, request).status == failure.status
        assert (len(server.received), slept) == (1, [])
    post = Request("POST", "/digests", [("JobName", "canary")], body=b"{}")
    with scripted(None) as server, pytest.raises(ConnectionFailed) as caught:
        answer(server, slept, post)
    assert (len(server.received), slept) == (1, [])
    # It names the address, but not the query.
    said = str(caught.value)
    assert (server.url in said, "\n" in said) == (True, False)
    assert "canary" not in f"{said}{caught.value.__cause__}"


def failure_of(answered):
    with scripted(answered) as server, pytest.raises(ApiError) as caught:
        _ = Http(server.url).get("/jobs").json
    return caught.value


def test_an_error_carries_the_problem_or_is_said_to_be_of_another_server():
    error = failure_of(problem(404, "ResourceNotFoundException"))
    assert error.problem["title"] == error.title == "ResourceNotFoundException"
    assert (error.status, str(error)) == (404, "ResourceNotFoundException (404): It failed.")
    for body in (b"<html>", b"[]", b"", b'"x"', b"\xff", b'{"title": "x"}'):
        error = failure_of(Scripted(403, body=body))
        assert error.problem["status"] == 403
        assert "not from Job Ledger's API" in str(error)
    assert "Check its URL" in str(failure_of(Scripted(body=b"<html>")))


@pytest.mark.parametrize(
    "missing, said",
    [
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "aws sso login"),
        (("AWS_REGION", "AWS_DEFAULT_REGION"), "AWS_REGION"),
    ],
)
def test_without_credentials_or_region_only_this_machine_is_called(
    slept, monkeypatch, missing, said
):
    for name in missing:
        monkeypatch.delenv(name)
    with scripted(FINE) as server:
        answer(server, slept)
    assert "authorization" not in server.received[0].headers
    with pytest.raises(CredentialsUnavailable, match=said):
        Http(AWS).send(GET)


def test_the_region_is_that_of_the_address_an_argument_or_either_variable(monkeypatch):
    for url, region in {
        "https://abc.execute-api.eu-west-1.amazonaws.com/v1": "eu-west-1",
        "https://abc-vpce-1.execute-api.us-gov-west-1.amazonaws.com/v1/": "us-gov-west-1",
        "https://jobs.example.org": "ap-south-1",
    }.items():
        http = Http(url, region="ap-south-1")
        assert (http._region, http.url) == (region, url.rstrip("/"))
    both = ("AWS_REGION", "AWS_DEFAULT_REGION")
    for name, other in (both, reversed(both)):
        monkeypatch.setenv(name, "eu-north-1")
        monkeypatch.delenv(other)
        assert Http(AWS)._region == "eu-north-1"


def test_an_unknown_profile_and_an_address_that_is_not_https_or_local_are_refused():
    with pytest.raises(CredentialsUnavailable, match="absent"):
        Http(AWS, profile="absent")
    for url in ("http://api.example.org/v1", "ftp://127.0.0.1", "api.example.org", "https://a/?b=c"):  # fmt: skip
        with pytest.raises(LedgerNotFound):
            Http(url)
