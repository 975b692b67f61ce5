"""A thousand jobs with manifests of all kinds, of which some come late: in the end the ledger has the truth."""

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.errors import LedgerUnavailable, ObjectDenied, ObjectTooLarge, StoreUnavailable
from jobledger.ledger.output import Output
from jobledger.service import Family
from testing.builders import DAY, HOUR, MINUTE, NOW
from testing.memory_dynamodb import error
from tests.unit.events.stream import ODDITIES
from tests.unit.outputs.world import (
    OutputsWorld,
    ended_job,
    key_of,
    list_of,
    manifest,
    record_of,
    unprocessed_list,
)

JOBS = 1_000
STATUSES = ("COMPLETED", "PARTIAL_SUCCESS", "FAILED", "STOPPED")
DAMAGED: dict[bytes | Exception, Any] = {
    b"<html>": "NotAManifest",
    b'{"Summary": {}}': "NotAManifest",
    b"": "NotAManifest",
    ObjectDenied("AccessDenied"): "AccessDenied",
    ObjectTooLarge("TooLarge"): "TooLarge",
    StoreUnavailable("PermanentRedirect"): "Unavailable",
}


class Model:
    """The world of one seed: its jobs, when its objects change, and the output that each job has in the end."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.truth: dict[str, Output] = {}
        self.changes: list[tuple[float, str, bytes | Exception]] = []
        """The hour of a change, the key, and what the object is from then on."""
        self.world = OutputsWorld(*[self.job(number) for number in range(1, JOBS + 1)])
        self.world.dependencies = replace(self.world.dependencies, read=self.read)

    def job(self, number: int) -> Any:
        """A job of some kind; notes its truth."""
        at = f"s3://out/{key_of(number)}"
        more: dict[str, Any] = {
            "family": self.random.choice([*Family]),
            "submitted": NOW - timedelta(hours=self.random.uniform(1, 90)),
        }
        truth = Output(problem="ManifestNotFound", location=at)
        kind = self.random.randrange(12)
        if kind == 0:
            more["OutputDataConfig"] = None
            truth = Output(problem="NoOutputLocation")
        elif kind == 1:
            more["ManifestFilePath"] = "s3://other/Manifest"
            truth = Output(problem="BucketNotConfigured", location="s3://other/Manifest")
        elif kind == 2:
            found, problem = self.random.choice([*DAMAGED.items()])
            self.change(key_of(number), found)
            truth = Output(problem=problem, location=at)
        elif kind > 3:
            truth = self.found(number, at)
        job = ended_job(number, self.random.choice(STATUSES), **more)
        self.truth[job.job_id] = truth
        return job

    def found(self, number: int, at: str) -> Output:
        """Write a manifest, now or late, perhaps over a damaged one; return what it says."""
        codes = self.random.choices("ABCDE", k=self.random.choice([0, 0, 1, 7, 30]))
        success = self.random.randrange(1_000)
        location = self.random.choice(
            [list_of(number), f"s3://out/{list_of(number)}", "failed/list.json"]
        )
        written = manifest(success, len(codes), UnprocessedFilesListLocation=location)
        if self.random.random() < 0.2:
            self.change(key_of(number), self.random.choice([*DAMAGED]))
        self.change(key_of(number), written, self.hour())
        output = Output(success + len(codes), success, len(codes), 100 * success, 31)
        if not codes:
            return output
        if self.random.random() < 0.2:
            found, problem = self.random.choice([*DAMAGED.items()])
            self.change(list_of(number), found)
            return replace(output, problem=problem, location=at)
        self.change(list_of(number), unprocessed_list(*codes), self.hour())
        counts = sorted(Counter(codes).items(), key=lambda each: (-each[1], each[0]))
        return replace(output, error_codes=dict(counts))

    def hour(self) -> float:
        """At once, or late: before the last attempt."""
        return self.random.choice([-1, -1, 0.01, 0.2, 2, 23]) * self.random.random()

    def change(self, key: str, found: bytes | Exception, hour: float = -1) -> None:
        self.changes.append((hour, key, found))

    def read(self, bucket: str, key: str, limit: int) -> bytes:
        """Read as the world does; for ten hours S3 fails now and then."""
        if self.world.now < NOW + 10 * HOUR and self.random.random() < 0.05:
            raise StoreUnavailable("SlowDown")
        return self.world.read(bucket, key, limit)

    def fail(self, operation: str) -> None:
        """For ten hours, DynamoDB fails now and then."""
        if self.world.now < NOW + 10 * HOUR and self.random.random() < 0.01:
            raise error("InternalServerError", 500)

    def advance(self, to: timedelta) -> None:
        """Move the clock, and write what is due."""
        self.world.now = NOW + to
        hours = to / HOUR
        for _, key, found in sorted((c for c in self.changes if c[0] <= hours), key=lambda c: c[0]):
            self.world.objects[key] = found
        self.changes = [c for c in self.changes if c[0] > hours]

    def send(self, records: list[Any]) -> None:
        """Send records as Lambda does: it repeats a batch from the one that failed."""
        while records:
            failures = self.world.send(records)["batchItemFailures"]
            if not failures:
                break
            first = failures[0]["itemIdentifier"]
            numbers = [(one or {}).get("dynamodb", {}).get("SequenceNumber") for one in records]
            records = records[numbers.index(first) :]

    def run(self) -> None:
        jobs = list(self.world.jobs.values())
        records: list[Any] = [record_of(job, n) for n, job in enumerate(jobs)]
        records += self.random.choices(records, k=100)
        self.random.shuffle(records)
        self.advance(timedelta(0))
        for start in range(0, len(records), 50):
            odd = self.random.choice([*ODDITIES.values()])(record_of(jobs[0], 5_000))
            self.send([*records[start : start + 50], odd])
        minutes = 0
        while minutes < 30 * 60:
            minutes += 1 if minutes < 300 else 5
            self.advance(timedelta(minutes=minutes))
            self.world.database.before = self.fail
            for _ in range(3):
                self.due()
            self.world.database.before = lambda operation: None

    def due(self) -> None:
        with suppress(LedgerUnavailable):
            self.world.due()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_outputs_of_a_thousand_jobs_are_the_truth(seed):
    model = Model(seed)
    model.run()
    found = {job_id: model.world.output(job_id) for job_id in model.truth}
    assert found == model.truth
    assert model.world.waiting() == []
    model.world.agree()


@pytest.mark.slow
def test_jobs_that_ended_before_have_the_truth_after_one_look():
    model = Model(3)
    model.advance(30 * HOUR)
    assert model.world.queue_days(10) == {"Queued": JOBS}
    while model.world.waiting():
        model.advance(model.world.now - NOW + MINUTE)
        model.world.due()
        assert model.world.now < NOW + 3 * DAY
    assert {job_id: model.world.output(job_id) for job_id in model.truth} == model.truth
