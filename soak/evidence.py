"""What is left after a soak: the table, the service's jobs, and what subscribers received."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobledger.ledger.rows import history_of
from jobledger.ledger.table import decode
from local.deployment import ACCOUNT, REGION
from soak.place import Place
from soak.verdict import Change, Digest, Event, Ledger, Window
from testing.dynamodb_limits import Item
from testing.recounted import recounted, stored_counters

SCOPE = f"{ACCOUNT}/{REGION}"
_TIMES = ("SubmitTime", "EndTime", "ExpirationTime")
# A time of the year 10000: the ledger leaves it out.
_BEYOND = 253_402_300_800
_ATTEMPTS = 10
_EMPTY_RECEIVES = 3

Items = Mapping[tuple[str, str], Item]


class Queue:
    """A queue of a subscriber. Messages stay in it until the end, also over restarts."""

    def __init__(self, place: Place, name: str) -> None:
        self._sqs = place.client("sqs")
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.arn: str = attributes["Attributes"]["QueueArn"]
        self._received: list[Any] = []

    def received(self) -> list[Any]:
        """Take what is in the queue; return all messages until now, as JSON."""
        empty = 0
        while empty < _EMPTY_RECEIVES:
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            empty = 0 if messages else empty + 1
            for message in messages:
                self._received.append(json.loads(message["Body"]))
                handle = message["ReceiptHandle"]
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=handle)
        return self._received


def subscribe_to_events(place: Place) -> Queue:
    """Return a queue that gets every event of the ledger from now on."""
    queue = Queue(place, "soak-events")
    events = place.client("events")
    events.put_rule(Name="soak", EventPattern=json.dumps({"source": ["jobledger"]}))
    events.put_targets(Rule="soak", Targets=[{"Id": "queue", "Arn": queue.arn}])
    return queue


def subscribe_to_digests(place: Place, topic: str) -> Queue:
    """Return a queue that gets every digest from now on."""
    queue = Queue(place, "soak-digests")
    place.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    return queue


def events_in(bodies: Iterable[Any]) -> Iterator[Event]:
    """Yield the events of a queue."""
    for body in bodies:
        detail = body["detail"]
        change = Change(
            detail["Family"],
            detail["JobId"],
            detail["JobStatus"],
            detail["PreviousJobStatus"],
            detail["ObservedAt"],
        )
        yield Event(detail["EventId"], change)


def digests_in(envelopes: Iterable[Any]) -> Iterator[Digest]:
    """Yield the digests of a queue."""
    for envelope in envelopes:
        digest = json.loads(envelope["Message"])
        window = Window(digest["Window"]["Start"], digest["Window"]["End"])
        yield Digest(digest["DigestId"], window, digest["Counts"])


@dataclass(frozen=True)
class Table:
    """The ledger's table at one time."""

    items: Items

    def ledger(self) -> Ledger:
        """Return each family's jobs by id, as the ledger passes them on."""
        families: Ledger = {}
        for (partition, _), item in self.items.items():
            if "Job" in item:
                job = json.loads(item["Job"]["S"])
                families.setdefault(partition.rpartition("/")[2], {})[job["JobId"]] = job
        return families

    def histories(self) -> dict[str, list[tuple[str, str]]]:
        """Return each job's statuses and when they were observed."""
        rows: list[Any] = [decode(item) for item in self.items.values() if "Job" in item]
        return {
            json.loads(row["Job"])["JobId"]: [(str(status), at) for status, at in history_of(row)]
            for row in rows
        }

    def changes(self) -> list[Change]:
        """Return the change log."""
        return self._changes("#changes")

    def digested(self) -> list[Change]:
        """Return what digests count: the change log, and the jobs that the first fill found ended."""
        return self.changes() + self._changes("#ended")

    def _changes(self, log: str) -> list[Change]:
        return [
            change_in(item)
            for (partition, _), item in self.items.items()
            if partition.endswith(log)
        ]

    def counters(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the stored counters, and what they must be."""
        return stored_counters(self.items, SCOPE), recounted(self.items, SCOPE, every_row=True)


def change_in(row: Item) -> Change:
    """Return the change of its row."""
    return Change(
        row["Family"]["S"],
        row["JobId"]["S"],
        row["JobStatus"]["S"],
        row.get("PreviousJobStatus", {}).get("S"),
        row["ObservedAt"]["S"],
    )


def read_table(place: Place, table: str) -> Table:
    """Return all rows."""
    pages = place.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    rows = [row for page in pages for row in page["Items"]]
    return Table({(row["PK"]["S"], row["SK"]["S"]): row for row in rows})


def truth_of(place: Place) -> Ledger:
    """Return the service's jobs, with times as the ledger writes them."""
    return {
        family: {job["JobId"]: _as_listed(family, job) for job in jobs}
        for family, jobs in place.stand_in("jobs").items()
    }


def _as_listed(family: str, job: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: _rfc3339(job[name]) for name in _TIMES if job.get(name, _BEYOND) < _BEYOND}
    return {**job, **times, "Family": family}


def _rfc3339(seconds: float) -> str:
    moment = datetime.fromtimestamp(round(seconds * 1000) / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def read_at_rest(place: Place, outputs: Mapping[str, str]) -> tuple[Ledger, Table]:
    """Sync, and return truth and table of a moment in which no job changed."""
    for _ in range(_ATTEMPTS):
        before = truth_of(place)
        answer = place.client("lambda").invoke(
            FunctionName=outputs["SyncFunctionName"], Payload=b"{}"
        )
        result = json.load(answer["Payload"])
        failed = any(
            "Error" in family for family in result.get("Families", {"": ("Error",)}).values()
        )
        table = read_table(place, outputs["LedgerTableName"])
        if not failed and truth_of(place) == before:
            return before, table
        time.sleep(1)
    return truth_of(place), read_table(place, outputs["LedgerTableName"])
