"""Writes the ledger: job rows, their change log, and the state of each sync.

| row    | PK                     | SK                   | carries |
|--------|------------------------|----------------------|---------|
| job    | `Scope`                | `SubmitTime#JobId`   | the job as JSON, the filterable attributes, the history |
| change | `Scope#changes`        | `ObservedAt#JobId`   | one status change, written in the job row's transaction |
| ended  | `account/region#ended` | `EndTime#JobId#Family` | a job that a first fill found ended, in the same transaction |
| active | `Scope#active`         | `JobId`; of a member `~account/region#JobId` | one active job; goes in the transaction that ends it |
| state  | `state`                | `Scope`              | the state of the family's sync |

`Scope` is `account/region/Family` of the deployment. Keys of jobs of other sources have a tag (`sources`); the state of
a sync has its source in its key. The module `pages` reads the ledger. `counters` describes the counter rows, which
change in the transaction that writes a job row. Only the rows of the counters grow with the number of jobs.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

import msgspec

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Job, job_from_json
from jobledger.ledger.active import (
    ActiveJob,
    active_delete,
    active_from_row,
    active_key,
    active_mark,
    active_row,
    followed_id,
    followed_source,
    read_active,
    read_active_of,
    read_followed,
)
from jobledger.ledger.job_facts import facts_of_row
from jobledger.ledger.recording import Recorder, Turns, turns_of
from jobledger.ledger.rows import Change, change_from_row, ended_key, rows_of
from jobledger.ledger.shown import ShownJobs
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import States, SyncState, SyncStates
from jobledger.ledger.table import (
    WRITE_ATTEMPTS,
    Delete,
    Put,
    Row,
    Table,
    version_of,
)
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sources import source_of_key
from jobledger.times import rfc3339


class Ledger:
    """The job rows, change log and sync states of a deployment.

    `now` is the clock for `ObservedAt`. `scope` is the deployment's `account/region`, `sources` are those of the setting,
    if it has any. It reads all sources, and writes for one of them: `of` returns a ledger for another.
    """

    def __init__(
        self,
        table: Table,
        scope: str,
        now: Callable[[], datetime],
        sources: tuple[str, ...] = (),
        source: str | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.table = table
        self.scope = scope
        self.sources = sources or (scope,)
        self.is_shared = bool(sources)
        self.source = source or scope
        self.shown = ShownJobs(scope, sources)
        self._now = now
        self._states = SyncStates(table, self.source, self.keeper, self.sources, now)
        self._turns = turns or (turns_of(Family) if sources else {})
        self._recorder = Recorder(table, scope, self.member, self._states, now, self._turns)
        self.record = self._recorder.record

    @classmethod
    def connect(cls, configured: Settings, now: Callable[[], datetime]) -> "Ledger":
        """Return the deployment's ledger, with a client of its own."""
        table = Table.connect(configured.ledger_table_name)
        return cls(table, configured.scope, now, configured.sources)

    def of(self, source: str) -> "Ledger":
        """Return the same ledger for writing what another source has."""
        sources = self.sources if self.is_shared else ()
        return Ledger(self.table, self.scope, self._now, sources, source, self._turns)

    @property
    def member(self) -> str | None:
        """The source that this ledger writes for, as in `sources`: None for the deployment's own."""
        return None if self.source == self.scope else self.source

    @property
    def keeper(self) -> str:
        """The source whose syncs keep the counters right, of all sources: the deployment's own, if it is one of them."""
        return self.scope if self.scope in self.sources else self.sources[0]

    def partition(self, family: Family) -> str:
        """Return the family's `Scope`: `account/region/Family`."""
        return f"{self.scope}/{family}"

    def state(self, family: Family) -> SyncState:
        """Return the sync state of a family of the source, read consistently."""
        return self._states.state(family)

    def states(self, *, consistent: bool = False, within: timedelta = timedelta(0)) -> States:
        """Return the state of every family that was ever synced, over all sources, as it was up to `within` ago."""
        return self._states.states(consistent=consistent, within=within)

    def known_sources(self) -> list[str]:
        """Return the sources that a caller can ask for: the configured ones, and removed ones that were synced."""
        return sorted({*self.sources, *self.states(within=RECENT).by_source})

    def save_state(self, family: Family, state: SyncState) -> SyncState | None:
        """Write the next version of a state; None when another sync was faster."""
        return self._states.save_state(family, state)

    def follow(self, family: Family, jobs: Iterable[ActiveJob]) -> None:
        """Write the active rows that are missing among active jobs. Repeated calls are harmless.

        An older version wrote none, and could write two rows of one job: they become one.
        """
        scope, given = self.partition(family), {job.job_id: job for job in jobs}
        followed = read_followed(self.table, scope, given, self.member)
        keys = {job.sort_key for job in followed.values()}
        missing = {job.sort_key for job in given.values()} - keys
        found, _ = self._recorder.rows(scope, missing)
        rows = (row for of_one_job in found.values() for row in of_one_job)
        known = [job for row in rows if (job := job_from_json(family, str(row["Job"])))]
        # As old as a listing can be: it replaces no row.
        self.record(family, known, "", announce_new=True, followed=followed, search_all=True)

    def note_unknown(self, family: Family, job: ActiveJob) -> bool:
        """Note that the service does not know an active job; return whether the job is therefore given up.

        It is when the service said so in an earlier run too, or when the job's ExpirationTime has passed.
        """
        scope, at = self.partition(family), rfc3339(self._now())
        row = self.table.get({"PK": scope, "SK": job.sort_key})
        facts = partial(facts_of_row, family)
        job_facts = next(readable([row] if row else [], facts), None)
        expires = job_facts.expiration_time if job_facts else at
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
        key = {"PK": scope, "SK": Job.key_of(submit_time, job_id, self.member)}
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
        """Return the active jobs of a family of the source by id. The state saves the query for a family without any.

        A sync reads with `consistent`, which also mends rows that cannot be read.
        """
        state = state or self.state(family)
        scope, jobs = self.partition(family), _without_rows(state)
        if not state.idle:
            several = self.is_shared or self.member
            found = (
                read_active_of(self.table, scope, self.member, consistent=consistent)
                if several
                else read_active(self.table, scope, consistent=consistent)
            )
            # Members' rows stay when the setting goes.
            rows = [row for row in found if followed_source(row) == self.member]
            jobs |= {job.job_id: job for job in readable(rows, active_from_row)}
            if consistent and (damaged := {followed_id(row) for row in rows} - jobs.keys()):
                jobs |= self._mended(scope, damaged)
        return jobs

    def all_active(self, family: Family, states: Mapping[Family, SyncState]) -> list[ActiveJob]:
        """Return the active jobs of a family of all sources. A family whose first fill has just begun has no state yet."""
        state = states.get(family, SyncState())
        jobs = {(job.source, job.job_id): job for job in _without_rows(state).values()}
        if not state.idle:
            rows = read_active(self.table, self.partition(family))
            jobs |= {(job.source, job.job_id): job for job in readable(rows, active_from_row)}
        return [*jobs.values()]

    def _mended(self, scope: str, job_ids: Iterable[str]) -> dict[str, ActiveJob]:
        """Write active rows anew, from the job rows: no condition on a damaged row would ever hold."""
        mended: dict[str, ActiveJob] = {}
        for job_id in job_ids:
            keys = [
                str(row["SK"])
                for row in rows_of(self.table, self.scope, job_id)
                if row["PK"] == scope and source_of_key(str(row["SK"])) == self.member
            ]
            if keys:
                mended[job_id] = ActiveJob(job_id, max(keys))
                anew = active_row(scope, mended[job_id])
                self.table.put(Put(anew))
            else:
                damaged = active_key(scope, job_id, self.member)
                self.table.transact([Delete(damaged, "")])
        return mended

    def find(self, job_id: str, sources: Collection[str] = ()) -> Row | None:
        """Return the row of a job of any family, and of one of these sources (empty: of any).

        It is the latest submission when there are several.
        """
        rows = (
            row
            for row in rows_of(self.table, self.scope, job_id)
            if not sources or (source_of_key(str(row["SK"])) or self.scope) in sources
        )
        return max(rows, key=lambda row: str(row["SK"]), default=None)

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


RECENT = timedelta(seconds=5)
"""How long states stay in memory: a page saves its second query when they are there."""


def _without_rows(state: SyncState) -> dict[str, ActiveJob]:
    """Return the active jobs that an older version has stored in its state. It knew one source."""
    return {
        job_id: ActiveJob(job_id, Job.key_of(submit_time or None, job_id))
        for job_id, submit_time in state.without_rows.items()
    }
