"""How reads and processor time depend on the size of the ledger. Runs on the built bundle.

    python -m bench.sizes SIZE…

For each size it prints one JSON object. The processor time is the handler's own: the table's is subtracted.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bench.events import request
from bench.large_table import LargeTable
from jobledger.digest.content import Reader
from jobledger.digest.windows import Window
from jobledger.handlers import api
from jobledger.jobs import Family, Job, job_from_service
from jobledger.ledger.table import Table
from jobledger.ledger.totals import LAYOUT
from jobledger.ledger.writing import Ledger, SyncState
from jobledger.times import rfc3339

SCOPE = "111122223333/us-east-1"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
LARGEST = 1_000_000
CHANGES = 100
REPEATS = 50
_PATIENCE_SECONDS = 5.0
_BATCH = 500


class Counted:
    """A client of the table whose calls, rows and own processor time are counted."""

    def __init__(self, table: LargeTable) -> None:
        self.table = table
        self.seconds = 0.0
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.table, name)

        def counted(**parameters: Any) -> Any:
            began = time.thread_time()
            try:
                return call(**parameters)
            finally:
                self.calls += 1
                self.seconds += time.thread_time() - began

        return counted


class Bench:
    """One ledger that grows; the same span of time at every size."""

    def __init__(self, path: Path) -> None:
        self.client = Counted(LargeTable(path))
        self.now = NOW - timedelta(days=2)
        self.ledger = Ledger(Table(self.client, "ledger"), SCOPE, lambda: self.now)
        self.size = 0

    def grow(self, size: int) -> None:
        """Record jobs, spread over the whole span, up to this number."""
        self.client.table.filling = True
        while self.size < size:
            count = min(_BATCH, size - self.size)
            numbers = range(self.size, self.size + count)
            self._record([_job(number) for number in numbers], announce=False)
            self.size += count
        self.client.table.filling = False

    def measure(self) -> dict[str, Any]:
        """Return the reads and the processor time of each read path at this size."""
        self._change()
        self.now = NOW
        handler: Callable[[str], Any] = lambda path: api.handler(request(path), _Context())  # noqa: E731 - short
        setattr(api, "_ledger", lambda: self.ledger)  # noqa: B010 - mypy refuses the assignment
        setattr(api, "_now", lambda: self.now)  # noqa: B010 - as above
        window = Window(rfc3339(NOW - timedelta(hours=1)), rfc3339(NOW - timedelta(minutes=2)))
        reader = Reader(self.ledger, (Family.SNOMEDCT,), sync_minutes=1, include_details=False)

        def digest() -> None:
            found = reader.read(window, NOW, first_start=None, covers_gap=False)
            assert found.counts.total() == CHANGES

        return {
            "jobs": self.size,
            "summary": self._costs(lambda: handler("/summary")),
            "digest": self._costs(digest),
            "page": self._costs(lambda: handler("/jobs")),
        }

    def _change(self) -> None:
        """Let a hundred jobs change their status within the digest's window, always the same way."""
        self.now = NOW - timedelta(minutes=30)
        jobs = [_job(number, JobStatus="SUBMITTED") for number in range(-CHANGES, 0)]
        if self.ledger.state(Family.SNOMEDCT).as_of is None:
            self._record(jobs, announce=True)
        state = self.ledger.state(Family.SNOMEDCT)
        active = {job.job_id: job.submit_time or "" for job in jobs[:4]}
        synced = SyncState(as_of=rfc3339(NOW), active=active, counted=LAYOUT, version=state.version)
        assert self.ledger.save_state(Family.SNOMEDCT, synced)

    def _record(self, jobs: list[Job], *, announce: bool) -> None:
        self.ledger.record(Family.SNOMEDCT, jobs, rfc3339(self.now), announce_new=announce)

    def _costs(self, read: Callable[[], Any]) -> dict[str, float]:
        seconds: list[float] = []
        ends = time.monotonic() + _PATIENCE_SECONDS
        # A read of the whole ledger is measured once.
        while len(seconds) < REPEATS and (not seconds or time.monotonic() < ends):
            self.client.calls, self.client.table.rows_read, self.client.seconds = 0, 0, 0.0
            began = time.process_time()
            read()
            seconds.append(time.process_time() - began - self.client.seconds)
        return {
            "calls": self.client.calls,
            "rows": self.client.table.rows_read,
            "milliseconds": median(seconds) * 1000,
        }


class _Context:
    function_name = "api"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:api"
    aws_request_id = "r"

    def get_remaining_time_in_millis(self) -> int:
        """Return more time than the API has: a summary that reads everything is measured to its end."""
        return 10_000_000


def _job(number: int, **more: Any) -> Job:
    """Return a job; numbers are spread over the span by a permutation of the largest size."""
    # Negative numbers are the newest. 617,283 and a million have no common factor.
    place = (number * 617_283) % LARGEST / LARGEST if number >= 0 else 1 + number * 1e-6
    submitted = (NOW - timedelta(days=2) - SPAN * (1 - place)).timestamp()
    ended = {} if more else {"EndTime": submitted + 60 + number % 3000, "JobStatus": "COMPLETED"}
    job = job_from_service(
        Family.SNOMEDCT,
        {
            "JobId": f"{number % 2**64:032x}",
            "JobName": f"nightly-{number % 50}",
            "SubmitTime": submitted,
            "ExpirationTime": submitted + 120 * 86_400,
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
    """Grow the ledger and measure it at each size."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "rows")
        for size in sizes:
            bench.now = NOW - timedelta(days=2)
            bench.grow(size)
            yield bench.measure()


if __name__ == "__main__":
    for measured in measures([int(text) for text in sys.argv[1:]]):
        print(json.dumps(measured), flush=True)
