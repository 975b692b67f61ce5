"""Counts job rows that no counter includes yet, and verifies the counters against the job rows.

It runs beside writers of the same rows, as often as it likes. A row is counted in the transaction that marks
it. A counter row is replaced only on the condition that it is the version that was read before the job rows
were: each transaction that changes what is counted changes that version. An active job without an active row,
which only an older version wrote, gets one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from jobledger.errors import LedgerUnavailable
from jobledger.ledger.active import ActiveJob
from jobledger.ledger.counters import (
    Changes,
    all_key,
    counted_together,
    counts_of,
    day_key,
    expiration_key,
    expirations,
    month_key,
    months,
)
from jobledger.ledger.counts import (
    LAYOUT,
    counts_of_job,
    expiration_of,
    month_of,
    submit_day,
    without_hours,
)
from jobledger.ledger.job_facts import OTHER_STATUS, PROJECTION, JobFacts, facts_of_row, is_active
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import is_counted, status_of
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import WRITE_ATTEMPTS, Key, Put, Row, pause, version_of
from jobledger.service import Family
from jobledger.times import rfc3339

# With as many expiration days and some of a month's days, no more than the 100 rows of a transaction.
_ROWS_A_TRANSACTION = 33
_COUNTED_PROJECTION = f"PK, {PROJECTION}, Counted"
# Above every time and every key that begins with the text before it.
_LAST = "~"

Recounted = Counter[str]


class _Month(msgspec.Struct, frozen=True):
    """The counts of a month's jobs by submit day and by expiration day, and its active jobs."""

    days: dict[str, Recounted] = msgspec.field(default_factory=lambda: defaultdict(Counter))
    expirations: dict[str, Recounted] = msgspec.field(default_factory=lambda: defaultdict(Counter))
    active: list[ActiveJob] = []


def recount(
    ledger: Ledger,
    family: Family,
    state: SyncState,
    now: Callable[[], datetime],
    check_deadline: Callable[[], None],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Recount a family from where its state says, if that is due.

    Yields after each month, and at the end, how many counter rows were repaired and what changes in the state.
    """
    if not state.filled or (state.counters_complete and state.recounted is None):
        return
    # Rows that are counted for the first time are not repaired.
    verifies = state.counters_complete
    for month in months_to_recount(ledger, family, state.recounted or ""):
        check_deadline()
        today = submit_day(rfc3339(now()))
        repaired = recount_month(ledger, family, month, today, check_deadline, verifies=verifies)
        yield repaired if verifies else 0, {"recounted": month}
    repaired = recount_all(ledger, family)
    yield repaired if verifies else 0, {"recounted": None, "counted": LAYOUT}


def months_to_recount(ledger: Ledger, family: Family, after: str) -> Iterator[str]:
    """Yield the months after a month, oldest first, that have job rows or a counter row."""
    rows = months(ledger.table, ledger.scope, after)
    counted = {row.period for row in rows if row.family == family}
    while True:
        answer = ledger.table.query(
            **_job_rows(ledger, family, f"{after}{_LAST}" if after else "0", _LAST), Limit=1
        )
        found = {month_of(item["SK"]["S"]) for item in answer["Items"]}
        following = [month for month in counted | found if month > after]
        if not following:
            return
        after = min(following)
        yield after


def recount_month(
    ledger: Ledger,
    family: Family,
    month: str,
    today: str,
    check_deadline: Callable[[], None] = lambda: None,
    *,
    verifies: bool = True,
) -> int:
    """Count what is not counted, and replace counter rows that differ; return how many were replaced.

    Without `verifies`, after a first fill, every counter row is compared by itself: a job that the counters lack, and
    one that was added to them after the job rows were read, would look like the same job. Rows of expiration days before `today` are not compared: nothing reads them any more. Raises
    LedgerUnavailable, and what `check_deadline` raises before each row that differs; what was written before
    remains, complete.
    """
    recounted = _count(ledger, family, month)
    ledger.follow(family, recounted.active)
    repaired = _repair_expirations(
        ledger, family, month, today, recounted.expirations, check_deadline, verifies=verifies
    )
    days = [f"{month}-{number:02}" for number in range(1, 32)]
    keys = [day_key(ledger.scope, family, day) for day in days]
    stored = {str(row["SK"]): counts_of(row) for row in ledger.table.batch_get(keys)}
    for day, key in zip(days, keys, strict=True):
        # Writers change rows between the two reads: a difference is only the reason to look again.
        counted, jobs = stored.get(key["SK"], Counter()), recounted.days[day]
        if counted != jobs or (jobs and not verifies):
            check_deadline()
            repaired += _repair(ledger, key, partial(_sum_of_jobs, ledger, family, day))
    key = month_key(ledger.scope, family, month)
    return repaired + _repair(ledger, key, partial(_sum_of_days, ledger, keys))


def recount_all(ledger: Ledger, family: Family) -> int:
    """Replace the counter row of all jobs if it is not the sum of the months; return 1 if it was replaced."""
    key = all_key(ledger.scope, family)
    return _repair(ledger, key, partial(_sum_of_months, ledger, family))


def _count(ledger: Ledger, family: Family, month: str) -> _Month:
    """Count the uncounted rows of a month; return the counts of all its rows."""
    recounted = _Month()
    uncounted: list[Key] = []
    rows = ledger.table.query_all(**_job_rows(ledger, family, month, f"{month}{_LAST}"))
    for row, job in readable(rows, lambda row: (row, facts_of_row(family, row))):
        recounted.days[submit_day(str(row["SK"]))].update(counts_of_job(job))
        if expiration := expiration_of(job):
            day, name = expiration
            recounted.expirations[day][name] += 1
        if is_active(job):
            recounted.active.append(ActiveJob(job.job_id, str(row["SK"])))
        if not is_counted(row):
            uncounted.append({"PK": str(row["PK"]), "SK": str(row["SK"])})
        if len(uncounted) == _ROWS_A_TRANSACTION:
            _count_rows(ledger, family, uncounted)
            uncounted = []
    _count_rows(ledger, family, uncounted)
    return recounted


def _count_rows(ledger: Ledger, family: Family, keys: Sequence[Key]) -> None:
    """Count some rows of one month that are not counted yet."""
    for attempt in range(WRITE_ATTEMPTS):
        pause(min(attempt, 1))
        rows = [row for row in ledger.table.batch_get(keys) if not is_counted(row)]
        # After a conflict, one by one, so that a contended row does not delay the others.
        batches = [rows] if attempt == 0 and rows else [[row] for row in rows]
        keys = [
            {"PK": str(row["PK"]), "SK": str(row["SK"])}
            for batch in batches
            if not _mark(ledger, family, batch)
            for row in batch
        ]
        if not keys:
            return
    raise LedgerUnavailable("other writers keep changing the rows")


def _mark(ledger: Ledger, family: Family, rows: Sequence[Row]) -> bool:
    changes = Changes(ledger.scope, family)
    puts = []
    statuses = [status_of(row) for row in rows]
    together = counted_together(ledger.table, ledger.scope, family, statuses)
    for row, status in zip(rows, statuses, strict=True):
        version = version_of(row)
        marked: Row = row | {"Counted": LAYOUT, "Version": version + 1}
        if status in together:
            marked["CountedAs"] = OTHER_STATUS
        puts.append(Put(marked, "Version = :read", {":read": version}))
        changes.add(submit_day(str(row["SK"])), facts_of_row(family, marked))
    return ledger.table.transact([*puts, *changes.increments()])


def _repair_expirations(
    ledger: Ledger,
    family: Family,
    month: str,
    today: str,
    recounted: dict[str, Recounted],
    check_deadline: Callable[[], None],
    *,
    verifies: bool,
) -> int:
    """Replace the counts of one submit month in the rows of expiration days, where they differ."""
    rows = expirations(ledger.table, ledger.scope, today)
    stored = {
        row.period: {name: number for name, number in row.counts.items() if number}
        for row in rows
        if row.family is family and month_of(_submitted(row.period)) == month
    }
    repaired = 0
    for period in sorted(stored.keys() | {period for period in recounted if period >= today}):
        if not verifies or stored.get(period, {}) != recounted.get(period, {}):
            check_deadline()
            key = expiration_key(ledger.scope, family, period)
            repaired += _repair(ledger, key, partial(_expirations_of, ledger, family, period))
    return repaired


def _submitted(period: str) -> str:
    """Return the submit day of an expiration period."""
    return period.partition("~")[2]


def _repair(ledger: Ledger, key: Key, recount: Callable[[], Recounted]) -> int:
    """Replace a counter row that differs from a recount; return 1 if it was replaced, otherwise 0."""
    last = None
    for attempt in range(WRITE_ATTEMPTS):
        pause(min(attempt, 1))
        row = ledger.table.get(key)
        version = version_of(row)
        stored = counts_of(row)
        recounted = recount()
        if recounted == stored:
            return 0
        # A Query can see a transaction in part: the job rows may be older than the counter row that was read
        # before them. So a difference must be found twice.
        if (version, recounted) == last and ledger.table.put_next(
            {**key, **recounted, "Version": version + 1}, version
        ):
            return 1
        last = version, recounted
    return 0  # too busy to compare: the next recount will


def _sum_of_jobs(ledger: Ledger, family: Family, day: str) -> Recounted:
    total: Recounted = Counter()
    for job in _counted_jobs(ledger, family, day):
        total.update(counts_of_job(job))
    return total


def _expirations_of(ledger: Ledger, family: Family, period: str) -> Recounted:
    found = map(expiration_of, _counted_jobs(ledger, family, _submitted(period)))
    return Counter(name for expires, name in filter(None, found) if expires == period)


def _sum_of_days(ledger: Ledger, keys: Sequence[Key]) -> Recounted:
    total: Recounted = Counter()
    for row in ledger.table.batch_get(keys):
        total.update(without_hours(counts_of(row)))
    return +total


def _sum_of_months(ledger: Ledger, family: Family) -> Recounted:
    total: Recounted = Counter()
    for row in months(ledger.table, ledger.scope, consistent=True):
        if row.family is family:
            total.update(row.counts)
    return +total


def _counted_jobs(ledger: Ledger, family: Family, period: str) -> Iterator[JobFacts]:
    """Yield the counted jobs of a day or month, read consistently."""
    query = _job_rows(ledger, family, period, f"{period}{_LAST}") | {"ConsistentRead": True}
    rows = filter(is_counted, ledger.table.query_all(**query))
    return readable(rows, partial(facts_of_row, family))


def _job_rows(ledger: Ledger, family: Family, low: str, high: str) -> dict[str, object]:
    return {
        "KeyConditionExpression": "PK = :jobs AND SK BETWEEN :low AND :high",
        "ExpressionAttributeValues": {
            ":jobs": {"S": ledger.partition(family)},
            ":low": {"S": low},
            ":high": {"S": high},
        },
        "ProjectionExpression": _COUNTED_PROJECTION,
    }
