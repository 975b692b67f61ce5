"""Counts job rows that no counter includes yet, and verifies the counters against the job rows.

It runs beside writers of the same rows, as often as it likes. A row is counted in the transaction that marks
it. A counter row is replaced only on the condition that it is the version that was read before the job rows
were: each transaction that changes what is counted changes that version. An active job without an active row,
which only an older version wrote, gets one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from jobledger.errors import LedgerUnavailable
from jobledger.ledger.active import ActiveJob
from jobledger.ledger.counters import (
    Changes,
    all_key,
    counted_for,
    counted_together,
    counts_of,
    day_key,
    expiration_key,
    month_key,
    months,
    write_counted,
)
from jobledger.ledger.counts import LAYOUT, counts_of_job, expiration_of, month_of, submit_day
from jobledger.ledger.job_facts import OTHER_STATUS, facts_of_row, is_active
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import is_counted, status_of
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import WRITE_ATTEMPTS, Key, Put, Row, pause, version_of
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.repair import (
    LAST,
    Recounted,
    counted_jobs,
    days_of,
    expirations_of,
    job_rows,
    repair,
    stored_days,
    stored_expirations,
    sum_of_days,
    sum_of_jobs,
    sum_of_months,
    total_of,
)

# With as many expiration days and some of a month's days, no more than the 100 rows of a transaction.
_ROWS_A_TRANSACTION = 33
# The row of a member's job changes four counter rows more, which no other of the transaction need change.
_ROWS_OF_MEMBERS_A_TRANSACTION = 14


class _Counts(msgspec.Struct, frozen=True):
    """The counts of a month's jobs by submit day and by expiration day."""

    days: dict[str, Recounted] = msgspec.field(default_factory=lambda: defaultdict(Counter))
    expirations: dict[str, Recounted] = msgspec.field(default_factory=lambda: defaultdict(Counter))


class _Month(msgspec.Struct, frozen=True):
    """The counts of a month's jobs: of all, with the key None, and of each member's; and its active jobs by source."""

    counts: dict[str | None, _Counts] = msgspec.field(default_factory=lambda: defaultdict(_Counts))
    active: dict[str | None, list[ActiveJob]] = msgspec.field(
        default_factory=lambda: defaultdict(list)
    )


def recount(
    ledger: Ledger,
    family: Family,
    state: SyncState,
    now: Callable[[], datetime],
    check_deadline: Callable[[], None],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Recount a family, of all sources, from where the state of the source says, if that is due.

    One source does it, the keeper; for the others this returns at once. Yields after each month, and at the end, how
    many counter rows were repaired and what changes in the state.
    """
    if ledger.source != ledger.keeper or (state.counters_complete and state.recounted is None):
        return
    # The fill of the own source leaves its jobs uncounted; no other need be complete.
    if not state.filled and not ledger.member:
        return
    members = {*ledger.states().by_source, *ledger.sources} - {ledger.scope}
    # Rows that are counted for the first time are not repaired.
    verifies = state.counters_complete
    for month in months_to_recount(ledger, family, state.recounted or ""):
        check_deadline()
        today = submit_day(rfc3339(now()))
        repaired = recount_month(
            ledger, family, month, today, check_deadline, members, verifies=verifies
        )
        yield repaired if verifies else 0, {"recounted": month}
    repaired = recount_all(ledger, family, verifies=verifies)
    repaired += sum(recount_all(ledger, family, source) for source in sorted(members))
    yield repaired if verifies else 0, {"recounted": None, "counted": LAYOUT}


def months_to_recount(ledger: Ledger, family: Family, after: str) -> Iterator[str]:
    """Yield the months after a month, oldest first, that have job rows or a counter row."""
    rows = months(ledger.table, ledger.scope, after)
    counted = {row.period for row in rows if row.family == family}
    while True:
        answer = ledger.table.query(
            **job_rows(ledger, family, f"{after}{LAST}" if after else "0", LAST), Limit=1
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
    members: Iterable[str] = (),
    *,
    verifies: bool = True,
) -> int:
    """Count what is not counted, and replace counter rows that differ; return how many were replaced.

    Without `verifies`, after a first fill, the counter rows of the ledger are compared with the counted rows, which are read
    after them: a job that the counters lack, and one that was added to them after the job rows were read, would otherwise
    look like the same job. Rows of expiration
    days before `today` are not compared: nothing reads them any more. `members` are those that may have counters, beside
    those that have jobs in this month. Raises LedgerUnavailable, and what `check_deadline` raises before each member and
    each row that differs; what was written before remains, complete. Without `verifies`, WalkOvertaken when others keep
    changing a row.
    """
    recounted = _count(ledger, family, month)
    for source, jobs in recounted.active.items():
        ledger.of(source or ledger.scope).follow(family, jobs)
    compare = partial(_compare, ledger, family, month, today, check_deadline)
    repaired = compare(recounted.counts[None], None, verifies=verifies)
    found = set(filter(None, recounted.counts))
    counted = _month_rows(ledger, family, month, found.union(members))
    for source in sorted(found | counted.keys()):
        check_deadline()
        whole = counted.get(source, Counter())
        repaired += compare(recounted.counts[source], source, whole=whole)
    return repaired


def recount_all(
    ledger: Ledger, family: Family, source: str | None = None, *, verifies: bool = True
) -> int:
    """Replace the counter row of all jobs if it is not the sum of the months; return 1 if it was replaced."""
    key = all_key(ledger.scope, family, source)
    sum_again = partial(sum_of_months, ledger, family, source)
    return repair(ledger, key, sum_again, verifies=verifies)


def _month_rows(
    ledger: Ledger, family: Family, month: str, members: Iterable[str]
) -> dict[str, Recounted]:
    """Return the counts of a month of those members that have any."""
    keys = {member: month_key(ledger.scope, family, month, member) for member in members}
    rows = {row["PK"]: counts_of(row) for row in ledger.table.batch_get([*keys.values()])}
    return {member: counts for member, key in keys.items() if (counts := rows.get(key["PK"]))}


def _count(ledger: Ledger, family: Family, month: str) -> _Month:
    """Count the uncounted rows of a month; return the counts of all its rows."""
    recounted = _Month()
    uncounted: dict[int, list[Key]] = defaultdict(list)
    rows = ledger.table.query_all(**job_rows(ledger, family, month, f"{month}{LAST}"))
    for row, job in readable(rows, lambda row: (row, facts_of_row(family, row))):
        day, counts, expiration = submit_day(str(row["SK"])), counts_of_job(job), expiration_of(job)
        for source in counted_for(job.source):
            recounted.counts[source].days[day].update(counts)
            if expiration:
                period, name = expiration
                recounted.counts[source].expirations[period][name] += 1
        if is_active(job):
            recounted.active[job.source].append(ActiveJob(job.job_id, str(row["SK"])))
        if not is_counted(row):
            most = _ROWS_OF_MEMBERS_A_TRANSACTION if job.source else _ROWS_A_TRANSACTION
            uncounted[most].append({"PK": str(row["PK"]), "SK": str(row["SK"])})
            if len(uncounted[most]) == most:
                _count_rows(ledger, family, uncounted.pop(most))
    for keys in uncounted.values():
        _count_rows(ledger, family, keys)
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
    return write_counted(ledger.table, [*puts, *changes.increments()])


def _compare(
    ledger: Ledger,
    family: Family,
    month: str,
    today: str,
    check_deadline: Callable[[], None],
    recounted: _Counts,
    source: str | None,
    *,
    verifies: bool = True,
    whole: Recounted | None = None,
) -> int:
    """Replace the rows of a month that differ from what was counted; return how many were replaced.

    `whole` is the row of the month, if it was read.
    """
    keys = [day_key(ledger.scope, family, day, source) for day in days_of(month)]
    stored = stored_days(ledger, family, month, source)
    expiring = stored_expirations(ledger, family, month, today, source)
    if not verifies:
        recounted = _counted(ledger, family, month, source)
    mended = partial(repair, ledger, verifies=verifies)
    repaired = _repair_expirations(
        ledger, family, today, expiring, recounted.expirations, source, check_deadline, mended
    )
    for day, key in zip(days_of(month), keys, strict=True):
        # Writers change rows between the two reads: a difference is only the reason to look again.
        if stored.get(day, Counter()) != recounted.days[day]:
            check_deadline()
            repaired += mended(key, partial(sum_of_jobs, ledger, family, day, source))
    if whole is not None and whole == total_of(stored.values()):
        return repaired
    key = month_key(ledger.scope, family, month, source)
    return repaired + mended(key, partial(sum_of_days, ledger, keys))


def _counted(ledger: Ledger, family: Family, month: str, source: str | None) -> _Counts:
    """Return the counts of the counted rows of a month, read consistently."""
    counts = _Counts()
    for job in counted_jobs(ledger, family, month, source):
        counts.days[submit_day(job.sort_key)].update(counts_of_job(job))
        if expiration := expiration_of(job):
            period, name = expiration
            counts.expirations[period][name] += 1
    return counts


def _repair_expirations(
    ledger: Ledger,
    family: Family,
    today: str,
    stored: Mapping[str, Mapping[str, int]],
    recounted: Mapping[str, Recounted],
    source: str | None,
    check_deadline: Callable[[], None],
    mended: Callable[[Key, Callable[[], Recounted]], int],
) -> int:
    """Replace the counts of one submit month in the rows of expiration days, where they differ."""
    repaired = 0
    for period in sorted(stored.keys() | {period for period in recounted if period >= today}):
        if stored.get(period, {}) != recounted.get(period, {}):
            check_deadline()
            key = expiration_key(ledger.scope, family, period, source)
            again = partial(expirations_of, ledger, family, period, source)
            repaired += mended(key, again)
    return repaired
