"""The only caller of SNS: message limits, publishing, and error handling."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import session
from jobledger.errors import MessageInvalid, PublishRefused, PublishUncertain

MAX_BYTES = 262_144
"""The maximum size of message and attributes together, for topics with e-mail subscribers (API reference)."""

# Three attempts of at most 6 seconds, with their pauses, end before PUBLISH_SECONDS.
CONFIG = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)
PUBLISH_SECONDS = 30
"""The maximum duration of a `publish` call."""

# Errors about the message itself: SNS cannot have accepted this or an earlier attempt.
_INVALID = frozenset({"InvalidParameter", "ParameterValueInvalid", "ValidationException"})


class Notification(msgspec.Struct, frozen=True):
    """One message. Several `bodies` are for MessageStructure=json: protocol to text."""

    bodies: Mapping[str, str]
    subject: str | None = None
    attributes: Mapping[str, str | tuple[str, ...]] = msgspec.field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of Publish, without the topic."""
        if self.bodies.keys() == {"default"}:
            parameters: dict[str, Any] = {"Message": self.bodies["default"]}
        else:
            message = json.dumps(dict(self.bodies), ensure_ascii=False, separators=(",", ":"))
            parameters = {"Message": message, "MessageStructure": "json"}
        if self.subject is not None:
            parameters["Subject"] = self.subject
        if self.attributes:
            parameters["MessageAttributes"] = {
                name: _attribute(value) for name, value in self.attributes.items()
            }
        return parameters

    def size(self) -> int:
        """Return the bytes that count against MAX_BYTES: UTF-8, with escapes and subject."""
        parameters = self.parameters()
        texts = [parameters["Message"], self.subject or ""]
        for name, attribute in parameters.get("MessageAttributes", {}).items():
            texts += [name, *attribute.values()]
        return sum(len(text.encode()) for text in texts)


class Notifier:
    """Publishes messages to topics."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> "Notifier":
        """Return a notifier with its own client, bounded retries and timeouts."""
        return cls(session().create_client("sns", config=CONFIG))

    def publish(self, topic_arn: str, notification: Notification) -> str:
        """Publish and return the MessageId.

        Raises MessageInvalid or PublishRefused when nothing was sent. Raises PublishUncertain when the
        message may have been sent: SNS failed, did not respond, or rejected a retry of an unanswered
        attempt.
        """
        try:
            answer = self._client.publish(TopicArn=topic_arn, **notification.parameters())
        except ClientError as error:
            raise _ours(error) from error
        except BotoCoreError as error:
            raise PublishUncertain(type(error).__name__) from error
        return str(answer["MessageId"])


def _ours(error: ClientError) -> PublishRefused | PublishUncertain:
    code = error.response["Error"]["Code"]
    metadata = error.response["ResponseMetadata"]
    if code in _INVALID:
        return MessageInvalid(code)
    if metadata["HTTPStatusCode"] < 500 and not metadata.get("RetryAttempts"):
        return PublishRefused(code)
    return PublishUncertain(code)


def _attribute(value: str | tuple[str, ...]) -> dict[str, str]:
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    return {"DataType": "String.Array", "StringValue": json.dumps(value)}
