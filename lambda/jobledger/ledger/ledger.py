"""Writes the ledger: job rows, their change log, and the state of each sync.

| row    | PK                     | SK                   | carries |
|--------|------------------------|----------------------|---------|
| job    | `Scope`                | `SubmitTime#JobId`   | the job as JSON, the filterable attributes, the history |
| change | `Scope#changes`        | `ObservedAt#JobId`   | one status change, written in the job row's transaction |
| ended  | `account/region#ended` | `EndTime#JobId#Family` | a job that a first fill found ended, in the same transaction |
| active | `Scope#active`         | `JobId`              | one active job; goes in the transaction that ends it |
| state  | `state`                | `Scope`              | the state of the family's sync |

`Scope` is `account/region/Family`. The module `pages` reads it. `counters` describes the counter rows, which
change in the transaction that writes a job row. No row but those of the counters grows with the number of jobs.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Job, job_from_json
from jobledger.ledger.active import (
    ActiveJob,
    Followed,
    active_delete,
    active_from_row,
    active_key,
    active_mark,
    active_row,
    read_active,
    read_followed,
)
from jobledger.ledger.counters import counted_together
from jobledger.ledger.job_facts import OTHER_STATUS
from jobledger.ledger.planning import JobWrite, Known, batches, increments_of, plan
from jobledger.ledger.rows import (
    Change,
    change_from_row,
    change_row,
    checked,
    ended_key,
    ended_row,
    furthest,
    job_row,
)
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import SyncState, named_state, state_from_row
from jobledger.ledger.table import (
    Action,
    Check,
    Delete,
    Put,
    Row,
    Table,
    pause,
    text_of,
    version_of,
)
from jobledger.service import Family
from jobledger.times import known, parse, rfc3339

WRITE_ATTEMPTS = 6
# The first digest covers a day, and ends two minutes before its run: a fill stores what ended in that time.
_FIRST_WINDOW = timedelta(hours=25)


class Recorded(msgspec.Struct, frozen=True):
    """The rows that one call of `record` wrote, the status changes, and the altered jobs among them."""

    changed: int
    transitions: int
    altered: int = 0


class Ledger:
    """The job rows, change log and sync state of one account and region.

    `now` is the clock for `ObservedAt`.
    """

    def __init__(self, table: Table, scope: str, now: Callable[[], datetime]) -> None:
        self.table = table
        self.scope = scope
        self._now = now
        self._as_of: tuple[datetime, dict[Family, str | None]] | None = None

    def partition(self, family: Family) -> str:
        """Return the family's `Scope`: `account/region/Family`."""
        return f"{self.scope}/{family}"

    def record(
        self,
        family: Family,
        jobs: Iterable[Job],
        listed_at: str,
        *,
        announce_new: bool,
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
        """
        scope, pending = self.partition(family), furthest(jobs)
        unseen_since = None if announce_new else rfc3339(self._now() - _FIRST_WINDOW)
        changed = transitions = altered = 0
        damaged: set[str] = set()
        for attempt in range(WRITE_ATTEMPTS):
            pause(min(attempt, 1))
            if attempt:
                followed, search_all = read_followed(self.table, scope, pending), True
            before = self._known(family, pending, followed, damaged)
            if announce_new or search_all:
                looked_for = [i for i, of in before.items() if search_all or of.row is None]
                before |= self._searched(family, looked_for, followed, damaged)
            now = self._now()
            # A job with a row that cannot be read stays as it is, and the others go on.
            sound = [job for job in pending.values() if job.job_id not in damaged]
            plans = (plan(scope, job, listed_at, before[job.job_id], now) for job in sound)
            writes = [write for write in plans if write]
            pending = {}
            # After a conflict, write jobs one by one, so that a contended row does not delay the others.
            for batch in batches(scope, writes, unseen_since, one_by_one=attempt > 0):
                if self._write(family, batch, listed_at, unseen_since):
                    changed += sum(write.replaces for write in batch)
                    altered += sum(bool(w.replaces and w.job.altered) for w in batch)
                    transitions += sum(write.is_announced(unseen_since) for write in batch)
                else:
                    pending |= {write.job.job_id: write.job for write in batch}
            if not pending:
                return Recorded(changed, transitions, altered)
        raise LedgerUnavailable("other writers keep changing the rows")

    def follow(self, family: Family, jobs: Iterable[ActiveJob]) -> None:
        """Write the active rows of jobs that have none, if they are active; any number of times.

        An older version wrote none, and could write two rows of one job: they become one.
        """
        scope, given = self.partition(family), {job.job_id: job for job in jobs}
        followed = read_followed(self.table, scope, given)
        keys = {job.sort_key for job in followed.values()}
        missing = {job.sort_key for job in given.values()} - keys
        rows = (row for found in self._rows(scope, missing, set()).values() for row in found)
        known = [job for row in rows if (job := job_from_json(family, str(row["Job"])))]
        # As old as a listing can be: it replaces no row.
        self.record(family, known, "", announce_new=True, followed=followed, search_all=True)

    def note_unknown(self, family: Family, job: ActiveJob) -> bool:
        """Note that the service does not know an active job; return whether that is the end of it.

        It is when the service said so in an earlier run, or after the job's ExpirationTime.
        """
        scope, at = self.partition(family), rfc3339(self._now())
        row = self.table.get({"PK": scope, "SK": job.sort_key})
        expires = text_of(row, "ExpirationTime") if row else at
        if job.unknown_at or (expires and expires <= at):
            self.mark_expired(family, job.job_id, job.submit_time or None)
            return True
        self.table.put(active_mark(scope, msgspec.structs.replace(job, unknown_at=at)))
        return False

    def mark_expired(self, family: Family, job_id: str, submit_time: str | None) -> None:
        """Mark a job's row as unknown to the service, and follow it no longer.

        The row otherwise stays as last seen.
        """
        scope = self.partition(family)
        key = {"PK": scope, "SK": Job.key_of(submit_time, job_id)}
        for _ in range(WRITE_ATTEMPTS):
            row = self.table.get(key)
            unfollow = active_delete(scope, ActiveJob(job_id, key["SK"]))
            if row is None or row.get("ExpiredUpstream"):
                # Nothing to do if the job is followed under another submit time.
                self.table.transact([unfollow])
                return
            version = version_of(row)
            marked: Row = row | {"ExpiredUpstream": True, "Version": version + 1}
            put = Put(marked, "Version = :read", {":read": version})
            if self.table.transact([put, unfollow]):
                return
        raise LedgerUnavailable("other writers keep changing the rows")

    def active(
        self, family: Family, state: SyncState | None = None, *, consistent: bool = False
    ) -> dict[str, ActiveJob]:
        """Return the family's active jobs by id. The state saves the query of a family that has none.

        A `consistent` read is a sync's: it mends the rows that cannot be read.
        """
        state = state or self.state(family)
        scope = self.partition(family)
        jobs = {
            job_id: ActiveJob(job_id, Job.key_of(submit_time or None, job_id))
            for job_id, submit_time in state.without_rows.items()
        }
        if not state.idle:
            rows = list(read_active(self.table, scope, consistent=consistent))
            jobs |= {job.job_id: job for job in readable(rows, active_from_row)}
            if consistent and (damaged := {str(row["SK"]) for row in rows} - jobs.keys()):
                jobs |= self._mended(scope, damaged)
        return jobs

    def _mended(self, scope: str, job_ids: Iterable[str]) -> dict[str, ActiveJob]:
        """Write active rows anew, from the job rows: no condition on a damaged one ever holds."""
        mended: dict[str, ActiveJob] = {}
        for job_id in job_ids:
            keys = [str(row["SK"]) for row in self._by_id(job_id) if row["PK"] == scope]
            if keys:
                mended[job_id] = ActiveJob(job_id, max(keys))
                anew = active_row(scope, mended[job_id])
                self.table.put(Put(anew))
            else:
                damaged = active_key(scope, job_id)
                self.table.transact([Delete(damaged, "")])
        return mended

    def find(self, job_id: str) -> Row | None:
        """Return the row of a job of any family; the latest submission when there are several."""
        return max(self._by_id(job_id), key=lambda row: str(row["SK"]), default=None)

    def _by_id(self, job_id: str) -> Iterator[Row]:
        return self.table.query_all(
            IndexName="ById",
            KeyConditionExpression="IdKey = :id",
            ExpressionAttributeValues={":id": {"S": f"{self.scope}#{job_id}"}},
        )

    def changes(self, family: Family, start: str, end: str) -> Iterator[Change]:
        """Yield the family's changes with start <= ObservedAt < end, in the order of observation."""
        rows = self.table.query_all(
            KeyConditionExpression="PK = :log AND SK BETWEEN :start AND :end",
            ExpressionAttributeValues={
                ":log": {"S": f"{self.partition(family)}#changes"},
                ":start": {"S": start},
                # A sort key is `ObservedAt#JobId`, never a bare time, so the end is exclusive.
                ":end": {"S": end},
            },
        )
        return readable(rows, change_from_row)

    def ended_unseen(self, start: str, end: str) -> Iterator[Change]:
        """Yield the jobs that first fills found ended, with start <= EndTime < end, in that order."""
        rows = self.table.query_all(
            KeyConditionExpression="PK = :ended AND SK BETWEEN :start AND :end",
            ExpressionAttributeValues={
                ":ended": {"S": ended_key(self.scope)},
                ":start": {"S": start},
                ":end": {"S": end},
            },
        )
        return readable(rows, change_from_row)

    def state(self, family: Family) -> SyncState:
        """Return the family's sync state, read consistently."""
        row = self.table.get({"PK": "state", "SK": self.partition(family)})
        return SyncState() if row is None else state_from_row(row, self._now())

    def states(self, *, consistent: bool = False) -> dict[Family, SyncState]:
        """Return the state of every family that was ever synced, in one query."""
        rows = self.table.query_all(
            ConsistentRead=consistent,
            KeyConditionExpression="PK = :state AND begins_with(SK, :scope)",
            ExpressionAttributeValues={
                ":state": {"S": "state"},
                ":scope": {"S": f"{self.scope}/"},
            },
        )
        now = self._now()
        return dict(readable(rows, lambda row: named_state(row, now)))

    def as_of(self, within: timedelta = timedelta(0)) -> dict[Family, str | None]:
        """Return the time of each family's last agreement with the service; unsynced families are absent.

        A value that was read less than `within` ago is returned from memory: "as of" is still true a few
        seconds later. Without `within`, the table is read, and the value in memory is dropped, because the
        caller may go on to sync.
        """
        now, known = self._now(), self._as_of
        if known is not None and timedelta(0) <= now - known[0] < within:
            return known[1]
        times = {family: state.as_of for family, state in self.states().items()}
        self._as_of = (now, times) if within else None
        return times

    def save_state(self, family: Family, state: SyncState) -> SyncState | None:
        """Write the next version of a state; None when another sync was faster."""
        self._as_of = None
        settled_at = self._after(state.settled_at)
        following = msgspec.structs.replace(state, version=state.version + 1, settled_at=settled_at)
        row: Row = {
            "PK": "state",
            "SK": self.partition(family),
            "Sync": msgspec.json.encode(following).decode(),
            "Version": following.version,
        }
        return following if self.table.put_next_alone(row, state.version) else None

    def _known(
        self,
        family: Family,
        jobs: Mapping[str, Job],
        followed: Followed | None,
        damaged: set[str],
    ) -> dict[str, Known]:
        """Return what the ledger has of each job, under its submit time and under the one that is followed."""
        scope = self.partition(family)
        keys = {job.sort_key for job in jobs.values()}
        keys |= {followed[job_id].sort_key for job_id in jobs if followed and job_id in followed}
        rows = self._rows(scope, keys, damaged)
        return {job_id: Known.of(family, job_id, rows.get(job_id, ()), followed) for job_id in jobs}

    def _searched(
        self,
        family: Family,
        job_ids: Collection[str],
        followed: Followed | None,
        damaged: set[str],
    ) -> dict[str, Known]:
        """Return what the ledger has of each job, under any submit time that its index has."""
        keys = {str(row["SK"]) for job_id in job_ids for row in self._by_id(job_id)}
        rows = self._rows(self.partition(family), keys, damaged)
        return {
            job_id: Known.of(family, job_id, rows[job_id], followed)
            for job_id in job_ids
            if job_id in rows
        }

    def _rows(
        self, scope: str, sort_keys: Collection[str], damaged: set[str]
    ) -> dict[str, list[Row]]:
        """Return the rows with these keys, by job id; add the ids of those that cannot be read to `damaged`."""
        found = list(self.table.batch_get([{"PK": scope, "SK": key} for key in sort_keys]))
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
    ) -> bool:
        """Write a batch in one transaction; False when another writer was faster."""
        scope = self.partition(family)
        batch = self._counted(family, batch)
        active = [change for write in batch if (change := write.active_change(scope))]
        follows = any(isinstance(change, Put) for change in active)
        checks: list[Check] = []
        floor: str | None = None
        if follows or any(write.known.row is None for write in batch):
            # The batch is stamped immediately before it is written.
            settled = self._settled(family, follows=follows)
            if settled is None:
                return False
            checks, floor = settled
        actions: list[Action] = [*checks, *active]
        first_observed_at = self._after(floor)
        for write in batch:
            actions += self._of_job(scope, write, listed_at, unseen_since, first_observed_at)
        return self.table.transact([*actions, *increments_of(self.scope, family, batch)])

    def _counted(self, family: Family, batch: Sequence[JobWrite]) -> Sequence[JobWrite]:
        """Return a batch that says which jobs are counted under another status than theirs."""
        statuses = [write.job.status for write in batch if write.replaces]
        together = counted_together(self.table, self.scope, family, statuses)
        return [
            msgspec.structs.replace(write, counted_as=OTHER_STATUS)
            if write.job.status in together
            else write
            for write in batch
        ]

    def _settled(self, family: Family, *, follows: bool) -> tuple[list[Check], str | None] | None:
        """Return the check that a batch with new jobs is written with, and the time after which it is stamped.

        The state must still be the one that was read. So a new job is never written behind a `settled_at`
        that a reader has seen, however long its write takes; and an active job, which `follows` announces,
        is never written in a state that says that there is none. Returns None when another writer was faster.
        """
        state: SyncState | None = self.state(family)
        assert state is not None
        if follows and (state.idle or state.quiet):
            state = self.save_state(family, msgspec.structs.replace(state, idle=False, quiet=0))
            if state is None:
                return None
        key = {"PK": "state", "SK": self.partition(family)}
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
    ) -> Iterator[Put | Check | Delete]:
        """Yield the job's row and, when its status changed, its change log row; and remove its other rows."""
        job, row, replaced = write.job, write.known.row, write.replaced
        read = {":read": replaced["Version"]} if replaced else {}
        if write.replaces:
            observed_at = self._after(str(row["ObservedAt"])) if row else first_observed_at
            written = job_row(scope, job, row, listed_at, observed_at if write.moves else None)
            if write.counted_as:
                written["CountedAs"] = write.counted_as
            if replaced:
                yield Put(written, "Version = :read", read)
            else:
                yield Put(written, "attribute_not_exists(PK)")
            if write.is_announced(unseen_since):
                yield Put(change_row(scope, job, row, observed_at), "attribute_not_exists(PK)")
            elif write.ended_unseen(unseen_since):
                # A fill after an erasure writes the same row again.
                yield Put(ended_row(self.scope, job))
        else:
            yield Check({"PK": scope, "SK": write.key}, "Version = :read", read)
        for other in write.removed:
            key = {"PK": scope, "SK": str(other["SK"])}
            yield Delete(key, "Version = :read", {":read": other["Version"]})

    def _after(self, last: str | None) -> str:
        """Return the time of this observation: now, but always later than `last`, if that is known."""
        now = self._now()
        last = known(last, now)
        if last is not None and rfc3339(now) <= last:
            return rfc3339(parse(last) + timedelta(milliseconds=1))
        return rfc3339(now)


def _job_id_of(row: Row) -> str:
    return str(row["SK"]).partition("#")[2]
