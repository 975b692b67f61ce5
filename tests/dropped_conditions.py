"""The conditions on which the rows of the ledger's table are written, and how to write without one of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from msgspec.structs import replace

from jobledger.ledger.table import Check, Increment, Put, Table

Action = Put | Check | Increment

# Always true; a row that was read exists.
_ALWAYS = {
    "Version = :read": "attribute_exists(PK)",
    "attribute_not_exists(PK)": "attribute_not_exists(PK) OR attribute_exists(PK)",
    "attribute_not_exists(PK) OR Version = :read": "attribute_not_exists(PK) OR attribute_exists(PK)",
}
_VERSION = "Version = :read"
_NEXT = "attribute_not_exists(PK) OR Version = :read"


@dataclass(frozen=True)
class Condition:
    """One conditional write of a module, recognised by its condition and the partition of its row."""

    module: str
    partition: str
    condition: str

    def is_of(self, action: Put | Check) -> bool:
        key = action.row if isinstance(action, Put) else action.key
        return action.condition == self.condition and _kind(str(key["PK"])) == self.partition


def _kind(partition: str) -> str:
    """Return `jobs`, `changes` or `totals` for a partition of the ledger; others have their own name."""
    if "/" not in partition:
        return partition
    return partition.split("#")[1] if "#" in partition else "jobs"


CONDITIONS = {
    "a job row that exists": Condition("ledger/writing.py", "jobs", _VERSION),
    "a new job row": Condition("ledger/writing.py", "jobs", "attribute_not_exists(PK)"),
    "a change row": Condition("ledger/writing.py", "changes", "attribute_not_exists(PK)"),
    "the state behind new jobs": Condition("ledger/writing.py", "state", _VERSION),
    "no state behind new jobs": Condition("ledger/writing.py", "state", "attribute_not_exists(PK)"),
    "a state": Condition("ledger/writing.py", "state", _NEXT),
    "the job row of a deleted job": Condition("ledger/writing.py", "jobs", _NEXT),
    "a job row that was not counted": Condition("ledger/recount.py", "jobs", _VERSION),
    "a counter row": Condition("ledger/recount.py", "totals", _NEXT),
    "the pace": Condition("sync/pace.py", "pace", _NEXT),
    "the claim of a shared sync": Condition("sync/freshness.py", "claim", _NEXT),
    "the result of a shared sync": Condition("sync/freshness.py", "claim", _NEXT),
    "a digest's state": Condition("digest/claims.py", "digest", _NEXT),
}


@contextmanager
def dropped(name: str) -> Iterator[None]:
    """Plant a bug: every write on this condition is one on a condition that always holds."""
    condition, transact = CONDITIONS[name], Table.transact
    always = _ALWAYS[condition.condition]

    def without(action: Action) -> Action:
        if isinstance(action, Increment) or not condition.is_of(action):
            return action
        return replace(action, condition=always, values={})

    def planted(table: Table, actions: Iterable[Action]) -> bool:
        return transact(table, map(without, actions))

    with mock.patch.object(Table, "transact", planted):
        yield
