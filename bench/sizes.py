"""How reads and processor time depend on the size of the ledger. Runs on the built bundle.

    python -m bench.sizes SIZE…

For each size it prints one JSON object.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.reads import ReadLedger, answer_from_tables, costs
from jobledger.digest.content import DigestReader
from jobledger.digest.windows import Window
from jobledger.jobs import Job, job_from_service
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.bulk import bulk_rows

FAMILY = Family.SNOMEDCT
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
CHANGES = 100
ACTIVE = 4


class Sized(ReadLedger):
    """A ledger with a number of jobs, spread over the same three years whatever their number."""

    def __init__(self, path: Path, size: int) -> None:
        super().__init__(path, NOW - timedelta(minutes=30))
        self.size = size
        self.active = ACTIVE
        jobs = (_old_job(number, size) for number in range(size))
        self.table.insert(bulk_rows(self.ledger, FAMILY, jobs))
        self._change()
        self.now = NOW

    def _change(self) -> None:
        """Let a hundred jobs change their status within the digest's window; some of them are active."""
        jobs = [_new_job(number) for number in range(CHANGES)]
        self.ledger.record(FAMILY, jobs, rfc3339(self.now), announce_new=True)
        version = self.ledger.state(FAMILY).version
        state = SyncState(as_of=rfc3339(NOW), counted=LAYOUT, version=version)
        assert self.ledger.save_state(FAMILY, state)

    def submit_long_running(self) -> None:
        """Record a job that has been active for two days, with which recent durations are compared."""
        job = service_job(CHANGES, NOW - timedelta(days=2), JobStatus="IN_PROGRESS")
        self.ledger.record(FAMILY, [job], rfc3339(self.now), announce_new=False)
        self.active += 1

    def digest(self) -> None:
        """Read the contents of a digest."""
        window = Window(rfc3339(NOW - timedelta(hours=1)), rfc3339(NOW - timedelta(minutes=2)))
        reader = DigestReader(self.ledger, (FAMILY,), sync_minutes=1, include_details=False)
        found = reader.read(window, NOW, first_start=None, covers_gap=False)
        assert (found.counts.total(), found.active.total) == (CHANGES, self.active)


def _old_job(number: int, size: int) -> Job:
    """Return one of the jobs that ended, oldest first. Their durations are alike at every size."""
    submitted = NOW - timedelta(days=2) - SPAN * (1 - number / size)
    return service_job(10_000 + number, submitted, duration(number), JobStatus="COMPLETED")


def _new_job(number: int) -> Job:
    submitted = NOW - timedelta(minutes=40, seconds=number)
    if number < ACTIVE:
        return service_job(number, submitted, JobStatus="SUBMITTED")
    return service_job(number, submitted, 60, JobStatus="FAILED")


def duration(number: int) -> float:
    """Return the seconds that a job took. They are spread evenly, however many jobs there are."""
    return 60 + 3_000 * (number * 0.618_033_988_749_895 % 1)


def service_job(
    number: int,
    submitted: datetime,
    seconds: float | None = None,
    family: Family = FAMILY,
    **more: Any,
) -> Job:
    """Return a job as a sync has it, of a number of seconds if it has ended."""
    ended = {} if seconds is None else {"EndTime": submitted.timestamp() + seconds}
    job = job_from_service(
        family,
        {
            "JobId": f"{number:032x}",
            "JobName": f"nightly-{number % 50}",
            "SubmitTime": submitted.timestamp(),
            "ExpirationTime": submitted.timestamp() + 120 * 86_400,
            "InputDataConfig": {"S3Bucket": "notes", "S3Key": "in/"},
            "OutputDataConfig": {"S3Bucket": "codes", "S3Key": "out/"},
            "LanguageCode": "en",
            "DataAccessRoleArn": "arn:aws:iam::111122223333:role/ComprehendMedical",
            "ModelVersion": "3.0.0",
            **ended,
            **more,
        },
    )
    assert job is not None
    return job


def measures(sizes: list[int]) -> Iterator[dict[str, Any]]:
    """Fill a ledger of each size, and measure its reads."""
    answer_from_tables()
    with tempfile.TemporaryDirectory() as folder:
        ledgers = [Sized(Path(folder) / f"{size}", size) for size in sizes]
        found = {
            "summary": costs(ledgers, lambda ledger: ledger.call("/summary")),
            "page": costs(ledgers, lambda ledger: ledger.call("/jobs")),
            "digest": costs(ledgers, Sized.digest),
        }
        for ledger in ledgers:
            ledger.submit_long_running()
        found["long_running"] = costs(ledgers, Sized.digest)
    for number, size in enumerate(sizes):
        yield {"jobs": size, **{name: each[number]._asdict() for name, each in found.items()}}


if __name__ == "__main__":
    for measured in measures([int(text) for text in sys.argv[1:]]):
        print(json.dumps(measured), flush=True)
