"""A ledger in memory whose jobs are counted, and what its counters have to be."""

from datetime import UTC, datetime, timedelta
from typing import Any

from jobledger.jobs import Family, Job, job_from_service
from jobledger.ledger import counters
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Table
from jobledger.times import rfc3339
from jobledger.totals.recount import months_to_recount, recount_all, recount_month
from tests.memory_dynamodb import RecordingDynamoDB
from tests.recounted import recounted, stored_counters

SCOPE = "111122223333/us-east-1"
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
TODAY = "2026-11-23"
EXPIRED = [datetime(2027, 2, day, 12, tzinfo=UTC) for day in (1, 2)]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Counted:
    """A ledger in memory. `record` lists jobs now; `states` are those of syncs that have counted them."""

    def __init__(self) -> None:
        self.database = RecordingDynamoDB()
        self.now = NOW
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now)

    def record(self, *jobs: Job, announce_new: bool = True) -> None:
        self.now += timedelta(seconds=1)
        for family in {job.family for job in jobs}:
            listed = [job for job in jobs if job.family is family]
            self.ledger.record(family, listed, rfc3339(self.now), announce_new=announce_new)

    def recount(self, family: Family = Family.SNOMEDCT) -> int:
        months = months_to_recount(self.ledger, family, "")
        repaired = sum(recount_month(self.ledger, family, month, TODAY) for month in months)
        return repaired + recount_all(self.ledger, family)

    def forget_counters(self) -> None:
        """Make the rows those of a version that had no counters."""
        for key, item in list(self.database.items.items()):
            if key[0] == counters.partition(SCOPE):
                del self.database.items[key]
            item.pop("Counted", None)
        self.database._order[None, counters.partition(SCOPE)].clear()

    def falsify(self, key: str, wrong: dict[str, int] | None) -> None:
        """Change numbers of a counter row, or with None remove it."""
        partition = counters.partition(SCOPE)
        if wrong is None:
            del self.database.items[partition, key]
            self.database._order[None, partition].remove((key, partition, key))
        else:
            row = self.database.items[partition, key]
            row.update({name: {"N": str(number)} for name, number in wrong.items()})

    def states(self, layout: int = LAYOUT) -> dict[Family, SyncState]:
        return {
            family: SyncState(
                as_of=rfc3339(self.now), counted=layout, idle=not self._has_active(family)
            )
            for family in Family
        }

    def _has_active(self, family: Family) -> bool:
        active = f"{self.ledger.partition(family)}#active"
        return any(pk == active for pk, _ in self.database.items)

    def agree(self) -> None:
        assert stored_counters(self.database.items, SCOPE) == self.expected()

    def expected(self) -> dict[str, dict[str, int]]:
        return recounted(self.database.items, SCOPE, every_row=True)


def a_job(
    job_id: str = "job",
    status: str | None = "COMPLETED",
    submitted: datetime | None = NOW - HOUR,
    family: Family = Family.SNOMEDCT,
    **more: Any,
) -> Job:
    properties = {"JobId": job_id, "JobStatus": status, "SubmitTime": submitted} | more
    job = job_from_service(family, {k: v for k, v in properties.items() if v is not None})
    assert job is not None
    return job
