"""A sync that is killed at any call, and run again: nothing is lost and no transition is published twice."""

import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from jobledger.ledger.rows import status_of
from jobledger.service import Family
from jobledger.sync.progress import FamilySync
from jobledger.sync.walk import Sync
from testing.builders import DAY, HOUR, MINUTE, NOW, a_job
from testing.counted import Counted
from testing.listed import Listed
from testing.stepped_sync import Crash

FAMILY = Family.SNOMEDCT


class Account(Counted):
    """A service with 12 jobs of two months, and a ledger; the process that syncs dies before one of its calls."""

    def __init__(self) -> None:
        self.calls = self.last_call = 0
        super().__init__()
        self.service = Listed(page_size=5, before=self.call)
        statuses = ["IN_PROGRESS", "IN_PROGRESS", "PAUSED", None, *["COMPLETED"] * 8]
        for number, status in enumerate(statuses):
            self.put(number, status)
        self.database.before = self.call

    def put(self, number: int, status: str | None) -> None:
        submitted = NOW - number * HOUR - (number > 9) * 40 * DAY
        job = a_job(f"{number}", status, submitted, ExpirationTime=submitted + 120 * DAY)
        self.service.jobs[job.job_id] = job

    def call(self, operation: str) -> None:
        self.calls += 1
        if 0 < self.last_call <= self.calls:
            raise Crash  # and from then on: a process that is dead cleans up nothing

    def sync(self, last_call: int = 0) -> FamilySync | None:
        """Run a sync, which is killed at its last call; None when it was."""
        self.now += MINUTE
        self.calls, self.last_call, upstream = 0, last_call, self.service
        with suppress(Crash):
            return Sync(FAMILY, upstream, self.ledger, self.time).run()  # type: ignore[arg-type]  # it has the one method that a sync calls
        return None

    def change(self) -> None:
        """Let some jobs change after a first fill."""
        self.sync()
        for number, status in ((0, "COMPLETED"), (1, "FAILED"), (12, "SUBMITTED")):
            self.put(number, status)
        self.now += 2 * DAY  # the walk over everything is due

    def lose_counters(self) -> None:
        """Leave the rows of a version that had no counters."""
        self.sync()
        self.forget_counters()
        self.save(FAMILY, counted=0)


CHANGES = {
    ("0", "IN_PROGRESS", "COMPLETED"): 1,
    ("1", "IN_PROGRESS", "FAILED"): 1,
    ("12", None, "SUBMITTED"): 1,
}


@pytest.mark.parametrize(
    "prepare,changes",
    [(lambda _: None, {}), (Account.change, CHANGES), (Account.lose_counters, {})],
    ids=["first fill", "changes", "recount"],
)
def test_a_sync_that_is_killed_at_any_call_is_completed_by_the_next_run(
    prepare: Callable[[Account], None], changes: dict[Any, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", lambda seconds: None)
    for last_call in itertools.count(1):
        account = Account()
        prepare(account)
        killed = account.sync(last_call) is None
        done = account.sync()
        assert done is not None
        assert done.error is None
        account.agree()
        assert account.ledger.state(FAMILY).counters_complete
        jobs = account.service.jobs.values()
        assert [status_of(account.row(job.job_id)) for job in jobs] == [job.status for job in jobs]
        seen = [(change.job_id, change.previous, change.status) for change in account.changes()]
        assert Counter(seen) == changes
        if not killed:
            break
    assert last_call > 15
