"""The only caller of SQS: the queue of what was not delivered, and the queue of events that wait for an alert."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobledger.clients import session
from jobledger.errors import QueueRefused

MOST = 1_000
"""The largest number of events of one run of alerts; the next run reads the others."""
# SQS's limit for one call.
_MOST_AT_ONCE = 10

CONFIG = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class Queue:
    """One queue, with its own client, bounded retries and timeouts."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    @classmethod
    def connect(cls, url: str) -> Self:
        """Return the queue with this address."""
        return cls(session().create_client("sqs", config=CONFIG), url)


class Undelivered(Queue):
    """The queue of what was not delivered."""

    def put(self, entry: dict[str, str | None]) -> None:
        """Send one entry. Raises QueueRefused."""
        with _queue_errors():
            self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps(entry))


class Waiting(msgspec.Struct, frozen=True):
    """One event in a queue; `receipt` deletes it."""

    body: str
    receipt: str


class AlertQueue(Queue):
    """The queue of events that wait for an alert.

    An event that is not deleted returns to the queue. After many times the queue puts it aside (stacks/alerts.py).
    """

    def receive(self) -> list[Waiting]:
        """Return what waits, up to MOST. Raises QueueRefused when SQS does not answer."""
        received: list[Waiting] = []
        while len(received) < MOST:
            try:
                with _queue_errors():
                    answer = self._client.receive_message(
                        QueueUrl=self._url, MaxNumberOfMessages=_MOST_AT_ONCE
                    )
            except QueueRefused:
                if received:
                    break
                raise
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
                with _queue_errors():
                    answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            except QueueRefused:
                remaining += len(some)
            else:
                remaining += len(answer.get("Failed") or [])
        return remaining


@contextmanager
def _queue_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise QueueRefused(error.response["Error"]["Code"]) from error
    except BotoCoreError as error:
        raise QueueRefused(type(error).__name__) from error
