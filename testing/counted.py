"""A ledger in memory whose jobs are counted, and what its counters have to be."""

from typing import Any

from msgspec.structs import replace

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
            item.pop("Counted", None)
            if "#totals#" in key[0]:
                self.database._remove(key)

    def falsify(self, key: str, wrong: dict[str, int] | None) -> None:
        """Change numbers of a counter row, or with None remove it."""
        at = counters.partition(SCOPE), key
        if wrong is None:
            self.database._remove(at)
        else:
            self.database.items[at] |= {name: {"N": str(n)} for name, n in wrong.items()}

    def states(self, layout: int = LAYOUT) -> dict[Family, SyncState]:
        active = {pk for pk, _ in self.database.items if pk.endswith("#active")}
        state = SyncState(as_of=rfc3339(self.now), counted=layout)
        return {
            family: replace(state, idle=f"{self.ledger.partition(family)}#active" not in active)
            for family in Family
        }

    def agree(self) -> None:
        check_rows(self.database.items, SCOPE, Family.SNOMEDCT)

    def expected(self) -> dict[str, dict[str, int]]:
        return recounted(self.database.items, SCOPE, every_row=True)
