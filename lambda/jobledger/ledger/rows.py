"""The rows of jobs and of their changes: how they are written, and how they are read."""

from collections.abc import Iterator

import msgspec

from jobledger.errors import NotUnderstood
from jobledger.jobs import Job
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.job_facts import facts_of_row
from jobledger.ledger.output import ATTRIBUTE
from jobledger.ledger.table import Row, Table, text_of
from jobledger.service import Family
from jobledger.sources import source_of_key, tagged
from jobledger.times import is_time

HISTORY_LIMIT = 100
"""The status changes that a job row keeps: the first one and the last ones. The change log has all."""


def rows_of(table: Table, scope: str, job_id: str) -> Iterator[Row]:
    """Yield the rows of a job, of any family, source and submit time, as its index has them."""
    return table.query_all(
        IndexName="ById",
        KeyConditionExpression="IdKey = :id",
        ExpressionAttributeValues={":id": {"S": f"{scope}#{job_id}"}},
    )


class Change(msgspec.Struct, frozen=True):
    """One status change in the change log. `previous` is None for a job seen for the first time.

    `source` is as in `sources`.
    """

    family: Family
    job_id: str
    status: str | None
    previous: str | None
    submit_time: str | None
    end_time: str | None
    observed_at: str
    source: str | None = None

    @property
    def sort_key(self) -> str:
        """The sort key of the job's row."""
        return Job.key_of(self.submit_time, self.job_id, self.source)


# The attribute of a change row for each field of a Change.
_CHANGE = {
    "family": "Family",
    "job_id": "JobId",
    "status": "JobStatus",
    "previous": "PreviousJobStatus",
    "submit_time": "SubmitTime",
    "end_time": "EndTime",
    "observed_at": "ObservedAt",
}


def is_counted(row: Row) -> bool:
    """Whether the counters of this layout include the job. A row of an older version does not say."""
    return row.get("Counted") == LAYOUT


def status_of(row: Row) -> str | None:
    """Return the status of a job row, from the key of the index by status."""
    return _after_scope(row, "StatusKey")


def name_of(row: Row) -> str | None:
    """Return the name of a job row, from the key of the index by name."""
    return _after_scope(row, "NameKey")


def _after_scope(row: Row, name: str) -> str | None:
    key = text_of(row, name)
    return key and key[len(str(row["PK"])) + 1 :]


def history_of(row: Row) -> list[tuple[str | None, str]]:
    """Return the statuses of a job row, with the times when the ledger first saw them; the oldest first.

    A row has them from the second one on. Older versions wrote objects, and the first one as well.
    """
    if "History" not in row:
        return [(status_of(row), str(row["FirstObservedAt"]))]
    seen = msgspec.json.decode(str(row["History"]), type=list[_Pair | _Seen])
    return [one if isinstance(one, tuple) else (one.JobStatus, one.ObservedAt) for one in seen]


def observed_at_of(row: Row) -> str:
    """Return the time when the ledger first saw the status of a job row."""
    return history_of(row)[-1][1]


def listed_at_of(row: Row) -> str:
    """Return the time when the listing that a job row shows was requested, or a later time.

    A row stores it only when it is later than the last change of its status.
    """
    return text_of(row, "ListedAt") or observed_at_of(row)


_Pair = tuple[str | None, str]


class _Seen(msgspec.Struct):
    ObservedAt: str
    JobStatus: str | None = None


def checked(row: Row) -> Row:
    """Return a job row, if a `JobWrite` can read it. Raises NotUnderstood."""
    try:
        msgspec.convert(row, _Written)
        history = history_of(row)
        times = [row["FirstObservedAt"], listed_at_of(row), *(time for _, time in history)]
    except (msgspec.DecodeError, IndexError, KeyError) as error:
        raise NotUnderstood("a job row") from error
    if not all(is_time(str(time)) for time in times):
        raise NotUnderstood("a time of a job row")
    facts_of_row(Family(str(row["PK"]).rpartition("/")[2]), row)
    return row


class _Written(msgspec.Struct):
    """The attributes that every version of ours writes in a job row."""

    Job: str
    Rank: int
    FirstObservedAt: str
    Version: int


def job_row(scope: str, job: Job, row: Row | None, listed_at: str, observed_at: str | None) -> Row:
    """Return the new row of a job. `row` is its current row, or None for a new job.

    `observed_at` is None when only properties changed and the status did not. The writer of the row counts
    the job in the same transaction.

    DynamoDB bills a row by the kilobyte, in the table and in each of four indexes: this one has what a key or a
    Query needs, and nothing else that the job's JSON says.
    """
    history = history_of(row) if row else []
    if observed_at is not None:
        history.append((job.status, observed_at))
        # Statuses of the service's model move forward; others can go back and forth.
        history = history[:1] + history[1:][1 - HISTORY_LIMIT :]
    optional: dict[str, str | None] = {
        "ListedAt": listed_at if listed_at > history[-1][1] else None,
        "History": msgspec.json.encode(history).decode() if history[1:] else None,
        "NameKey": job.name and f"{scope}#{job.name}",
        "StatusKey": job.status and f"{scope}#{job.status}",
        "NameStatusKey": job.name and job.status and f"{scope}#{job.status}#{job.name}",
        ATTRIBUTE: text_of(row, ATTRIBUTE) if row else None,
        # The key of an index that only a ledger with several sources has.
        "SourceKey": job.source and f"{job.source}/{job.family}",
    }
    row_now: Row = {
        "PK": scope,
        "SK": job.sort_key,
        "Job": job.json,
        "IdKey": f"{scope.rpartition('/')[0]}#{job.job_id}",
        "Rank": job.rank,
        "FirstObservedAt": str(row["FirstObservedAt"]) if row else str(observed_at),
        "Version": int(row["Version"]) + 1 if row else 1,
        "Counted": LAYOUT,
    }
    return row_now | {name: value for name, value in optional.items() if value}


def change_row(scope: str, job: Job, row: Row | None, observed_at: str) -> Row:
    """Return the change log row for a job with a new status, or for a new job."""
    optional: dict[str, str | None] = {
        "JobStatus": job.status,
        "PreviousJobStatus": status_of(row) if row else None,
        "SubmitTime": job.submit_time,
        "EndTime": job.end_time,
    }
    change: Row = {
        "PK": f"{scope}#changes",
        "SK": tagged(f"{observed_at}#{job.job_id}", job.source),
        "Family": job.family.value,
        "JobId": job.job_id,
        "ObservedAt": observed_at,
    }
    return change | {name: value for name, value in optional.items() if value}


def ended_key(scope: str) -> str:
    """Return the partition key of the jobs of an account and region that first fills found ended."""
    return f"{scope}#ended"


def ended_row(scope: str, job: Job) -> Row:
    """Return the row of a job that had ended when the ledger first saw it: a change at its EndTime."""
    ended_at = str(job.end_time)
    key: Row = {
        "PK": ended_key(scope.rpartition("/")[0]),
        "SK": tagged(f"{ended_at}#{job.job_id}#{job.family}", job.source),
    }
    return change_row("", job, None, ended_at) | key


def change_from_row(row: Row) -> Change:
    """Return the status change that a change log row holds. Raises NotUnderstood."""
    values = {name: row.get(at) for name, at in _CHANGE.items()}
    values["source"] = source_of_key(str(row.get("SK")))
    try:
        change = msgspec.convert(values, Change)
        msgspec.json.encode(change)  # refuses what is not Unicode
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise NotUnderstood("a row of the change log") from error
    times = (change.observed_at, change.submit_time, change.end_time)
    if not all(time is None or is_time(time) for time in times):
        raise NotUnderstood("a time of the change log")
    return change
