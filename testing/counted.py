"""A ledger in memory whose jobs are counted, and what its counters have to be."""

from datetime import UTC, datetime
from typing import Any

from jobledger.jobs import Job
from jobledger.ledger import counters
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.recording import Recorded
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.recount import months_to_recount, recount_all, recount_month
from testing.builders import SCOPE, SECOND, MemoryLedger
from testing.recounted import check_rows, recounted

TODAY = "2026-11-23"
EXPIRED = [datetime(2027, 2, day, 12, tzinfo=UTC) for day in (1, 2)]


class Counted(MemoryLedger):
    """A ledger in memory. `record` lists jobs one second later; `states` are those of syncs that have counted them."""

    def record(self, *jobs: Job, **more: Any) -> Recorded:
        self.now += SECOND
        return super().record(*jobs, **more)

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
        check_rows(self.database.items, SCOPE, Family.SNOMEDCT)

    def expected(self) -> dict[str, dict[str, int]]:
        return recounted(self.database.items, SCOPE, every_row=True)
