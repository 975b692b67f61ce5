"""What AWS answers is what was asked for, or an error with a name: each answer, to each caller, over HTTP."""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from jobledger.clients import session
from jobledger.errors import (
    EventRefused,
    FunctionRefused,
    JobLedgerError,
    LedgerUnavailable,
    PublishUncertain,
    QueueRefused,
    RequestInProgress,
)
from jobledger.events.eventbridge import EventBus
from jobledger.idempotency import IdempotentOperation
from jobledger.invoke import Function
from jobledger.ledger.rows import Change
from jobledger.ledger.table import Increment, Put, Table
from jobledger.lookup.encryption import ENCRYPTED, PropertyCipher
from jobledger.service import Family
from jobledger.sns import Notification, Notifier
from jobledger.sqs import Undelivered
from testing.scripted_server import Scripted, scripted

KEY = {"PK": "p", "SK": "s"}
CHANGE = Change(Family.PHI, "job", "FAILED", None, None, None, "2026-11-23T12:00:00.000Z")
IDS = {"StackId": "s", "LogicalResourceId": "l", "RequestId": "r"}
NOT_JSON = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"7",
    b"{",
    b"<html>Sign in</html>",
    b"\xff",
    b"[" * 100_000,
]
ROW = {"PK": {"S": "p"}, "SK": {"S": "s"}}


def idempotent(client: Any) -> Any:
    operation = IdempotentOperation("k", "t", client, 60, in_progress=RequestInProgress)
    operation.register(Context())
    return operation("key", lambda: {"a": 1})


class Context:
    """Time is left."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


TABLE: dict[str, Callable[[Any], Any]] = {
    "get": lambda client: Table(client, "t").get(KEY),
    "batch get": lambda client: list(Table(client, "t").batch_get([KEY])),
    "query": lambda client: list(Table(client, "t").query_all()),
    "put": lambda client: Table(client, "t").put(Put(dict(KEY), "attribute_not_exists(PK)")),
    "increment": lambda client: Table(client, "t").transact([Increment(KEY, {"n": 1})]),
    "idempotency": idempotent,
}
CALLS: dict[str, tuple[str, Callable[[Any], Any], type[JobLedgerError]]] = {
    **{name: ("dynamodb", call, LedgerUnavailable) for name, call in TABLE.items()},
    "put event": (
        "events",
        lambda client: EventBus(client, "jobledger").put(CHANGE, "a/r", None),
        EventRefused,
    ),
    "publish": (
        "sns",
        lambda client: Notifier(client).publish("arn", Notification({"default": "m"})),
        PublishUncertain,
    ),
    "send message": (
        "sqs",
        lambda client: Undelivered(client, client.meta.endpoint_url).put({}),
        QueueRefused,
    ),
    "invoke": ("lambda", lambda client: Function(client, "f")({}), FunctionRefused),
    "encrypt": (
        "kms",
        lambda client: PropertyCipher(client, "k").encrypt({**IDS, "ResourceProperties": {}}),
        LedgerUnavailable,
    ),
    "decrypt": (
        "kms",
        lambda client: PropertyCipher(client, "k").decrypt(
            {**IDS, "ResourceProperties": {ENCRYPTED: base64.b64encode(b"c").decode()}}
        ),
        LedgerUnavailable,
    ),
}
# Objects that have not the members, or not of their type.
ODD_MEMBERS: dict[str, list[dict[str, Any]]] = {
    "get": [{"Item": 7}, {"Item": [ROW]}, {"Item": {"PK": None}}],
    "batch get": [
        *({}, {"Responses": None}, {"Responses": []}, {"UnprocessedKeys": {}}),
        {"Responses": {"t": None}},
        {"Responses": {"t": [None]}},
        {"Responses": {"t": []}, "UnprocessedKeys": {"t": 7}},
        {"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": 7}}},
    ],
    "query": [
        {},
        {"Count": 0, "ScannedCount": 0},
        {"Items": None, "ScannedCount": 0},
        {"Items": {}, "ScannedCount": 0},
        {"Items": [None], "ScannedCount": 1},
        {"Items": [{"PK": {}}], "ScannedCount": 1},
        {"Items": [{"PK": {"N": "x"}}], "ScannedCount": 1},
        {"Items": [ROW], "ScannedCount": 1, "LastEvaluatedKey": "k"},
    ],
    "put event": [
        {},
        {"FailedEntryCount": 0},
        {"FailedEntryCount": 0, "Entries": []},
        {"FailedEntryCount": 0, "Entries": [{}]},
        {"FailedEntryCount": 0, "Entries": [None]},
        {"FailedEntryCount": None, "Entries": [{"EventId": "e"}]},
        {"FailedEntryCount": 1, "Entries": [{"EventId": "e"}]},
        {"FailedEntryCount": 0, "Entries": [{"EventId": "e", "ErrorCode": "InternalFailure"}]},
    ],
    "publish": [{}],
    "send message": [{}, {"MessageId": None}, {"MessageId": 7}],
    "encrypt": [{}, {"CiphertextBlob": None}, {"CiphertextBlob": 7}],
    "decrypt": [{}, {"Plaintext": None}, {"KeyId": "k"}],
}
# Answers of DynamoDB that are right, with the right checksum.
RIGHT = {
    "get": {"Item": ROW},
    "batch get": {"Responses": {"t": [ROW]}, "UnprocessedKeys": {}},
    "query": {"Items": [ROW], "Count": 1, "ScannedCount": 1},
    "put": {},
    "increment": {},
    "idempotency": {},
}
CONDITION = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "CancellationReasons": [{"Code": "ConditionalCheckFailed"}],
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def outcome(name: str, *answers: Scripted) -> Any:
    """Return what a call gives, or its error; of another kind of error the test fails."""
    service, call, error = CALLS[name]
    with scripted(*answers) as server:
        client = session().create_client(service, endpoint_url=server.url, region_name="us-east-1")
        try:
            return call(client)
        except error as failed:
            return failed


def checked(body: bytes, status: int = 200, *, right: bool = True) -> Scripted:
    checksum = zlib.crc32(body) ^ (not right)
    return Scripted(status, {"x-amz-crc32": str(checksum)}, body)


@pytest.mark.row(31, count="12 calls of AWS, 8 bodies")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("body", NOT_JSON)
def test_an_answer_that_is_no_object_is_an_error_with_a_name(name, body):
    failed = outcome(name, Scripted(body=body))
    assert isinstance(failed, JobLedgerError)
    assert failed.name


@pytest.mark.row(31, count="27 answers of AWS without their members")
@pytest.mark.parametrize(
    "name, members", [(name, odd) for name, odds in ODD_MEMBERS.items() for odd in odds]
)
def test_an_answer_without_its_members_is_an_error_with_a_name(name, members):
    assert isinstance(outcome(name, Scripted(body=json.dumps(members).encode())), JobLedgerError)


@pytest.mark.row(31, count="12 calls of AWS, 3 statuses, 3 bodies")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [302, 404, 500])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>Sign in</html>", b'{"__type":["x"]}', b'{"code":7}']
)
def test_another_status_is_an_error_with_a_name(name, status, body):
    if name == "publish" and status < 500:
        return  # nothing was sent: another of its errors
    assert isinstance(outcome(name, Scripted(status, body=body)), JobLedgerError)


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_that_matches_its_checksum_is_read(name):
    given = outcome(name, checked(json.dumps(RIGHT[name]).encode()))
    assert not isinstance(given, Exception)


@pytest.mark.row(31, count="6 calls of DynamoDB")
@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_that_fails_its_checksum_at_every_attempt_is_an_error(name):
    failed = outcome(name, checked(json.dumps(RIGHT[name]).encode(), right=False))
    assert isinstance(failed, LedgerUnavailable)


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_that_fails_its_checksum_once_is_asked_for_again(name):
    body = json.dumps(RIGHT[name]).encode()
    given = outcome(name, checked(body, right=False), checked(body))
    assert not isinstance(given, Exception)


@pytest.mark.parametrize("name", ["put", "increment"])
def test_a_failed_condition_that_fails_its_checksum_is_no_condition(name):
    body = json.dumps(CONDITION).encode()
    assert outcome(name, checked(body, 400)) is False
    assert isinstance(outcome(name, checked(body, 400, right=False)), LedgerUnavailable)


@pytest.mark.parametrize("checksum", ["", "x", "-1", "1.5"])
def test_a_checksum_that_is_no_number_is_not_matched(checksum):
    given = Scripted(200, {"x-amz-crc32": checksum}, b"{}")
    assert isinstance(outcome("get", given), LedgerUnavailable)
