"""The rows of the active jobs: one for each job that has not ended and that the service still knows.

| row    | PK             | SK      | carries |
|--------|----------------|---------|---------|
| active | `Scope#active` | `JobId`; of a member `~account/region#JobId` | the sort key of the job row; when the service first did not know the job |

A row is written and removed in the transaction that writes the job row. So a job has one row here at most,
whatever its submit time, and the rows of ended jobs are never read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import msgspec

from jobledger.errors import NotUnderstood
from jobledger.jobs import Job
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Delete, Key, Put, Row, Table, text_of
from jobledger.sources import TAG, job_id_of, source_of_key
from jobledger.times import is_time

# Rows of members begin with "~" and a digit; an id that does so gets a further "~".
_LIKE_MEMBER = re.compile(rf"{TAG}+[0-9]")
_BEFORE_MEMBERS, _AFTER_MEMBERS = f"{TAG}0", f"{TAG}:"

Followed = Mapping[str, "ActiveJob"]
"""Active jobs by their ids."""


class ActiveJob(msgspec.Struct, frozen=True):
    """One active job, and the sort key of its row.

    `unknown_at` is the time when Describe first said that there is no such job, if that was its last answer.
    """

    job_id: str
    sort_key: str
    unknown_at: str | None = None

    @property
    def source(self) -> str | None:
        """The source of the job, as in `sources`."""
        return source_of_key(self.sort_key)

    @property
    def submit_time(self) -> str:
        """The submit time of the job; empty when the service gives none."""
        return Job.submit_time_of(self.sort_key) or ""


def active_key(scope: str, job_id: str, source: str | None = None) -> Key:
    """Return the key of the row of an active job."""
    if source:
        return {"PK": f"{scope}#active", "SK": f"{_before(source)}{job_id}"}
    more = TAG if _LIKE_MEMBER.match(job_id) else ""
    return {"PK": f"{scope}#active", "SK": f"{more}{job_id}"}


def _before(source: str) -> str:
    return f"{TAG}{source}#"


def active_put(scope: str, job: ActiveJob, known: ActiveJob | None = None) -> Put:
    """Write an active job, on the condition that its row is that of `known`, or does not exist."""
    return Put(active_row(scope, job), _SAME_JOB, {":known": (known or job).sort_key})


def active_mark(scope: str, job: ActiveJob) -> Put:
    """Write an active job anew, on the condition that it is still followed."""
    return Put(active_row(scope, job), "JobKey = :known", {":known": job.sort_key})


def active_delete(scope: str, job: ActiveJob) -> Delete:
    """Remove an active job, on the condition that its row has this key, or does not exist."""
    return Delete(active_key(scope, job.job_id, job.source), _SAME_JOB, {":known": job.sort_key})


def read_active(table: Table, scope: str, *, consistent: bool = False) -> Iterator[Row]:
    """Yield the active rows of a family, of all sources. One query has about 5,000 of them."""
    return _read(table, scope, consistent=consistent)


def read_active_of(
    table: Table, scope: str, source: str | None, *, consistent: bool = False
) -> Iterator[Row]:
    """Yield the active rows of one source of a ledger with several; the own one takes two queries."""
    if source:
        member = " AND begins_with(SK, :at)"
        return _read(table, scope, member, _before(source), consistent=consistent)
    return chain(
        _read(table, scope, " AND SK <= :at", _BEFORE_MEMBERS, consistent=consistent),
        _read(table, scope, " AND SK >= :at", _AFTER_MEMBERS, consistent=consistent),
    )


def _read(
    table: Table, scope: str, condition: str = "", at: str = "", *, consistent: bool
) -> Iterator[Row]:
    values = {":active": {"S": f"{scope}#active"}} | ({":at": {"S": at}} if condition else {})
    return table.query_all(
        KeyConditionExpression=f"PK = :active{condition}",
        ExpressionAttributeValues=values,
        ConsistentRead=consistent,
    )


def read_followed(
    table: Table, scope: str, job_ids: Iterable[str], source: str | None = None
) -> dict[str, ActiveJob]:
    """Return the active ones among these jobs of one source, read consistently."""
    rows = table.batch_get([active_key(scope, job_id, source) for job_id in job_ids])
    return {job.job_id: job for job in readable(rows, active_from_row)}


# Two rows of one job would be two jobs: the row says which one it stands for.
_SAME_JOB = "attribute_not_exists(PK) OR JobKey = :known"


def active_row(scope: str, job: ActiveJob) -> Row:
    """Return the row of an active job."""
    row: Row = {**active_key(scope, job.job_id, job.source), "JobKey": job.sort_key}
    return row | ({"UnknownAt": job.unknown_at} if job.unknown_at else {})


def active_from_row(row: Row) -> ActiveJob:
    """Return the active job of its row. Raises NotUnderstood."""
    key, unknown_at = row.get("JobKey"), row.get("UnknownAt")
    if not isinstance(key, str) or not is_time(key.partition("#")[0]):
        raise NotUnderstood("the key of an active job")
    if source_of_key(key) != followed_source(row):
        raise NotUnderstood("the source of an active job")
    if job_id_of(key) != followed_id(row):
        raise NotUnderstood("the id of an active job")
    if unknown_at is not None and not is_time(str(unknown_at)):
        raise NotUnderstood("a time of an active job")
    return ActiveJob(followed_id(row), key, text_of(row, "UnknownAt"))


def followed_id(row: Row) -> str:
    """Return the JobId of an active row."""
    key, member = str(row["SK"]), followed_source(row)
    if member:
        return key.removeprefix(_before(member))
    return key.removeprefix(TAG) if _LIKE_MEMBER.match(key) else key


def followed_source(row: Row) -> str | None:
    """Return the source of the job of an active row, as in `sources`."""
    member, hash_, _ = str(row["SK"]).partition("#")
    return source_of_key(member) if hash_ and member.rfind(TAG) == 0 else None
