"""What a first fill writes, the time that DynamoDB's limits let it take, its memory, and that its jobs are counted once."""

import itertools
import random
from datetime import datetime, timedelta
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import pytest

from jobledger.errors import DeadlineReached
from jobledger.jobs import Job
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.upstream import PAGE_SIZE
from jobledger.sync.walk import Sync
from testing.builders import DAY, MINUTE, NOW, SCOPE, a_job, full_job
from testing.dynamodb_limits import size_of
from testing.full import in_full
from testing.listed import Listed
from testing.processes import run_python
from testing.recounted import recounted, stored_counters
from testing.throttled_dynamodb import Limited

FAMILY = Family.SNOMEDCT
MANY = in_full(10_000, 100_000)
# A page writes as much as with jobs that have nearly every property.
OTHERS = {n: v for n, v in full_job().items() if n != "JobId" and n[-4:] not in ("atus", "Time")}


def jobs_of(number: int) -> list[Job]:
    """So many jobs, a quarter of an hour apart."""
    return [
        a_job(
            f"{n:032x}",
            submitted=(submitted := NOW - (15 * n + 120) * MINUTE),
            EndTime=submitted + timedelta(seconds=60 + n % 3000),
            ExpirationTime=submitted + 120 * DAY,
            **OTHERS,
        )
        for n in range(number)
    ]


class Filling:
    """A ledger on a table with DynamoDB's limits, whose clock is moved by pauses and calls."""

    def __init__(self, jobs: list[Job]) -> None:
        self.now = NOW
        self.table = Limited(lambda: self.time().timestamp())
        self.table.before = lambda operation: self.sleep(0.01)
        self.ledger = Ledger(Table(self.table, "ledger"), SCOPE, self.time)
        self.service: Any = Listed(jobs, before=lambda operation: self.sleep(0.25))

    def time(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def sync(self, *, reconcile: bool) -> None:
        done = Sync(FAMILY, self.service, self.ledger, self.time, reconcile=reconcile).run()
        assert done.error is None


def test_a_million_jobs_take_half_an_hour_and_six_units_each_and_are_counted_once_afterwards(
    monkeypatch,
):
    """No throttle ends the run."""
    random.seed(1)
    jobs = 5_000
    filling = Filling(jobs_of(jobs))
    monkeypatch.setattr("time.sleep", filling.sleep)
    filling.sync(reconcile=False)
    items, written = filling.table.items, filling.table.writes
    sizes = [size_of(row) for (pk, _), row in items.items() if pk == f"{SCOPE}/{FAMILY}"]
    assert (len(sizes), max(sizes) <= 1024) == (jobs, True)
    assert filling.table.throttled > 0
    assert written / jobs <= 6.5
    assert (filling.now - NOW).total_seconds() * 1_000_000 / jobs <= 34 * 60
    assert not filling.ledger.state(FAMILY).counters_complete
    filling.sync(reconcile=True)
    assert filling.ledger.state(FAMILY).counters_complete
    assert stored_counters(items, SCOPE) == recounted(items, SCOPE, every_row=True)
    # The rows of 52 days, as many expiration days, three months and all jobs, of up to 8 KB each.
    assert (filling.table.writes - written) / jobs < 0.3


def fill_stopped_half_way(number: int, file: str) -> tuple[int, int]:
    """Fill a table, the rows of which are in a file; return its jobs, and the kilobytes that the process grew by."""
    from bench.large_table import LargeTable  # which is not there for mutants

    pages = itertools.count(1)

    def stop(operation: str) -> None:
        if next(pages) == number // (2 * PAGE_SIZE):
            raise DeadlineReached

    database: Any = LargeTable(Path(file))
    service: Any = Listed(jobs_of(number), before=stop)
    ledger = Ledger(Table(database, "ledger"), SCOPE, lambda: NOW)
    before = getrusage(RUSAGE_SELF).ru_maxrss
    stopped, done = (Sync(FAMILY, service, ledger, lambda: NOW).run() for _ in range(2))
    assert (stopped.error, done.error) == ("DeadlineReached", None)
    assert stopped.observed + done.observed == number
    return database.count(f"{SCOPE}/{FAMILY}"), getrusage(RUSAGE_SELF).ru_maxrss - before


@pytest.mark.full
@pytest.mark.slow
def test_a_fill_of_many_jobs_loses_none_and_grows_by_less_than_50_megabytes(tmp_path):
    program = f"from {__name__} import *; print(*fill_stopped_half_way({MANY}, '{tmp_path}/rows'))"
    jobs, kilobytes = map(int, run_python(program).split())
    assert jobs == MANY
    assert kilobytes < 50_000
