"""What KMS is asked: the stack's key, bound to the request, with the properties as they are."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from jobledger.errors import LedgerUnavailable
from jobledger.lookup.encryption import PropertyCipher

EVENT = {
    "StackId": "stack",
    "LogicalResourceId": "Job",
    "RequestId": "request",
    "ResourceProperties": {"JobName": "診\ud800", "Refresh": "7", "ServiceToken": "token"},
}


class Kms:
    """A client that encrypts nothing and keeps what it is asked."""

    def __init__(self):
        self.asked = []

    def encrypt(self, **asked):
        self.asked.append(asked)
        return {"CiphertextBlob": asked["Plaintext"]}

    def decrypt(self, **asked):
        self.asked.append(asked)
        return {"Plaintext": asked["CiphertextBlob"]}


def test_both_directions_use_the_key_and_are_bound_to_the_request():
    kms = Kms()
    cipher = PropertyCipher(kms, "key")
    encrypted = cipher.encrypt(EVENT)
    assert cipher.decrypt({**EVENT, "ResourceProperties": encrypted}) == {"JobName": "診?"}
    context = {"StackId": "stack", "LogicalResourceId": "Job", "RequestId": "request"}
    # As UTF-8, because KMS encrypts 4,096 bytes.
    assert kms.asked[0]["Plaintext"] == '{"JobName": "診?"}'.encode()
    for asked in kms.asked:
        assert (asked["KeyId"], asked["EncryptionContext"]) == ("key", context)


@pytest.mark.parametrize(
    "error,name",
    [
        (ClientError({"Error": {"Code": "DisabledException"}}, "Encrypt"), "DisabledException"),
        (EndpointConnectionError(endpoint_url="https://kms"), "EndpointConnectionError"),
    ],
)
def test_an_unusable_key_is_an_error_with_the_name_of_the_cause(error, name):
    def fail(**asked):
        raise error

    with pytest.raises(LedgerUnavailable) as unavailable:
        PropertyCipher(SimpleNamespace(encrypt=fail), "key").encrypt(EVENT)
    assert str(unavailable.value) == name
