"""The only caller of SNS: what is published, how large it is, and what its errors mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from jobledger.errors import MessageInvalid, PublishRefused, PublishUncertain

MAX_BYTES = 262_144
"""Of a message and its attributes together, for topics that e-mail subscribes to (API reference)."""

# Three attempts of at most 6 seconds and the pauses between them end before PUBLISH_SECONDS.
CONFIG = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)
PUBLISH_SECONDS = 30
"""Longer than a call of `publish` can take."""

# Refusals of the message itself: no attempt, this or an earlier one, can have been taken.
_INVALID = frozenset({"InvalidParameter", "ParameterValueInvalid", "ValidationException"})


@dataclass(frozen=True, slots=True)
class Notification:
    """One message. A `bodies` of more than one part is for MessageStructure=json: protocol to text."""

    bodies: Mapping[str, str]
    subject: str | None = None
    attributes: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of Publish, but for the topic."""
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
        """Return the bytes that count against MAX_BYTES, in UTF-8 and with every escape; the subject too."""
        parameters = self.parameters()
        texts = [parameters["Message"], self.subject or ""]
        for name, attribute in parameters.get("MessageAttributes", {}).items():
            texts += [name, *attribute.values()]
        return sum(len(text.encode()) for text in texts)


class Notifier:
    """Publishes to topics."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> "Notifier":
        """Return a notifier on a client of its own, with bounded attempts and time-outs."""
        return cls(Session().create_client("sns", config=CONFIG))

    def publish(self, topic_arn: str, notification: Notification) -> str:
        """Publish and return the MessageId.

        Raises MessageInvalid or PublishRefused when nothing was sent, PublishUncertain when it may
        have been: SNS failed, did not answer, or refused only after an attempt that it had not answered.
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
