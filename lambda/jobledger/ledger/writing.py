"""Writes the ledger: job rows, their change log, and the state of each sync.

| row    | PK                     | SK                   | carries |
|--------|------------------------|----------------------|---------|
| job    | `Scope`                | `SubmitTime#JobId`   | the job as JSON, the filterable attributes, the history |
| change | `Scope#changes`        | `ObservedAt#JobId`   | one status change, written in the job row's transaction |
| state  | `state`                | `Scope`              | the state of the family's sync |

`Scope` is `account/region/Family`. The module `pages` reads it. `counters` describes the counter rows, which
change in the transaction that writes a job row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Family, Job
from jobledger.ledger.counters import batches, increments_of
from jobledger.ledger.rows import (
    Change,
    change_from_row,
    change_row,
    checked,
    furthest,
    job_row,
    supersedes,
)
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Check, Put, Row, Table, pause, text_of, version_of
from jobledger.ledger.totals import LAYOUT
from jobledger.times import parse, rfc3339

WRITE_ATTEMPTS = 6
# Two functions' clocks differ by less. A state that is further ahead was written by a clock that was wrong.
_CLOCK_SKEW = timedelta(minutes=1)


class Walk(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A walk over the service's list in progress, stored so that another run can resume it.

    `after` is its SubmitTimeAfter (None: all jobs), `next_token` the next page, `pages` the number of pages
    read. `known` are the jobs that were active when it began. `missing` are those of them that are not
    listed yet (JobId to submit time). `active` are the listed jobs that have not ended.
    """

    started_at: str
    after: str | None = None
    next_token: str | None = None
    pages: int = 0
    high_water_mark: str | None = None
    known: list[str] = []
    active: dict[str, str] = {}
    missing: dict[str, str] = {}


class LastError(msgspec.Struct, frozen=True, rename="pascal"):
    """The name and time of the error that ended the last sync of a family."""

    name: str
    at: str


class SyncState(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """The sync state of one family. `as_of` is None until the first fill is complete.

    `full_walk` is the daily walk over all jobs. It runs beside `walk`, so that it delays nothing.
    `full_walk_after` is the earliest time of the next one. `settled_at` is the time when the state was last
    written: each new job that is written later has a later FirstObservedAt. `counted` is the layout of the
    counters that include all jobs, 0 when none does. `recounted` is the last month that the recount in
    progress has checked, empty at its start; None when no recount is due.
    """

    as_of: str | None = None
    full_walk: Walk | None = None
    full_walk_after: str | None = None
    high_water_mark: str | None = None
    active: dict[str, str] = {}
    walk: Walk | None = None
    last_error: LastError | None = None
    settled_at: str | None = None
    counted: int = 0
    recounted: str | None = None
    version: int = 0

    @property
    def counters_complete(self) -> bool:
        """Whether the counters include every job of the family, as this version counts them."""
        return self.counted == LAYOUT


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
        self, family: Family, jobs: Iterable[Job], listed_at: str, *, announce_new: bool
    ) -> Recorded:
        """Write jobs that are newer than their ledger rows.

        `listed_at` is the time when the listing was requested. A job only moves forward, so repeated,
        concurrent and late calls are harmless: a row is written on the condition that it is the row that
        was read, and read again otherwise. Without `announce_new` (a first fill), new jobs are not added to
        the change log. Raises LedgerUnavailable; rows that were written before the error remain, complete.
        """
        pending = furthest(jobs)
        changed = transitions = altered = 0
        for attempt in range(WRITE_ATTEMPTS):
            pause(min(attempt, 1))
            rows = self._rows(family, pending)
            newer = [
                job for key, job in pending.items() if supersedes(job, listed_at, rows.get(key))
            ]
            pending = {}
            # After a conflict, write jobs one by one, so that a contended row does not delay the others.
            for batch in batches(newer, rows, announce_new=announce_new, one_by_one=attempt > 0):
                # The batch is stamped immediately before it is written.
                checks, floor = self._settled(family, batch, rows)
                puts = [
                    put
                    for job in batch
                    for put in self._puts(job, rows, listed_at, announce_new, floor)
                ]
                increments = increments_of(self.scope, family, batch, rows)
                if self.table.transact([*puts, *checks, *increments]):
                    changed += len(batch)
                    altered += sum(bool(job.altered) for job in batch)
                    transitions += len(puts) - len(batch)
                else:
                    pending |= {job.sort_key: job for job in batch}
            if not pending:
                return Recorded(changed, transitions, altered)
        raise LedgerUnavailable("other writers keep changing the rows")

    def mark_expired(self, family: Family, job_id: str, submit_time: str | None) -> None:
        """Mark a job's row as unknown to the service. The row otherwise stays as last seen."""
        key = {"PK": self.partition(family), "SK": Job.key_of(submit_time, job_id)}
        for _ in range(WRITE_ATTEMPTS):
            row = self.table.get(key)
            if row is None or row.get("ExpiredUpstream"):
                return
            version = version_of(row)
            marked: Row = row | {"ExpiredUpstream": True, "Version": version + 1}
            if self.table.put_next(marked, version):
                return
        raise LedgerUnavailable("other writers keep changing the rows")

    def find(self, job_id: str) -> Row | None:
        """Return the row of a job of any family; the latest submission when there are several."""
        rows = self.table.query_all(
            IndexName="ById",
            KeyConditionExpression="IdKey = :id",
            ExpressionAttributeValues={":id": {"S": f"{self.scope}#{job_id}"}},
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

    def state(self, family: Family) -> SyncState:
        """Return the family's sync state, read consistently."""
        row = self.table.get({"PK": "state", "SK": self.partition(family)})
        return SyncState() if row is None else _state_from_row(row)

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
        return {Family(str(row["SK"]).rpartition("/")[2]): _state_from_row(row) for row in rows}

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
        return following if self.table.put_next(row, state.version) else None

    def _rows(self, family: Family, jobs: dict[str, Job]) -> dict[str, Row]:
        """Return the rows of jobs. A job whose row cannot be read is taken out of `jobs`: it stays as it is."""
        keys = [{"PK": self.partition(family), "SK": key} for key in jobs]
        found = list(self.table.batch_get(keys))
        rows = {str(row["SK"]): row for row in readable(found, checked)}
        for row in found:
            if row["SK"] not in rows:
                del jobs[str(row["SK"])]
        return rows

    def _settled(
        self, family: Family, batch: Sequence[Job], rows: Mapping[str, Row]
    ) -> tuple[list[Check], str | None]:
        """Return the check that a batch with new jobs is written with, and the time after which it is stamped.

        The state must still be the one that was read. So a new job is never written behind a `settled_at`
        that a reader has seen, however long its write takes.
        """
        if all(job.sort_key in rows for job in batch):
            return [], None
        state = self.state(family)
        key = {"PK": "state", "SK": self.partition(family)}
        if not state.version:
            return [Check(key, "attribute_not_exists(PK)")], None
        known = [Check(key, "Version = :read", {":read": state.version})]
        in_reach = (state.settled_at or "") < rfc3339(self._now() + _CLOCK_SKEW)
        return known, state.settled_at if in_reach else None

    def _puts(
        self,
        job: Job,
        rows: Mapping[str, Row],
        listed_at: str,
        announce_new: bool,
        floor: str | None,
    ) -> Iterator[Put]:
        """Yield the job's row and, when its status changed, its change log row."""
        row = rows.get(job.sort_key)
        scope = self.partition(job.family)
        observed_at = self._after(text_of(row, "ObservedAt") if row else floor)
        moved = row is None or row.get("JobStatus") != job.status
        written = job_row(scope, job, row, listed_at, observed_at if moved else None)
        if row is None:
            yield Put(written, "attribute_not_exists(PK)")
        else:
            yield Put(written, "Version = :read", {":read": row["Version"]})
        if moved and (row is not None or announce_new):
            yield Put(change_row(scope, job, row, observed_at), "attribute_not_exists(PK)")

    def _after(self, last: str | None) -> str:
        """Return the time of this observation: now, but always later than `last`."""
        now = rfc3339(self._now())
        if last is not None and now <= last:
            return rfc3339(parse(last) + timedelta(milliseconds=1))
        return now


def _state_from_row(row: Row) -> SyncState:
    return msgspec.json.decode(str(row["Sync"]), type=SyncState)
