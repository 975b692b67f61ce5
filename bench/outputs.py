"""What outputs add to a month (the setting outputBuckets), counted while the outputs function's code reads manifests.

After an hour of syncs (bench/month.py), the changes of that hour reach the function as the stream delivers them, and a
run of its schedule follows each minute. S3 is a function that has a manifest for each job.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any

from bench.month import API_CALLS, DAYS, HOURS, LISTED_DAYS, MeteredDeployment
from jobledger.errors import ObjectDenied
from jobledger.ledger.output import ATTRIBUTE
from jobledger.ledger.outputs import Outputs
from jobledger.outputs.places import Buckets
from jobledger.outputs.recent import keep_outcomes
from jobledger.outputs.run import Dependencies, read_due, read_ended
from jobledger.service import Family
from jobledger.sqs import Undelivered
from jobledger.times import rfc3339
from testing.dynamodb_limits import Item

# AWS documents neither how many jobs end partly nor when manifests are written: of so many jobs, one each.
_ONE_PARTLY_OF = 10
_ONE_LATE_OF = 10
_LIST = "failed/unprocessed.json"


# Of an item of the ledger: in the table and in its four indexes.
_COPIES = 5
_READ_UNIT = 4_096


@dataclass(frozen=True)
class OutputsMonth:
    """The counts of a month: DynamoDB's request units and bytes, objects read, and batches of the stream."""

    reads: float
    writes: float
    stored_bytes: float
    objects: int
    batches: int


def outputs_month(jobs_a_day: int) -> OutputsMonth:
    """Return what outputs add for a number of jobs a day."""
    hour = _hour(jobs_a_day)
    # The daily full walk reads the longer rows of all listed jobs, with half a unit for 4 KB.
    walks = hour.stored / _COPIES * 24 * LISTED_DAYS * DAYS / _READ_UNIT / 2
    # A page of few jobs says nothing.
    pages = _hour(10_000).longer_page * API_CALLS if jobs_a_day else 0.0
    return OutputsMonth(
        reads=hour.reads * HOURS + walks + pages,
        writes=hour.writes * HOURS,
        stored_bytes=hour.stored * HOURS,
        objects=hour.objects * HOURS,
        batches=hour.batches * HOURS,
    )


@dataclass(frozen=True)
class _Hour:
    reads: float
    writes: float
    stored: float
    longer_page: float
    objects: int
    batches: int


@cache
def _hour(jobs_a_day: int) -> _Hour:
    with MeteredDeployment(manifests=True) as deployment:
        deployment.sync()
        deployment.hour(jobs_a_day)
        table, store, page = deployment.table, _Store(), deployment.page()
        dependencies = Dependencies(
            ledger=deployment.ledger,
            outputs=Outputs(deployment.ledger),
            families=tuple(Family),
            buckets=Buckets("codes/out"),
            read=store.read,
            now=lambda: deployment.now,
        )
        batches = _batches(table.items, deployment.now)
        keep_outcomes(deployment.ledger, [True] * 20)  # of good times before
        reads, writes, stored = table.reads, table.writes, table.stored
        for minute in range(60):
            if minute < len(batches):
                read_ended(dependencies, batches[minute], _remaining, _no_queue)
            deployment.now += timedelta(minutes=1)
            read_due(dependencies, _remaining)
        assert store.jobs == sum(ATTRIBUTE in item for item in table.items.values())
        reads, writes, stored = table.reads - reads, table.writes - writes, table.stored - stored
        longer_page = deployment.page() - page
    return _Hour(reads, writes, stored, longer_page, store.objects, len(batches))


class _Store:
    """Has the manifests of all jobs in `codes`, some of them late, and counts what is read."""

    def __init__(self) -> None:
        self.objects = self.jobs = 0
        self._late: set[str] = set()

    def read(self, bucket: str, key: str, limit: int) -> bytes:
        """Return a manifest, or the list that it names."""
        self.objects += 1
        if key.endswith(_LIST):
            files = [
                {"Input": f"note-{n}.txt", "ErrorCode": "InternalServerError"} for n in range(9)
            ]
            return json.dumps({"Files": files}).encode()
        if key not in self._late:
            number = self.jobs + len(self._late)
            if number % _ONE_LATE_OF == 0:
                self._late.add(key)
                raise ObjectDenied("AccessDenied")
        self.jobs += 1
        return _manifest(partly=self.jobs % _ONE_PARTLY_OF == 0)


def _manifest(*, partly: bool) -> bytes:
    failed = 9 if partly else 0
    summary = {
        "InputFileCount": 400,
        "SuccessFilesCount": 400 - failed,
        "UnprocessedFilesCount": failed,
        "TotalMeteredCharacters": 1_234_567,
        "TotalDurationSeconds": 301,
        "UnprocessedFilesListLocation": f"Manifest_111122223333-SNOMEDCT-1/{_LIST}",
    }
    return json.dumps({"Summary": summary}).encode()


def _batches(items: dict[tuple[str, str], Item], now: datetime) -> list[list[dict[str, Any]]]:
    """Return the changes of the last hour as the stream delivers them: those of a sync together."""
    since = rfc3339(now - timedelta(hours=1))
    changes = sorted(
        (
            item
            for (partition, _), item in items.items()
            if partition.endswith("#changes") and item["ObservedAt"]["S"] > since
        ),
        key=_minute,
    )
    return [
        [_record(item, number) for number, item in enumerate(found, start=1)]
        for _, found in groupby(changes, key=_minute)
    ]


def _minute(change: Item) -> str:
    return str(change["ObservedAt"]["S"])[:16]


def _record(row: Item, number: int) -> dict[str, Any]:
    keys = {name: row[name] for name in ("PK", "SK")}
    image = {"Keys": keys, "NewImage": row, "SequenceNumber": str(number)}
    return {"eventName": "INSERT", "dynamodb": image}


def _remaining() -> int:
    return 300_000


def _no_queue() -> Undelivered:
    raise AssertionError("each record is understood")
