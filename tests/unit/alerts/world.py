"""Change events, and the alerts function on a queue and topics in memory."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import EndpointConnectionError

from jobledger.alerts.changes import Place
from jobledger.alerts.run import Dependencies, send_alerts
from jobledger.sns import Notifier
from jobledger.sqs import AlertQueue
from testing.digests import MemoryTopic

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PLACE = Place("111122223333", "us-east-1", "https://a1b2c3.execute-api.us-east-1.amazonaws.com/v1")
TOPIC = "arn:aws:sns:us-east-1:111122223333:alerts"
CHAT = "arn:aws:sns:us-east-1:111122223333:chat"


def detail(number: int = 0, **more: Any) -> dict[str, Any]:
    """Return the detail of a change event."""
    return {
        "Version": "1",
        "Account": "111122223333",
        "Region": "us-east-1",
        "Family": "SNOMEDCT",
        "JobId": f"{0x8BD184B74B7EB4B375F54E55E65756FB + number:032x}",
        "JobStatus": "FAILED",
        "PreviousJobStatus": "IN_PROGRESS",
        "SubmitTime": "2026-11-24T07:54:00.000Z",
        "EndTime": "2026-11-24T07:57:30.000Z",
        "ObservedAt": f"2026-11-24T07:58:{number % 60:02}.{number % 1000:03}Z",
        "EventId": f"{number:032x}",
    } | more


def event(number: int = 0, **more: Any) -> str:
    """Return a change event as EventBridge sends it to a queue."""
    return json.dumps({"version": "0", "source": "jobledger", "detail": detail(number, **more)})


class World:
    """The function on a queue and a topic in memory. SQS answers so many calls."""

    def __init__(self, bodies: Iterable[str] = (), *, chat: bool = False) -> None:
        self.waiting = {f"receipt-{number}": body for number, body in enumerate(bodies)}
        self.hidden: dict[str, str] = {}
        self.topic = MemoryTopic()
        self.sqs_calls_until_failure = 1_000_000
        self.undeletable: set[str] = set()
        self.dependencies = Dependencies(
            queue=AlertQueue(self, "https://queue"),
            notifier=Notifier(self.topic),
            topic=TOPIC,
            chat_topic=CHAT if chat else None,
            place=PLACE,
            now=lambda: NOW,
        )

    def run(self) -> int:
        """The number of changes that one run sends."""
        changes: int = send_alerts(self.dependencies)["Changes"]
        return changes

    def published(self, topic: str = TOPIC) -> list[dict[str, Any]]:
        return [taken for taken in self.topic.taken if taken["TopicArn"] == topic]

    def documents(self) -> list[dict[str, Any]]:
        """What programs get of each message to the alerts topic."""
        return [json.loads(json.loads(taken["Message"])["default"]) for taken in self.published()]

    def receive_message(self, **parameters: Any) -> dict[str, Any]:
        self._call()
        receipts = list(self.waiting)[: parameters["MaxNumberOfMessages"]]
        self.hidden |= {receipt: self.waiting.pop(receipt) for receipt in receipts}
        messages = [{"Body": self.hidden[r], "ReceiptHandle": r} for r in receipts]
        return {"Messages": messages} if messages else {}

    def delete_message_batch(self, **parameters: Any) -> dict[str, Any]:
        self._call()
        assert len(parameters["Entries"]) <= 10
        ids = {entry["ReceiptHandle"]: entry["Id"] for entry in parameters["Entries"]}
        for receipt in ids.keys() - self.undeletable:
            del self.hidden[receipt]
        failed = [{"Id": ids[receipt]} for receipt in ids.keys() & self.undeletable]
        return {"Failed": failed} if failed else {}

    def show_again(self) -> None:
        """Return to the queue what was read and not deleted, as SQS does after a while."""
        self.waiting |= self.hidden
        self.hidden = {}

    def _call(self) -> None:
        if not self.sqs_calls_until_failure:
            raise EndpointConnectionError(endpoint_url="https://queue")
        self.sqs_calls_until_failure -= 1
