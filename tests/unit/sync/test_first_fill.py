"""What a first fill writes, the time that DynamoDB's limits let it take, its memory, and that its jobs are counted once."""

import itertools
import random
from collections.abc import Iterator
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
from jobledger.sync.progress import FamilySync
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


def jobs_of(number: int, status: str | None = "COMPLETED") -> list[Job]:
    """So many jobs of this status, a quarter of an hour apart."""
    return [
        a_job(
            f"{n:032x}",
            status,
            submitted := NOW - (15 * n + 120) * MINUTE,
            EndTime=submitted + timedelta(seconds=60 + n % 3000) if status == "COMPLETED" else None,
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
        self.ledger = Ledger(Table(self.table, "ledger"), SCOPE, self.time)
        self.service = Listed(jobs, before=lambda operation: self.sleep(0.25))
        self.table.before = self.call

    def time(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def call(self, operation: str) -> None:
        self.sleep(0.01)

    def sync(self, **more: Any) -> FamilySync:
        upstream: Any = self.service
        return Sync(FAMILY, upstream, self.ledger, self.time, **more).run()

    def check_counters(self) -> None:
        """Check that the counters include each job once."""
        items = self.table.items
        assert stored_counters(items, SCOPE) == recounted(items, SCOPE, every_row=True)

    def rows(self) -> Iterator[dict[str, Any]]:
        return (row for (pk, _), row in self.table.items.items() if pk == f"{SCOPE}/{FAMILY}")


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Filling:
    """A family of 5,000 jobs, before its first sync."""
    random.seed(1)
    filling = Filling(jobs_of(5_000))
    monkeypatch.setattr("time.sleep", filling.sleep)
    return filling


def test_a_million_jobs_take_half_an_hour_and_six_units_each_and_are_counted_once_afterwards(
    filled,
):
    """No throttle ends the run."""
    assert filled.sync(reconcile=False).error is None
    jobs, written = len(filled.service.jobs), filled.table.writes
    assert sum(1 for _ in filled.rows()) == jobs
    assert filled.table.throttled > 0
    assert written / jobs <= 6.5
    assert (filled.now - NOW).total_seconds() * 1_000_000 / jobs <= 34 * 60
    assert max(map(size_of, filled.rows())) <= 1024
    assert not filled.ledger.state(FAMILY).counters_complete
    assert filled.sync().error is None
    assert filled.ledger.state(FAMILY).counters_complete
    filled.check_counters()
    # The rows of 52 days, as many expiration days, three months and all jobs, of up to 8 KB each.
    assert (filled.table.writes - written) / jobs < 0.3


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


@pytest.mark.parametrize(
    "status,stop",
    [
        *(("COMPLETED", stop) for stop in range(1, 12, 2)),
        *((status, 7) for status in ("IN_PROGRESS", "PAUSED", None)),
    ],
)
def test_a_fill_that_is_cut_short_is_resumed_and_counts_each_job_once(status, stop, monkeypatch):
    filling = Filling(jobs_of(700, status))
    monkeypatch.setattr("time.sleep", filling.sleep)
    writes = itertools.count(1)

    def fail(operation: str) -> None:
        if operation == "transact_write_items" and next(writes) == stop:
            raise KeyboardInterrupt

    filling.table.after = fail
    with pytest.raises(KeyboardInterrupt):
        filling.sync()
    filling.sleep(60)
    assert filling.sync().error is None
    filling.check_counters()
    assert len([*filling.rows()]) == 700
    assert not any(pk.endswith("#changes") for pk, _ in filling.table.items)


def test_a_slow_fill_writes_nothing_after_another_run_has_filled_the_family(filled):
    slow = filled.service.jobs
    filled.service.jobs = dict([*slow.items()][:600])

    def come_between(operation: str) -> None:
        filled.call(operation)
        if operation == "transact_write_items" and any(True for _ in filled.rows()):
            filled.table.before = filled.call
            assert filled.sync().error is None
            filled.service.jobs = slow

    filled.table.before = come_between
    assert filled.sync().error in ("WalkOvertaken", None)
    assert filled.ledger.state(FAMILY).counters_complete
    filled.check_counters()
