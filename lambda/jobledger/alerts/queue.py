"""The only caller of SQS: reads the events that wait for an alert, and deletes those that have been sent.

An event that is not deleted returns to the queue. After many times the queue puts it aside (stacks/alerts.py).
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import session
from jobledger.errors import QueueUnavailable

MOST = 1_000
"""The largest number of events of one run; the next run reads the others."""
# SQS's limit for one call.
_MOST_AT_ONCE = 10

CONFIG = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class Waiting(msgspec.Struct, frozen=True):
    """One event in the queue; `receipt` deletes it."""

    body: str
    receipt: str


class AlertQueue:
    """The queue of events that wait for an alert."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    @classmethod
    def connect(cls, url: str) -> "AlertQueue":
        """Return the queue with its own client, bounded retries and timeouts."""
        return cls(session().create_client("sqs", config=CONFIG), url)

    def receive(self) -> list[Waiting]:
        """Return what waits, up to MOST. Raises QueueUnavailable when SQS does not answer."""
        received: list[Waiting] = []
        while len(received) < MOST:
            try:
                answer = self._client.receive_message(
                    QueueUrl=self._url, MaxNumberOfMessages=_MOST_AT_ONCE
                )
            except (ClientError, BotoCoreError) as error:
                if received:
                    break
                raise QueueUnavailable(type(error).__name__) from error
            messages = answer.get("Messages") or []
            if not messages:
                break
            received += [Waiting(each["Body"], each["ReceiptHandle"]) for each in messages]
        return received

    def delete(self, receipts: Sequence[str]) -> int:
        """Delete events that have been sent; return how many remain, and so are sent again."""
        remaining = 0
        for start in range(0, len(receipts), _MOST_AT_ONCE):
            some = receipts[start : start + _MOST_AT_ONCE]
            entries = [{"Id": str(n), "ReceiptHandle": each} for n, each in enumerate(some)]
            try:
                answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            except (ClientError, BotoCoreError):
                remaining += len(some)
            else:
                remaining += len(answer.get("Failed") or [])
        return remaining
