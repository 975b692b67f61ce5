"""The conditions on which the rows of the ledger's table are written, and how to write without one of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from msgspec.structs import replace

from jobledger.ledger.table import Action, Check, Delete, Increment, Put, Table

_VERSION, _NEW = "Version = :read", "attribute_not_exists(PK)"
_SAME_JOB = f"{_NEW} OR JobKey = :known"
_NEXT = f"{_NEW} OR {_VERSION}"


@dataclass(frozen=True)
class Condition:
    """One conditional action of a module, recognised by its kind, its condition and the partition of its row."""

    module: str
    partition: str
    condition: str
    kind: type[Put | Check | Delete] = Put

    def is_of(self, action: Put | Check | Delete) -> bool:
        key = action.row if isinstance(action, Put) else action.key
        same = isinstance(action, self.kind) and action.condition == self.condition
        return same and _kind(str(key["PK"])) == self.partition


def _kind(partition: str) -> str:
    """Return `jobs`, `active`, `changes` or `totals` for a partition of the ledger; others have their own name."""
    if "/" not in partition:
        return partition
    return partition.split("#")[1] if "#" in partition else "jobs"


CONDITIONS = {
    "a job row that exists": Condition("ledger/job_write.py", "jobs", _VERSION),
    "a new job row": Condition("ledger/job_write.py", "jobs", _NEW),
    "a change row": Condition("ledger/job_write.py", "changes", _NEW),
    "a job row that stays": Condition("ledger/job_write.py", "jobs", _VERSION, Check),
    "another row of a job": Condition("ledger/job_write.py", "jobs", _VERSION, Delete),
    "the state behind new jobs": Condition("ledger/recording.py", "state", _VERSION, Check),
    "no state behind new jobs": Condition("ledger/recording.py", "state", _NEW, Check),
    "an active row": Condition("ledger/active.py", "active", _SAME_JOB),
    "an active row that is marked": Condition("ledger/active.py", "active", "JobKey = :known"),
    "an active row that goes": Condition("ledger/active.py", "active", _SAME_JOB, Delete),
    "a state": Condition("ledger/states.py", "state", _NEXT),
    "the job row of a deleted job": Condition("ledger/ledger.py", "jobs", _VERSION),
    "a job row that was not counted": Condition("totals/recount.py", "jobs", _VERSION),
    "a counter row": Condition("totals/repair.py", "totals", _NEXT),
    "the pace": Condition("sync/pace.py", "pace", _NEXT),
    "the claim of a shared sync": Condition("sync/shared.py", "claim", _NEXT),
    "the result of a shared sync": Condition("sync/shared.py", "claim", _NEXT),
    "the job row of an output": Condition("ledger/outputs.py", "jobs", _VERSION),
    "the last outcomes": Condition("outputs/recent.py", "outputs", _NEXT),
    "a digest's state": Condition("digest/claims.py", "digest", _NEXT),
}


@contextmanager
def dropped(name: str) -> Iterator[None]:
    """Plant a bug: every write on this condition is one on a condition that always holds."""
    condition, transact, put_alone = CONDITIONS[name], Table.transact, Table.put_alone
    # A row that was read exists.
    always = "attribute_exists(PK)"
    if condition.condition != _VERSION:
        always = f"{_NEW} OR {always}"

    def without(action: Action) -> Action:
        if isinstance(action, Increment) or not condition.is_of(action):
            return action
        return replace(action, condition=always, values={})

    def planted(table: Table, actions: Iterable[Action]) -> bool:
        return transact(table, map(without, actions))

    def planted_alone(table: Table, put: Put) -> bool:
        changed = without(put)
        assert isinstance(changed, Put)
        return put_alone(table, changed)

    with (
        mock.patch.object(Table, "transact", planted),
        mock.patch.object(Table, "put_alone", planted_alone),
    ):
        yield
