"""Writes jobs: a job's row, its change log row, its active row and its counters are one transaction."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from jobledger.errors import LedgerUnavailable, WalkOvertaken
from jobledger.jobs import Job
from jobledger.ledger.active import Followed, read_followed
from jobledger.ledger.counters import counted_together
from jobledger.ledger.job_facts import MODELLED, OTHER_STATUS
from jobledger.ledger.planning import JobWrite, Known, batches, increments_of, plan
from jobledger.ledger.rows import (
    change_row,
    checked,
    ended_row,
    furthest,
    job_row,
    observed_at_of,
    rows_of,
)
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import SyncState, SyncStates
from jobledger.ledger.table import WRITE_ATTEMPTS, Action, Check, Delete, Put, Row, Table, pause
from jobledger.service import Family
from jobledger.times import later_than, rfc3339

# The first digest covers a day, and ends two minutes before its run: a fill stores what ended in that time.
_FIRST_WINDOW = timedelta(hours=25)


class Recorded(msgspec.Struct, frozen=True):
    """The rows that one call of `record` wrote, the status changes, and the altered jobs among them."""

    changed: int
    transitions: int
    altered: int = 0


class Recorder:
    """Writes the jobs of one account and region. `states` are those of its syncs."""

    def __init__(
        self, table: Table, scope: str, states: SyncStates, now: Callable[[], datetime]
    ) -> None:
        self._table = table
        self._scope = scope
        self._states = states
        self._now = now

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
        time is found there. Jobs without a row are looked for by their ids, with `search_all` all jobs, but
        not in a first fill. Raises LedgerUnavailable; rows that were written before the error remain, complete.

        Without `counted`, the counters stay as they are: the fill of a family that was never synced, whose jobs
        are counted once, afterwards. Raises WalkOvertaken when another sync has completed the fill.
        """
        scope, pending = f"{self._scope}/{family}", furthest(jobs)
        unseen_since = None if announce_new else rfc3339(self._now() - _FIRST_WINDOW)
        changed = transitions = altered = 0
        damaged: set[str] = set()
        for attempt in range(WRITE_ATTEMPTS):
            pause(min(attempt, 1))
            if attempt:
                followed, search_all = read_followed(self._table, scope, pending), True
            before = self._known(family, pending, followed, damaged)
            if announce_new or search_all:
                looked_for = [i for i, of in before.items() if search_all or of.row is None]
                before |= self._searched(family, looked_for, followed, damaged)
            # A job with a row that cannot be read stays as it is, and the others go on.
            sound = [job for job in pending.values() if job.job_id not in damaged]
            writes = self._planned(scope, sound, listed_at, before)
            pending = {}
            # After a conflict, write jobs one by one, so that a contended row does not delay the others.
            for batch in batches(
                scope, writes, unseen_since, counted=counted, one_by_one=attempt > 0
            ):
                if self._write(family, batch, listed_at, unseen_since, counted=counted):
                    changed += sum(write.replaces for write in batch)
                    altered += sum(bool(w.replaces and w.job.altered) for w in batch)
                    transitions += sum(write.is_announced(unseen_since) for write in batch)
                else:
                    pending |= {write.job.job_id: write.job for write in batch}
            if not pending:
                return Recorded(changed, transitions, altered)
        raise LedgerUnavailable("other writers keep changing the rows")

    def _planned(
        self, scope: str, jobs: Iterable[Job], listed_at: str, before: Mapping[str, Known]
    ) -> list[JobWrite]:
        """Return what has to be written of these jobs, compared with what the ledger had before."""
        now = self._now()
        plans = (plan(scope, job, listed_at, before[job.job_id], now) for job in jobs)
        return [write for write in plans if write]

    def _known(
        self,
        family: Family,
        jobs: Mapping[str, Job],
        followed: Followed | None,
        damaged: set[str],
    ) -> dict[str, Known]:
        """Return what the ledger has of each job, under its submit time and under the one that is followed."""
        scope = f"{self._scope}/{family}"
        keys = {job.sort_key for job in jobs.values()}
        keys |= {followed[job_id].sort_key for job_id in jobs if followed and job_id in followed}
        rows = self.rows(scope, keys, damaged)
        return {job_id: Known.of(family, job_id, rows.get(job_id, ()), followed) for job_id in jobs}

    def _searched(
        self,
        family: Family,
        job_ids: Collection[str],
        followed: Followed | None,
        damaged: set[str],
    ) -> dict[str, Known]:
        """Return what the ledger has of each job, under any submit time that its index has."""
        keys = {
            str(row["SK"])
            for job_id in job_ids
            for row in rows_of(self._table, self._scope, job_id)
        }
        rows = self.rows(f"{self._scope}/{family}", keys, damaged)
        return {
            job_id: Known.of(family, job_id, rows[job_id], followed)
            for job_id in job_ids
            if job_id in rows
        }

    def rows(
        self, scope: str, sort_keys: Collection[str], damaged: set[str]
    ) -> dict[str, list[Row]]:
        """Return the rows with these keys, by job id; add the ids of those that cannot be read to `damaged`."""
        found = list(self._table.batch_get([{"PK": scope, "SK": key} for key in sort_keys]))
        rows: dict[str, list[Row]] = {}
        for row in readable(found, checked):
            rows.setdefault(_job_id_of(row), []).append(row)
        damaged |= {_job_id_of(row) for row in found if row not in rows.get(_job_id_of(row), ())}
        return rows

    def _write(
        self,
        family: Family,
        batch: Sequence[JobWrite],
        listed_at: str,
        unseen_since: str | None,
        *,
        counted: bool,
    ) -> bool:
        """Write a batch in one transaction; False when another writer was faster."""
        scope = f"{self._scope}/{family}"
        batch = self._counted(family, batch) if counted else batch
        active = [change for write in batch if (change := write.active_change(scope))]
        follows = any(isinstance(change, Put) for change in active)
        checks: list[Check] = []
        floor: str | None = None
        if not counted or follows or any(write.known.row is None for write in batch):
            # The batch is stamped immediately before it is written.
            settled = self._settled(family, follows=follows, counted=counted)
            if settled is None:
                return False
            checks, floor = settled
        actions: list[Action] = [*checks, *active]
        first_observed_at = later_than(floor, self._now())
        for write in batch:
            actions += self._of_job(
                scope, write, listed_at, unseen_since, first_observed_at, counted=counted
            )
        increments = increments_of(self._scope, family, batch) if counted else []
        return self._table.transact([*actions, *increments])

    def _counted(self, family: Family, batch: Sequence[JobWrite]) -> Sequence[JobWrite]:
        """Return a batch that says which jobs are counted under another status than theirs."""
        statuses = [write.job.status for write in batch if write.replaces]
        together = counted_together(self._table, self._scope, family, statuses)
        return [
            msgspec.structs.replace(write, counted_as=OTHER_STATUS)
            if write.job.status in together
            else write
            for write in batch
        ]

    def _settled(
        self, family: Family, *, follows: bool, counted: bool
    ) -> tuple[list[Check], str | None] | None:
        """Return the check that a batch with new jobs is written with, and the time after which it is stamped.

        The state must still be the one that was read. So a new job is never written behind a `settled_at`
        that a reader has seen, however long its write takes; and an active job, which `follows` announces,
        is never written in a state that says that there is none; and a job that is not `counted` is never
        written after the fill. Returns None when another writer was faster.
        """
        state: SyncState | None = self._states.state(family)
        assert state is not None
        if state.filled and not counted:
            raise WalkOvertaken
        if follows and (state.idle or state.quiet):
            state = self._states.save_state(
                family, msgspec.structs.replace(state, idle=False, quiet=0)
            )
            if state is None:
                return None
        key = {"PK": "state", "SK": f"{self._scope}/{family}"}
        if not state.version:
            return [Check(key, "attribute_not_exists(PK)")], None
        return [Check(key, "Version = :read", {":read": state.version})], state.settled_at

    def _of_job(
        self,
        scope: str,
        write: JobWrite,
        listed_at: str,
        unseen_since: str | None,
        first_observed_at: str,
        *,
        counted: bool,
    ) -> Iterator[Put | Check | Delete]:
        """Yield the job's row and, when its status changed, its change log row; and remove its other rows."""
        job, row, replaced = write.job, write.known.row, write.replaced
        read = {":read": replaced["Version"]} if replaced else {}
        if write.replaces:
            observed_at = later_than(observed_at_of(row), self._now()) if row else first_observed_at
            written = job_row(scope, job, row, listed_at, observed_at if write.moves else None)
            if write.counted_as:
                written["CountedAs"] = write.counted_as
            if not counted and job.status and job.status not in MODELLED:
                # How many of these are counted by name depends on the counters.
                del written["Counted"]
            if replaced:
                yield Put(written, "Version = :read", read)
            else:
                yield Put(written, "attribute_not_exists(PK)")
            if write.is_announced(unseen_since):
                yield Put(change_row(scope, job, row, observed_at), "attribute_not_exists(PK)")
            elif write.ended_unseen(unseen_since):
                # A fill after an erasure writes the same row again.
                yield Put(ended_row(self._scope, job))
        else:
            yield Check({"PK": scope, "SK": write.key}, "Version = :read", read)
        for other in write.removed:
            key = {"PK": scope, "SK": str(other["SK"])}
            yield Delete(key, "Version = :read", {":read": other["Version"]})


def _job_id_of(row: Row) -> str:
    return str(row["SK"]).partition("#")[2]
