"""A wrong answer of AWS is an error with a name: each kind of answer, to each caller, over HTTP."""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from jobledger import errors
from jobledger.clients import session
from jobledger.errors import EventRefused, FunctionRefused, JobLedgerError, LedgerUnavailable
from jobledger.events.eventbridge import EventBus
from jobledger.idempotency import IdempotentOperation
from jobledger.invoke import Function
from jobledger.ledger.rows import Change
from jobledger.ledger.table import Increment, Put, Table
from jobledger.lookup.encryption import ENCRYPTED, PropertyCipher
from jobledger.service import Family
from jobledger.sns import Notification, Notifier
from jobledger.sqs import Undelivered
from testing.api import Context
from testing.scripted_server import Scripted, document, scripted

KEY = {"PK": "p", "SK": "s"}
ROW = {"PK": {"S": "p"}, "SK": {"S": "s"}}
CHANGE = Change(Family.PHI, "job", "FAILED", None, None, None, "2026-11-23T12:00:00.000Z")
IDS = {"StackId": "s", "LogicalResourceId": "l", "RequestId": "r"}
SEALED = {**IDS, "ResourceProperties": {ENCRYPTED: base64.b64encode(b"c").decode()}}
HTML = b"<html>Sign in</html>"
NOT_JSON = [b"", b"null", b"[]", b'"text"', b"7", b"{", HTML, b"\xff", b"[" * 100_000]
# Each status with each body, as far as they differ in kind.
OTHERS = [(302, b""), (302, HTML), (404, b"{}"), (500, b'{"__type":["x"]}'), (500, b'{"code":7}')]


def idempotent(client: Any) -> Any:
    operation = IdempotentOperation("k", "t", client, 60, in_progress=errors.RequestInProgress)
    operation.register(Context())
    return operation("key", lambda: {"a": 1})


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
    "put event": ("events", lambda c: EventBus(c, "jobledger").put(CHANGE, "a/r", None), EventRefused),
    "publish": ("sns", lambda c: Notifier(c).publish("arn", Notification({"default": "m"})), errors.PublishUncertain),
    "send message": ("sqs", lambda c: Undelivered(c, c.meta.endpoint_url).put({}), errors.QueueRefused),
    "invoke": ("lambda", lambda c: Function(c, "f")({}), FunctionRefused),
    "encrypt": ("kms", lambda c: PropertyCipher(c, "k").encrypt({**IDS, "ResourceProperties": {}}), LedgerUnavailable),
    "decrypt": ("kms", lambda c: PropertyCipher(c, "k").decrypt(SEALED), LedgerUnavailable),
}  # fmt: skip
# Objects that have not the members, or not of their type.
ODD_MEMBERS: dict[str, list[Any]] = {
    "get": [{"Item": 7}, {"Item": [ROW]}, {"Item": {"PK": None}}],
    "batch get": [
        {}, {"Responses": None}, {"Responses": []}, {"UnprocessedKeys": {}}, {"Responses": {"t": None}},
        {"Responses": {"t": [None]}}, {"Responses": {"t": []}, "UnprocessedKeys": {"t": 7}},
        {"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": 7}}},
    ],
    "query": [
        {}, {"Count": 0, "ScannedCount": 0}, {"Items": None, "ScannedCount": 0}, {"Items": {}, "ScannedCount": 0},
        {"Items": [None], "ScannedCount": 1}, {"Items": [{"PK": {}}], "ScannedCount": 1},
        {"Items": [{"PK": {"N": "x"}}], "ScannedCount": 1}, {"Items": [ROW], "ScannedCount": 1, "LastEvaluatedKey": "k"},
    ],
    "put event": [
        {}, {"FailedEntryCount": 0}, {"FailedEntryCount": 0, "Entries": []}, {"FailedEntryCount": 0, "Entries": [{}]},
        {"FailedEntryCount": 0, "Entries": [None]}, {"FailedEntryCount": None, "Entries": [{"EventId": "e"}]},
        {"FailedEntryCount": 1, "Entries": [{"EventId": "e"}]},
        {"FailedEntryCount": 0, "Entries": [{"EventId": "e", "ErrorCode": "InternalFailure"}]},
    ],
    "publish": [{}], "send message": [{}, {"MessageId": None}, {"MessageId": 7}],
    "encrypt": [{}, {"CiphertextBlob": None}, {"CiphertextBlob": 7}], "decrypt": [{}, {"Plaintext": None}, {"KeyId": "k"}],
}  # fmt: skip
# Answers of DynamoDB that are right, with the right checksum.
RIGHT = {
    "get": {"Item": ROW},
    "batch get": {"Responses": {"t": [ROW]}, "UnprocessedKeys": {}},
    "query": {"Items": [ROW], "Count": 1, "ScannedCount": 1},
    **{name: dict[str, Any]() for name in ("put", "increment", "idempotency")},
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


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("body", NOT_JSON)
def test_an_answer_other_than_an_object_is_an_error_with_a_name(name, body):
    failed = outcome(name, Scripted(body=body))
    assert isinstance(failed, JobLedgerError)
    assert failed.name


@pytest.mark.parametrize("name", ODD_MEMBERS)
def test_an_answer_without_its_members_is_an_error_with_a_name(name):
    for members in ODD_MEMBERS[name]:
        answered = outcome(name, document(members))
        assert isinstance(answered, JobLedgerError), members


@pytest.mark.parametrize("name", CALLS)
def test_another_status_is_an_error_with_a_name(name):
    for status, body in OTHERS:
        if name != "publish" or status >= 500:  # below, nothing was sent: another of its errors
            answered = outcome(name, Scripted(status, body=body))
            assert isinstance(answered, JobLedgerError), (status, body)


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_is_read_only_if_it_matches_its_checksum_and_asked_for_again_if_not(name):
    body = json.dumps(RIGHT[name]).encode()
    wrong = checked(body, right=False)
    assert not isinstance(outcome(name, checked(body)), Exception)
    assert not isinstance(outcome(name, wrong, checked(body)), Exception)
    assert isinstance(outcome(name, wrong), LedgerUnavailable)


def test_a_failed_condition_with_a_wrong_checksum_is_an_error_as_is_one_other_than_a_number():
    body = json.dumps(CONDITION).encode()
    for name in ("put", "increment"):
        assert outcome(name, checked(body, 400)) is False
        assert isinstance(outcome(name, checked(body, 400, right=False)), LedgerUnavailable)
    for checksum in ("", "x", "-1", "1.5"):
        given = Scripted(200, {"x-amz-crc32": checksum}, b"{}")
        assert isinstance(outcome("get", given), LedgerUnavailable)
