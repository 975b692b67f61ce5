"""What a first fill writes, how long DynamoDB's limits let it take, and that its jobs are counted once."""

import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobledger.jobs import Job
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.progress import FamilySync
from jobledger.sync.upstream import UpstreamPage
from jobledger.sync.walk import Sync
from testing.builders import DAY, MINUTE, NOW, SCOPE, a_job, full_job
from testing.dynamodb_limits import size_of
from testing.recounted import recounted, stored_counters
from testing.throttled_dynamodb import Limited

FAMILY = Family.SNOMEDCT
PAGE = 500
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


class Listed:
    """A service that lists these jobs, a quarter of a second a page."""

    calls = throttles = 0

    def __init__(self, filling: "Filling", jobs: list[Job]) -> None:
        self._filling, self.jobs = filling, jobs

    def reset(self) -> None:
        """It counts no calls."""

    def page(self, family: Family, after: str | None, token: str | None) -> UpstreamPage:
        self._filling.sleep(0.25)
        listed = [job for job in self.jobs if (job.submit_time or "") > (after or "")]
        at = int(token or 0)
        following = str(at + PAGE) if len(listed) > at + PAGE else None
        return UpstreamPage(tuple(listed[at : at + PAGE]), following)

    def describe(self, family: Family, job_id: str) -> Job:
        return next(job for job in self.jobs if job.job_id == job_id)


class Filling:
    """A ledger on a table with DynamoDB's limits, whose clock is moved by pauses and calls."""

    def __init__(self, jobs: list[Job]) -> None:
        self.now = NOW
        self.table = Limited(lambda: self.time().timestamp())
        self.ledger = Ledger(Table(self.table, "ledger"), SCOPE, self.time)
        self.service = Listed(self, jobs)
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
    """A family of 10,000 jobs, before its first sync."""
    random.seed(1)
    filling = Filling(jobs_of(10_000))
    monkeypatch.setattr("time.sleep", filling.sleep)
    return filling


def test_a_million_jobs_take_half_an_hour_and_six_units_each_and_no_throttle_ends_the_run(filled):
    assert filled.sync(reconcile=False).error is None
    jobs = len(filled.service.jobs)
    assert sum(1 for _ in filled.rows()) == jobs
    assert filled.table.throttled > 0
    assert filled.table.writes / jobs <= 6.5
    assert (filled.now - NOW).total_seconds() * 1_000_000 / jobs <= 34 * 60
    assert max(map(size_of, filled.rows())) <= 1024


def test_the_jobs_of_a_fill_are_counted_once_afterwards(filled):
    assert filled.sync(reconcile=False).error is None
    assert not filled.ledger.state(FAMILY).counters_complete
    written = filled.table.writes
    assert filled.sync().error is None
    assert filled.ledger.state(FAMILY).counters_complete
    filled.check_counters()
    # The rows of 104 days, as many expiration days, four months and all jobs, of up to 8 KB each.
    assert (filled.table.writes - written) / len(filled.service.jobs) < 0.3


@pytest.mark.parametrize("status", ["COMPLETED", "IN_PROGRESS", "PAUSED", None])
@pytest.mark.parametrize("stop", range(1, 12, 2))
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
    slow, filled.service.jobs = filled.service.jobs, filled.service.jobs[:600]

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
