"""What the look-up asks KMS, and returns to CDK's provider framework."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from jobledger.errors import LedgerUnavailable, LookupFailed
from jobledger.invoke import Function
from jobledger.ledger.ledger import Ledger
from jobledger.lookup.encryption import PropertyCipher
from jobledger.lookup.resource import begin, check, with_one_reason

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
REQUEST = {
    "RequestType": "Create",
    "StackId": "stack",
    "LogicalResourceId": "Job",
    "RequestId": "request",
    "ResourceProperties": {"JobName": "nightly-notes"},
}
ENCRYPTED = {"Encrypted": base64.b64encode(b'{"JobName": "nightly-notes"}').decode()}
# From the stack and the logical id: another id would be another resource, and the job would be looked up anew.
CREATED = "comprehend-medical-job-652e3c43724d9492d6e8ff9927d4e049"


class Kms:
    """A client that encrypts nothing and keeps what it is asked, or fails to decrypt."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.error = error

    def encrypt(self, **asked: Any) -> dict[str, bytes]:
        self.asked.append(asked)
        return {"CiphertextBlob": asked["Plaintext"]}

    def decrypt(self, **asked: Any) -> dict[str, bytes]:
        self.asked.append(asked)
        if self.error:
            raise self.error
        return {"Plaintext": asked["CiphertextBlob"]}


THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "Decrypt")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://kms")


def cipher() -> PropertyCipher:
    return PropertyCipher(Kms(THROTTLED), "key")


def connect() -> tuple[Ledger, Function]:
    raise AssertionError("without the properties there is nothing to look up")


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("FAMILIES", "SNOMEDCT")


def test_properties_are_encrypted_with_the_key_as_utf_8_and_bound_to_the_request():
    kms = Kms()
    given = {"JobName": "診\ud800", "Refresh": "7", "ServiceToken": "token"}
    encrypted = PropertyCipher(kms, "key").encrypt({**REQUEST, "ResourceProperties": given})
    event = {**REQUEST, "ResourceProperties": encrypted}
    assert PropertyCipher(kms, "key").decrypt(event) == {"JobName": "診?"}
    # Escapes would take more of the 4,096 bytes that KMS encrypts.
    assert kms.asked[0]["Plaintext"] == '{"JobName": "診?"}'.encode()
    context = {"StackId": "stack", "LogicalResourceId": "Job", "RequestId": "request"}
    for asked in kms.asked:
        assert (asked["KeyId"], asked["EncryptionContext"]) == ("key", context)


@pytest.mark.parametrize(
    "error, name",
    [(THROTTLED, "ThrottlingException"), (UNREACHABLE, "EndpointConnectionError")],
)
def test_an_unusable_key_is_an_error_with_the_name_of_the_cause(error, name):
    with pytest.raises(LedgerUnavailable) as unavailable:
        PropertyCipher(Kms(error), "key").decrypt({**REQUEST, "ResourceProperties": ENCRYPTED})
    assert str(unavailable.value) == name


PENDING = {
    "StartedAt": "2026-11-23T08:00:00.000Z",
    "ResourceProperties": ENCRYPTED,
    "OldResourceProperties": {},
}
OLD = {"PhysicalResourceId": "old"}


@pytest.mark.parametrize(
    "request_type, given, pending",
    [
        ("Create", {}, PENDING | {"PhysicalResourceId": CREATED}),
        ("Update", OLD | {"OldResourceProperties": {"JobName": "a"}}, PENDING | OLD),
        ("Delete", OLD, OLD | {"ResourceProperties": {}}),
    ],
)
def test_a_pending_request_carries_its_id_and_if_needed_its_time_and_encrypted_properties(
    request_type, given, pending
):
    assert begin({**REQUEST, "RequestType": request_type, **given}, cipher, NOW) == pending


def test_a_key_that_cannot_be_used_is_tried_again_for_a_minute():
    def check_after(seconds):
        return check(event, cipher, connect, lambda: NOW + timedelta(seconds=seconds))

    event = {**REQUEST, **begin(REQUEST, cipher, NOW)}
    assert check_after(0) == check_after(59) == {"IsComplete": False}
    with pytest.raises(LookupFailed) as failed:
        check_after(60)
    assert str(failed.value) == (
        "The ledger is temporarily unavailable (ThrottlingException). No data was lost. Try again."
    )


MOST = 2000  # bytes, as JSON


def reason_of(sentence: str) -> str:
    def fail():
        raise LookupFailed(sentence)

    with pytest.raises(LookupFailed) as failed:
        with_one_reason({}, lambda: NOW, fail)
    return str(failed.value)


def test_a_reason_that_just_fits_is_unchanged():
    sentence = "x" * (MOST - 2)
    assert reason_of(sentence) == sentence


@pytest.mark.parametrize("letter", ["x", "診", '"', "\\"])
def test_a_longer_reason_keeps_as_much_of_its_beginning_as_fits(letter):
    reason = reason_of(letter * 5000)
    assert reason == letter * (len(reason) - 1) + "…"
    size = len(json.dumps(reason, ensure_ascii=False).encode())
    assert MOST * 9 // 10 - 10 < size <= MOST
