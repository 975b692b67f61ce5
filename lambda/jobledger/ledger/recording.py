"""Writes jobs: a job's row, its change log row, its active row and its counters are one transaction.

Each attempt reads what the ledger has of the jobs, plans a `JobWrite` for each that changes, and sends these in
transactions. Jobs whose transaction met another writer are read again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from threading import Lock

from msgspec import Struct
from msgspec.structs import replace

from jobledger.errors import LedgerUnavailable, WalkOvertaken
from jobledger.jobs import Job
from jobledger.ledger.active import Followed, read_followed
from jobledger.ledger.counters import counted_together, write_counted
from jobledger.ledger.job_facts import OTHER_STATUS
from jobledger.ledger.job_write import JobWrite, Known, RecordCall, increments_of, plan
from jobledger.ledger.rows import checked, rows_of
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import SyncState, SyncStates
from jobledger.ledger.table import (
    TRANSACTION_LIMIT,
    WRITE_ATTEMPTS,
    Action,
    Check,
    Put,
    Row,
    Table,
    pause,
)
from jobledger.service import Family
from jobledger.sources import job_id_of, source_of_key
from jobledger.times import rfc3339

# The first digest covers a day, and ends two minutes before its run: a fill stores what ended in that time.
_FIRST_WINDOW = timedelta(hours=25)
# Each job changes at most five counts of a row: 250 names are below the 4 KB of an expression (see table).
_JOBS_A_TRANSACTION = 50
# A fifth of what DynamoDB writes in a second under one partition key: a larger transaction might never succeed.
_BYTES_A_TRANSACTION = 100_000


class Recorded(Struct, frozen=True):
    """The rows that one call of `record` wrote, the status changes, and the altered jobs among them."""

    changed: int
    transitions: int
    altered: int = 0


Turns = Mapping[Family, Lock]
"""Sources that one process syncs side by side write a family's jobs in turns: each transaction changes the row of all jobs,
and DynamoDB refuses a transaction that meets another one."""


def turns_of(families: Iterable[Family]) -> Turns:
    """Return what the ledgers of one process share."""
    return {family: Lock() for family in families}


class Recorder:
    """Writes the jobs of one source. `states` are those of its syncs, `member` is as in `sources`."""

    def __init__(
        self,
        table: Table,
        scope: str,
        member: str | None,
        states: SyncStates,
        now: Callable[[], datetime],
        turns: Turns,
    ) -> None:
        self._table = table
        self._scope = scope
        self._member = member
        self._states = states
        self._now = now
        self._turns = turns

    def record(
        self,
        family: Family,
        jobs: Iterable[Job],
        listed_at: str,
        *,
        announce_new: bool,
        counted: bool = True,
        followed: Followed | None = None,
        search_all: bool = False,
    ) -> Recorded:
        """Write jobs that are newer than their ledger rows.

        `listed_at` is the time when the listing was requested. A job only moves forward, so repeated,
        concurrent and late calls are harmless: a row is written on the condition that it is the row that
        was read, and read again otherwise. Without `announce_new` (a first fill), new jobs are not added to
        the change log; those that ended lately become `ended` rows, which only digests read. `followed` are
        the family's active jobs, as far as the caller has read them: a job that is listed with another submit
        time is found there. Jobs without a row are searched for by their ids, except in a first fill; with
        `search_all`, all jobs are. Raises LedgerUnavailable; rows that were written before the error remain, complete.

        Without `counted`, the counters stay as they are: the fill of a family that was never synced, whose jobs
        are counted once, afterwards. Raises WalkOvertaken when another sync has completed the fill.
        """
        unseen_since = None if announce_new else rfc3339(self._now() - _FIRST_WINDOW)
        scope = f"{self._scope}/{family}"
        call = RecordCall(family, scope, listed_at, unseen_since, counted)
        if self._member:
            jobs = (replace(job, source=self._member) for job in jobs)
        pending, written = furthest(jobs), list[JobWrite]()
        for attempt in range(WRITE_ATTEMPTS):
            pause(min(attempt, 1))
            if attempt:
                followed = read_followed(self._table, scope, pending, self._member)
                search_all = True
            writes = self._planned(call, pending, followed, search_all=search_all)
            # After a conflict, write jobs one by one, so that a contended row does not delay the others.
            refused = self._write_all(call, writes, written, one_by_one=attempt > 0)
            if not refused:
                return Recorded(
                    changed=sum(write.replaces for write in written),
                    transitions=sum(write.is_announced(call) for write in written),
                    altered=sum(bool(write.replaces and write.job.altered) for write in written),
                )
            pending = {write.job.job_id: write.job for write in refused}
        raise LedgerUnavailable("other writers keep changing the rows")

    def _write_all(
        self,
        call: RecordCall,
        writes: Sequence[JobWrite],
        written: list[JobWrite],
        *,
        one_by_one: bool,
    ) -> list[JobWrite]:
        """Write jobs, add those that were to `written`, and return the others: another writer was faster."""
        refused: list[JobWrite] = []
        for batch in batches(call, writes, one_by_one=one_by_one):
            with self._turns.get(call.family, nullcontext()):
                done = self._write(call, batch)
            (written if done else refused).extend(batch)
        return refused

    def _planned(
        self,
        call: RecordCall,
        jobs: Mapping[str, Job],
        followed: Followed | None,
        *,
        search_all: bool,
    ) -> list[JobWrite]:
        """Return what has to be written of these jobs, compared with what the ledger has of them.

        A job with a row that cannot be read stays as it is.
        """
        # A job's row is under its submit time, or under the one that is followed, or where its index says.
        keys = {job.sort_key for job in jobs.values()}
        keys |= {followed[job_id].sort_key for job_id in jobs if followed and job_id in followed}
        rows, damaged = self.rows(call.scope, keys)
        if call.unseen_since is None or search_all:
            wanted = [job_id for job_id in jobs if search_all or job_id not in rows]
            found, also_damaged = self.rows(call.scope, self._searched(wanted))
            rows, damaged = rows | found, damaged | also_damaged
        now = self._now()
        plans = (
            plan(call, job, Known.of(job.family, job_id, rows.get(job_id, ()), followed), now)
            for job_id, job in jobs.items()
            if job_id not in damaged
        )
        return [write for write in plans if write]

    def _searched(self, job_ids: Iterable[str]) -> set[str]:
        """Return the sort keys of all rows of these jobs."""
        return {
            str(row["SK"])
            for job_id in job_ids
            for row in rows_of(self._table, self._scope, job_id)
            if source_of_key(str(row["SK"])) == self._member
        }

    def rows(self, scope: str, sort_keys: Collection[str]) -> tuple[dict[str, list[Row]], set[str]]:
        """Return the rows with these keys, by job id, and the ids of those that cannot be read."""
        found = list(self._table.batch_get([{"PK": scope, "SK": key} for key in sort_keys]))
        rows: dict[str, list[Row]] = {}
        for row in readable(found, checked):
            rows.setdefault(_job_id_of(row), []).append(row)
        return rows, {_job_id_of(row) for row in found if row not in rows.get(_job_id_of(row), ())}

    def _write(self, call: RecordCall, batch: Sequence[JobWrite]) -> bool:
        """Write a batch in one transaction; False when another writer was faster."""
        batch = self._counted(call.family, batch) if call.counted else batch
        changes = (write.active_change(call.scope) for write in batch)
        active = [change for change in changes if change]
        follows = any(isinstance(change, Put) for change in active)
        checks: list[Check] = []
        floor: str | None = None
        if not call.counted or follows or any(write.known.row is None for write in batch):
            # The batch is stamped immediately before it is written.
            settled = self._settled(call, follows=follows)
            if settled is None:
                return False
            checks, floor = settled
        actions: list[Action] = [*checks, *active]
        now = self._now()
        for write in batch:
            actions += write.actions(call, now, floor)
        if call.counted:
            actions += increments_of(self._scope, call.family, batch)
        demand = partial(self._states.demand_recount, call.family)
        return write_counted(self._table, actions, demand)

    def _counted(self, family: Family, batch: Sequence[JobWrite]) -> Sequence[JobWrite]:
        """Return a batch that says which jobs are counted under another status than theirs."""
        statuses = [write.job.status for write in batch if write.replaces]
        together = counted_together(self._table, self._scope, family, statuses)
        return [
            replace(write, counted_as=OTHER_STATUS) if write.job.status in together else write
            for write in batch
        ]

    def _settled(self, call: RecordCall, *, follows: bool) -> tuple[list[Check], str | None] | None:
        """Return the check that a batch with new jobs is written with, and the time after which it is stamped.

        The state must still be the one that was read. So a new job is never written behind a `settled_at`
        that a reader has seen, however long its write takes; and an active job, which `follows` announces,
        is never written while the state says that there is none; and a job that is not counted is never
        written after the fill. Returns None when another writer was faster.
        """
        state: SyncState | None = self._states.state(call.family)
        assert state is not None
        if state.filled and not call.counted:
            raise WalkOvertaken
        if follows and (state.idle or state.quiet):
            state = self._states.save_state(call.family, replace(state, idle=False, quiet=0))
            if state is None:
                return None
        key = self._states.key(call.family)
        if not state.version:
            return [Check(key, "attribute_not_exists(PK)")], None
        return [Check(key, "Version = :read", {":read": state.version})], state.settled_at


def furthest(jobs: Iterable[Job]) -> dict[str, Job]:
    """Return each job once by its id, with its latest status.

    A page can list a job twice, with different statuses or submit times.
    """
    furthest: dict[str, Job] = {}
    for job in jobs:
        known = furthest.get(job.job_id)
        if known is None or job.rank >= known.rank:
            furthest[job.job_id] = job
    return furthest


def batches(
    call: RecordCall, writes: Iterable[JobWrite], *, one_by_one: bool
) -> Iterator[list[JobWrite]]:
    """Split writes into transactions, in the order of submission, so that few counter rows change in each.

    A row of each counter is changed, and one row is left for a check.
    """
    batch: list[JobWrite] = []
    counters: set[str] = set()
    written, size = 1, 0
    most = _JOBS_A_TRANSACTION if call.counted else TRANSACTION_LIMIT
    for write in sorted(writes, key=lambda write: write.key):
        added = 1 + len(write.removed) + write.is_announced(call) + write.ended_unseen(call)
        added += write.active_change(call.scope) is not None
        touched = write.counters() if call.counted else {"all"}
        too_many = written + added + len(counters | touched) > TRANSACTION_LIMIT
        too_large = size + write.size > _BYTES_A_TRANSACTION
        if batch and (one_by_one or len(batch) == most or too_many or too_large):
            yield batch
            batch, written, size, counters = [], 1, 0, set()
        batch.append(write)
        written += added
        size += write.size
        counters |= touched
    if batch:
        yield batch


def _job_id_of(row: Row) -> str:
    return job_id_of(str(row["SK"]))
