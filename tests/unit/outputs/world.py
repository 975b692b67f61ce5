"""A ledger and a store in memory, and a clock that only the test moves: what these tests share."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from jobledger.errors import ObjectMissing, ObjectTooLarge
from jobledger.ledger.output import Output, output_of
from jobledger.ledger.outputs import Outputs
from jobledger.ledger.rows import change_row
from jobledger.ledger.table import encode
from jobledger.outputs.places import Buckets
from jobledger.outputs.run import Dependencies, queue_ended, read_due, read_ended
from jobledger.service import Family
from jobledger.sqs import Undelivered
from testing.builders import HOUR, MINUTE, NOW, SCOPE, MemoryLedger, a_job
from testing.memory_dynamodb import error
from testing.recounted import recounted, stored_counters
from tests.unit.events.stream import Queue, a_record

CANARY = "ward-7-canary"
CONFIG = {"S3Bucket": "out", "S3Key": "results/"}
PLENTY = 300_000
READ = Output(5, 5, 0, 500, 31)
"""What `manifest()` says."""


def ended_job(number: int = 1, status: str = "COMPLETED", **more: Any) -> Any:
    """A job that ended, with a manifest in the bucket `out`; the keywords are properties."""
    properties: dict[str, Any] = {
        "EndTime": NOW - MINUTE,
        "OutputDataConfig": CONFIG,
        "ManifestFilePath": key_of(number),
        "submitted": NOW - HOUR + timedelta(seconds=number),
    } | more
    return a_job(f"job{number:04}", status, **properties)


def key_of(number: int) -> str:
    return f"results/{CANARY}/Manifest_1-SNOMEDCTInference-{number}/Manifest"


def list_of(number: int) -> str:
    return f"{key_of(number).rpartition('/')[0]}/failed/list.json"


def manifest(success: int = 5, unprocessed: int = 0, **more: Any) -> bytes:
    summary = {
        "InputFileCount": success + unprocessed,
        "SuccessFilesCount": success,
        "UnprocessedFilesCount": unprocessed,
        "TotalMeteredCharacters": 100 * success,
        "TotalDurationSeconds": 31,
        "FailedJobErrorMessage": CANARY,
    } | more
    return json.dumps({"Summary": summary}).encode()


def unprocessed_list(*codes: Any) -> bytes:
    files = [
        {"Input": f"{CANARY}/{n}", "ErrorCode": c, "ErrorMessage": CANARY}
        for n, c in enumerate(codes)
    ]
    return json.dumps({"Files": files}).encode()


def record_of(job: Any, number: int = 0) -> dict[str, Any]:
    """The record of the stream for a job's change."""
    row = change_row(f"{SCOPE}/{job.family}", job, None, f"2026-11-23T12:00:00.{number:03}Z")
    return a_record(number, encode(row))


class OutputsWorld(MemoryLedger):
    """`objects` are those of the bucket by key, as bytes or the error of reading them; `reads` has what was read."""

    def __init__(self, *jobs: Any, buckets: str = "out") -> None:
        super().__init__(*jobs)
        self.jobs = {job.job_id: job for job in jobs}
        self.objects: dict[str, bytes | Exception] = {}
        self.reads: list[str] = []
        self.queue = Queue()
        self.left: Callable[[], int] = lambda: PLENTY
        self.outputs = Outputs(self.ledger)
        self.dependencies = Dependencies(
            ledger=self.ledger,
            outputs=self.outputs,
            families=tuple(Family),
            buckets=Buckets(buckets),
            read=self.read,
            now=self.time,
        )

    def read(self, bucket: str, key: str, limit: int) -> bytes:
        self.reads.append(f"{bucket}/{key}")
        found = self.objects.get(key) if bucket == "out" else None
        if found is None:
            raise ObjectMissing("NoSuchKey")
        if isinstance(found, Exception):
            raise found
        if len(found) > limit:
            raise ObjectTooLarge("TooLarge")
        return found

    def put(self, number: int = 1, success: int = 5, *codes: str, **more: Any) -> None:
        """Write a manifest, and the list of its unprocessed files."""
        more = {"UnprocessedFilesListLocation": list_of(number)} | more
        self.objects[key_of(number)] = manifest(success, len(codes), **more)
        if codes:
            self.objects[list_of(number)] = unprocessed_list(*codes)

    def send(self, records: Iterable[Any]) -> dict[str, Any]:
        """One batch of the stream."""
        queue = Undelivered(self.queue, "url")
        return read_ended(self.dependencies, list(records), self.left, lambda: queue)

    def end(self, *jobs: Any) -> dict[str, Any]:
        """A batch with the ends of these jobs, or of all."""
        of = jobs or self.jobs.values()
        return self.send(record_of(job, number) for number, job in enumerate(of))

    def due(self) -> dict[str, Any]:
        """One run of the schedule."""
        return read_due(self.dependencies, self.left)

    def queue_days(self, days: int, before: datetime | None = None) -> dict[str, Any]:
        return queue_ended(self.dependencies, days, before, self.left)

    def forward(self, by: timedelta = 24 * HOUR, step: timedelta = MINUTE) -> None:
        """Run the schedule until so much time has passed."""
        end = self.now + by
        while self.now < end:
            self.now += step
            self.due()

    def output(self, job_id: str = "job0001") -> Output | None:
        return output_of(self.row(job_id))

    def all_outputs(self) -> list[Output | None]:
        return [self.output(job_id) for job_id in self.jobs]

    def waiting(self) -> list[tuple[str, int]]:
        """What waits: the ids, and the attempts."""
        return [(one.job_id, one.attempt) for one in self.outputs.due("9999", 1_000)]

    def agree(self) -> None:
        """The counters are those of the rows."""
        items = self.database.items
        assert stored_counters(items, SCOPE) == recounted(items, SCOPE)

    def fail_at(self, *calls: int) -> None:
        """Let these calls of DynamoDB fail, counted from now; without calls, none."""
        left = iter(range(1, 10_000))

        def fail(operation: str) -> None:
            if next(left) in calls:
                raise error("InternalServerError", 500)

        self.database.before = fail


def world_of(jobs: int, *manifests: int) -> OutputsWorld:
    """So many jobs that ended, and the manifests of these numbers."""
    world = OutputsWorld(*(ended_job(number) for number in range(1, jobs + 1)))
    for number in manifests:
        world.put(number)
    return world
