"""Decides what a listing changes in the ledger, and divides it into transactions. No AWS calls."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property

import msgspec
from msgspec.structs import replace

from jobledger.jobs import Job
from jobledger.ledger.active import ActiveJob, Followed, active_delete, active_put
from jobledger.ledger.counters import Changes
from jobledger.ledger.counts import expiration_period, month_of, submit_day
from jobledger.ledger.job_facts import facts_of_job, facts_of_row, is_active
from jobledger.ledger.output import output_of
from jobledger.ledger.rows import is_counted, listed_at_of, status_of, supersedes
from jobledger.ledger.table import TRANSACTION_LIMIT, Delete, Increment, Put, Row
from jobledger.service import Family

# Each job changes at most five counts of a row: 250 names are below the 4 KB of an expression (see table).
_JOBS_A_TRANSACTION = 50
# A fifth of what DynamoDB writes in a second under one partition key: a larger transaction might never succeed.
_BYTES_A_TRANSACTION = 100_000


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
    def replaced(self) -> Row | None:
        """The row with the key of the job, before."""
        return next((row for row in self.rows if row["SK"] == self.key), None)

    @property
    def removed(self) -> list[Row]:
        """The rows of the job under other submit times. A job is one row."""
        return [row for row in self.rows if row["SK"] != self.key]

    @property
    def moves(self) -> bool:
        """Whether the job's status changes."""
        row = self.known.row
        return self.replaces and (row is None or status_of(row) != self.job.status)

    def is_announced(self, unseen_since: str | None) -> bool:
        """Whether the change log has a row of it. In a first fill, new jobs have none (`unseen_since`)."""
        return self.moves and (self.known.row is not None or unseen_since is None)

    def ended_unseen(self, since: str | None) -> bool:
        """Whether a first fill finds the job ended, not before `since`."""
        ended_at = self.job.end_time or ""
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

    def periods(self) -> set[str]:
        """Return the submit days and months of the job, and the periods in which it expires and was to expire."""
        days = {submit_day(str(row["SK"])) for row in self.rows} | {submit_day(self.key)}
        expiring = [(self.job.expiration_time, self.job.sort_key)]
        expiring += [
            (facts_of_row(self.job.family, row).expiration_time, str(row["SK"]))
            for row in self.rows
        ]
        expirations = {f"expires#{expiration_period(time, key)}" for time, key in expiring if time}
        return days | {month_of(day) for day in days} | expirations


def plan(scope: str, job: Job, listed_at: str, known: Known, now: datetime) -> JobWrite | None:
    """Return what a listed job changes; None for nothing. `listed_at` and `now` as in `supersedes`."""
    write = JobWrite(job, known, supersedes(job, listed_at, known.row, now))
    return write if write.replaces or write.removed or write.active_change(scope) else None


def batches(
    scope: str,
    writes: Iterable[JobWrite],
    unseen_since: str | None,
    *,
    counted: bool,
    one_by_one: bool,
) -> Iterator[list[JobWrite]]:
    """Split writes into transactions, in the order of submission, so that few counter rows change in each.

    Each submit day, submit month and expiration day of a transaction is a counter row, all jobs are another
    one, and one row is left for a check. Without `counted`, no counter row changes.
    """
    batch: list[JobWrite] = []
    periods: set[str] = set()
    written, size = 2, 0
    most = _JOBS_A_TRANSACTION if counted else TRANSACTION_LIMIT
    for write in sorted(writes, key=lambda write: write.key):
        added = 1 + len(write.removed) + write.is_announced(unseen_since)
        added += write.ended_unseen(unseen_since)
        added += write.active_change(scope) is not None
        touched = write.periods() if counted else set()
        too_many = written + added + len(periods | touched) > TRANSACTION_LIMIT
        too_large = size + len(write.job.json) > _BYTES_A_TRANSACTION
        if batch and (one_by_one or len(batch) == most or too_many or too_large):
            yield batch
            batch, written, size, periods = [], 2, 0, set()
        batch.append(write)
        written += added
        size += len(write.job.json)
        periods |= touched
    if batch:
        yield batch


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
