"""What one listed job writes: its row and its change, its active row, and what it adds to the counters.

`recording` reads what the ledger has of the jobs and sends the writes. This module calls no AWS service.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property

import msgspec
from msgspec.structs import replace

from jobledger.jobs import Job
from jobledger.ledger.active import ActiveJob, Followed, active_delete, active_put
from jobledger.ledger.counters import Changes, counted_for
from jobledger.ledger.counts import expiration_period, month_of, submit_day
from jobledger.ledger.job_facts import MODELLED, facts_of_job, facts_of_row, is_active
from jobledger.ledger.output import ATTRIBUTE, output_of
from jobledger.ledger.rows import (
    change_row,
    ended_row,
    is_counted,
    job_row,
    listed_at_of,
    observed_at_of,
    status_of,
)
from jobledger.ledger.table import Check, Delete, Increment, Put, Row, text_of
from jobledger.service import Family
from jobledger.times import known, later_than


class RecordCall(msgspec.Struct, frozen=True):
    """What is the same for all jobs of one call of `record`.

    `scope` is `account/region/Family`, `listed_at` the time when the listing was requested. `unseen_since` is
    set in a first fill only: it announces no new jobs, but keeps those that ended since then. Without `counted`,
    the counters stay as they are.
    """

    family: Family
    scope: str
    listed_at: str
    unseen_since: str | None = None
    counted: bool = True


class Known(msgspec.Struct, frozen=True):
    """What the ledger has of a job: its row, and its active row.

    `others` are rows of the same job under other submit times.
    """

    row: Row | None = None
    others: tuple[Row, ...] = ()
    active: ActiveJob | None = None

    @classmethod
    def of(
        cls, family: Family, job_id: str, rows: Iterable[Row], followed: Followed | None
    ) -> "Known":
        """Return what these rows of one job say: the furthest is the job.

        Without `followed`, a job is followed when its row says that it is active.
        """
        given = followed.get(job_id) if followed else None

        def progress(row: Row) -> tuple[int, str, bool]:
            is_given = given is not None and given.sort_key == row["SK"]
            return int(row["Rank"]), listed_at_of(row), is_given

        ordered = sorted(rows, key=progress)
        row = ordered[-1] if ordered else None
        if followed is None and row and is_active(facts_of_row(family, row)):
            given = ActiveJob(job_id, str(row["SK"]))
        return cls(row, tuple(ordered[:-1]), given)


def supersedes(job: Job, listed_at: str, row: Row | None, now: datetime) -> bool:
    """Whether a listed job is newer than its row: a later status, or the same one listed later.

    A status only moves forward, and a final status does not change. `listed_at` is the time when the
    listing was requested. A row that a wrong clock dated after `now` is superseded as well.
    """
    if row is None:
        return True
    if job.json == row["Job"] and "ExpiredUpstream" not in row:
        return False
    if job.rank != row["Rank"]:
        return job.rank > int(row["Rank"])
    if job.ended and job.status != status_of(row):
        return False
    return listed_at > (known(listed_at_of(row), now) or "")


class JobWrite(msgspec.Struct, frozen=True, dict=True):
    """What a listed job changes; its row stays as it is unless the listing `replaces` it.

    `counted_as` is as in `JobFacts`.
    """

    job: Job
    known: Known
    replaces: bool
    counted_as: str | None = None

    @cached_property
    def key(self) -> str:
        """The sort key of the job row afterwards."""
        return (
            str(self.known.row["SK"]) if self.known.row and not self.replaces else self.job.sort_key
        )

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All rows of the job before."""
        return (self.known.row, *self.known.others) if self.known.row else ()

    @property
    def size(self) -> int:
        """The length of the JSON in the row afterwards."""
        output = text_of(self.known.row, ATTRIBUTE) if self.known.row else None
        return len(self.job.json) + len(output or "")

    @property
    def removed(self) -> list[Row]:
        """The rows of the job under other submit times. A job is one row."""
        return [row for row in self.rows if row["SK"] != self.key]

    @property
    def moves(self) -> bool:
        """Whether the job's status changes."""
        row = self.known.row
        return self.replaces and (row is None or status_of(row) != self.job.status)

    def is_announced(self, call: RecordCall) -> bool:
        """Whether the change log gets a row of it. In a first fill, new jobs get none."""
        return self.moves and (self.known.row is not None or call.unseen_since is None)

    def ended_unseen(self, call: RecordCall) -> bool:
        """Whether a first fill finds that the job has ended lately."""
        since, ended_at = call.unseen_since, self.job.end_time or ""
        return since is not None and ended_at >= since and self.known.row is None and self.job.ended

    def active_change(self, scope: str) -> Put | Delete | None:
        """Return what changes in the active rows."""
        row, followed = self.known.row, self.known.active
        was_active = row is not None and is_active(facts_of_row(self.job.family, row))
        is_active_now = not self.job.ended if self.replaces else was_active
        if is_active_now:
            following = ActiveJob(self.job.job_id, self.key)
            return None if followed == following else active_put(scope, following, followed)
        if row is not None and was_active:
            # Another sync may have followed it since this one has read the active jobs.
            followed = followed or ActiveJob(self.job.job_id, str(row["SK"]))
        return active_delete(scope, followed) if followed else None

    def actions(
        self, call: RecordCall, now: datetime, after: str | None
    ) -> Iterator[Put | Check | Delete]:
        """Yield the writes of the job row, of its change, and of the rows that it replaces.

        The ledger first sees a new job `now`, but later than `after`.
        """
        replaced = next((row for row in self.rows if row["SK"] == self.key), None)
        read = {":read": replaced["Version"]} if replaced else {}
        if self.replaces:
            row = self.known.row
            observed_at = later_than(observed_at_of(row) if row else after, now)
            written = self._row(call, observed_at)
            if replaced:
                yield Put(written, "Version = :read", read)
            else:
                yield Put(written, "attribute_not_exists(PK)")
            if self.is_announced(call):
                change = change_row(call.scope, self.job, row, observed_at)
                yield Put(change, "attribute_not_exists(PK)")
            elif self.ended_unseen(call):
                # A fill after an erasure writes the same row again.
                yield Put(ended_row(call.scope, self.job))
        else:
            yield Check({"PK": call.scope, "SK": self.key}, "Version = :read", read)
        for other in self.removed:
            key = {"PK": call.scope, "SK": str(other["SK"])}
            yield Delete(key, "Version = :read", {":read": other["Version"]})

    def _row(self, call: RecordCall, observed_at: str) -> Row:
        job = self.job
        new_status_at = observed_at if self.moves else None
        row = job_row(call.scope, job, self.known.row, call.listed_at, new_status_at)
        if self.counted_as:
            row["CountedAs"] = self.counted_as
        if not call.counted and job.status and job.status not in MODELLED:
            # How many of these are counted by name depends on the counters.
            del row["Counted"]
        return row

    def counters(self) -> set[str]:
        """Return the names of the counter rows that the job can change: `all`, its submit days and months, and the
        periods in which it expires and was to expire; for a member's job, those of the member as well.
        """
        days = {submit_day(str(row["SK"])) for row in self.rows} | {submit_day(self.key)}
        expiring = [(self.job.expiration_time, self.job.sort_key)]
        expiring += [
            (facts_of_row(self.job.family, row).expiration_time, str(row["SK"]))
            for row in self.rows
        ]
        expirations = {f"expires#{expiration_period(time, key)}" for time, key in expiring if time}
        periods = {"all"} | days | {month_of(day) for day in days} | expirations
        return {
            f"{source}{period}" for source in counted_for(self.job.source) for period in periods
        }


def plan(call: RecordCall, job: Job, known: Known, now: datetime) -> JobWrite | None:
    """Return what a listed job changes; None for nothing."""
    write = JobWrite(job, known, supersedes(job, call.listed_at, known.row, now))
    return write if write.replaces or write.removed or write.active_change(call.scope) else None


def increments_of(scope: str, family: Family, writes: Iterable[JobWrite]) -> list[Increment]:
    """Return what writes change in the counters."""
    changes = Changes(scope, family)
    for write in writes:
        if write.replaces:
            output = output_of(write.known.row) if write.known.row else None
            facts = replace(facts_of_job(write.job), counted_as=write.counted_as, output=output)
            changes.add(submit_day(write.key), facts)
        for row in write.rows if write.replaces else write.removed:
            if is_counted(row):
                changes.add(submit_day(str(row["SK"])), facts_of_row(family, row), -1)
    return changes.increments()
