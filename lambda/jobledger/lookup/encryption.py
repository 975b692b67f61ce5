"""The only caller of KMS: encrypts the properties of a look-up.

CDK's provider framework passes each request to a Step Functions state machine, whose execution history keeps
it for 90 days, readable with `states:GetExecutionHistory` alone. Properties can contain job names, so the
history gets them encrypted; only the function that looks up the job may decrypt them.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import session
from jobledger.errors import LedgerUnavailable

CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 4},
)
ENCRYPTED = "Encrypted"
# The look-up does not use them, Refresh can have any length, and KMS encrypts at most 4,096 bytes (API reference,
# Encrypt).
_LEFT_OUT = ("ServiceToken", "Refresh")


class PropertyCipher:
    """Encrypts and decrypts the properties of a request, bound to its stack, resource and request id.

    Both raise LedgerUnavailable: the same key protects the ledger.
    """

    def __init__(self, client: Any, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    @classmethod
    def connect(cls, key_id: str) -> "PropertyCipher":
        """Return the cipher with its own client, bounded retries and timeouts."""
        return cls(session().create_client("kms", config=CONFIG), key_id)

    def encrypt(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Return the request's properties as one encrypted property."""
        properties = {
            name: value
            for name, value in event["ResourceProperties"].items()
            if name not in _LEFT_OUT
        }
        plain = json.dumps(properties, ensure_ascii=False).encode("utf-8", "replace")
        answer = self._call("encrypt", event, Plaintext=plain)
        return {ENCRYPTED: base64.b64encode(answer["CiphertextBlob"]).decode()}

    def decrypt(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties that `encrypt` was given."""
        text = event["ResourceProperties"][ENCRYPTED]
        answer = self._call("decrypt", event, CiphertextBlob=base64.b64decode(text))
        properties: dict[str, Any] = json.loads(answer["Plaintext"])
        return properties

    def _call(self, operation: str, event: Mapping[str, Any], **data: bytes) -> dict[str, Any]:
        context = {name: event[name] for name in ("StackId", "LogicalResourceId", "RequestId")}
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(
                KeyId=self._key_id, EncryptionContext=context, **data
            )
        except ClientError as error:
            raise LedgerUnavailable(error.response["Error"]["Code"]) from error
        except BotoCoreError as error:
            raise LedgerUnavailable(type(error).__name__) from error
        return answer
