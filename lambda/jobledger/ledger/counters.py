"""The counter rows: the counts of each family's jobs by submit day, and by submit month.

| row   | PK                         | SK                         |
|-------|----------------------------|----------------------------|
| day   | `account/region#totals#1`  | `day#2026-11-23#SNOMEDCT`  |
| month | `account/region#totals#1`  | `month#2026-11#SNOMEDCT`   |

An attribute is a count with its name from `totals`; `Version` is the number of writes. The `1` is `totals.LAYOUT`.
Rows change in the transaction that writes a job, by increments: these commute, so that concurrent writers
need no condition on them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from jobledger.jobs import Family, Job
from jobledger.ledger.job_facts import JobFacts, facts_of_job, facts_of_row
from jobledger.ledger.rows import is_counted
from jobledger.ledger.table import TRANSACTION_LIMIT, Increment, Key, Row, Table
from jobledger.ledger.totals import (
    LAYOUT,
    Counts,
    month_of,
    monthly,
    names_of,
    parts_of,
    submit_day,
)

# Each job changes at most five counts of a day: 250 names are below the 4 KB of an expression (see table).
_JOBS_A_TRANSACTION = 50
# After all days and months of four digits, and after all families.
_LAST = "~"


class CounterRow(msgspec.Struct, frozen=True):
    """The counts of one family in one day or month, which `period` names."""

    family: Family
    period: str
    counts: Counts


def partition(scope: str) -> str:
    """Return the partition key of the counter rows of an account and region."""
    return f"{scope}#totals#{LAYOUT}"


def day_key(scope: str, family: Family, day: str) -> Key:
    """Return the key of a day's counter row."""
    return {"PK": partition(scope), "SK": f"day#{day}#{family}"}


def month_key(scope: str, family: Family, month: str) -> Key:
    """Return the key of a month's counter row."""
    return {"PK": partition(scope), "SK": f"month#{month}#{family}"}


def counts_of(row: Mapping[str, object] | None) -> Counter[str]:
    """Return the counts of a counter row, without zeros. A row that does not exist has none."""
    counts: Counter[str] = Counter()
    for name, number in (row or {}).items():
        if isinstance(number, int) and number and name != "Version":
            counts[name] = number
    return counts


class Changes:
    """What a transaction changes in one family's counters."""

    def __init__(self, scope: str, family: Family) -> None:
        self._scope = scope
        self._family = family
        self._days: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, day: str, job: JobFacts, number: int = 1) -> None:
        """Count a job once more, or with -1 no more."""
        for name in names_of(job):
            self._days[day][name] += number

    def increments(self) -> list[Increment]:
        """Return one increment for each day and month whose counts change."""
        months: dict[str, Counter[str]] = defaultdict(Counter)
        for day, counts in self._days.items():
            months[month_of(day)].update(monthly(counts))
        changed = {
            **{("day", day): counts for day, counts in self._days.items()},
            **{("month", month): counts for month, counts in months.items()},
        }
        return [
            Increment(
                self._key(kind, period),
                {name: n for name, n in counts.items() if n} | {"Version": 1},
            )
            for (kind, period), counts in changed.items()
            if any(counts.values())
        ]

    def _key(self, kind: str, period: str) -> Key:
        key = day_key if kind == "day" else month_key
        return key(self._scope, self._family, period)


def batches(
    jobs: Iterable[Job], rows: Mapping[str, Row], *, announce_new: bool, one_by_one: bool
) -> Iterator[list[Job]]:
    """Split jobs into transactions, in the order of submission, so that few counter rows change in each.

    A job is one row, and its change another: without `announce_new`, only a job that has a row has a change.
    Each day and month of a transaction is a counter row, and one row is left for a check.
    """
    batch: list[Job] = []
    periods: set[str] = set()
    written = 0
    for job in sorted(jobs, key=lambda job: job.sort_key):
        added = 2 if announce_new or job.sort_key in rows else 1
        touched = {submit_day(job.sort_key), month_of(job.sort_key)}
        too_many = written + added + len(periods | touched) + 1 > TRANSACTION_LIMIT
        # Two jobs of one id have the same change row: a transaction must not write it twice.
        repeated = any(job.job_id == other.job_id for other in batch)
        if batch and (one_by_one or len(batch) == _JOBS_A_TRANSACTION or too_many or repeated):
            yield batch
            batch, written, periods = [], 0, set()
        batch.append(job)
        written += added
        periods |= touched
    if batch:
        yield batch


def increments_of(
    scope: str, family: Family, jobs: Iterable[Job], rows: Mapping[str, Row]
) -> list[Increment]:
    """Return what jobs, in the place of their rows, change in the counters."""
    changes = Changes(scope, family)
    for job in jobs:
        day, row = submit_day(job.sort_key), rows.get(job.sort_key)
        changes.add(day, facts_of_job(job))
        if row is not None and is_counted(row):
            changes.add(day, facts_of_row(family, row), -1)
    return changes.increments()


def days(table: Table, scope: str, first: str, last: str) -> Iterator[CounterRow]:
    """Yield the day rows of all families from one day to another, inclusive."""
    return _rows(table, scope, f"day#{first}#", f"day#{last}#{_LAST}")


def months(table: Table, scope: str, first: str = "", last: str = _LAST) -> Iterator[CounterRow]:
    """Yield the month rows of all families from one month to another, inclusive."""
    return _rows(table, scope, f"month#{first}", f"month#{last}#{_LAST}")


def jobs_by_hour(
    table: Table, scope: str, family: Family, first_day: str
) -> Iterator[tuple[str, int]]:
    """Yield the hours in which a family's jobs were submitted, and their jobs; newest day first."""
    rows = _rows(table, scope, f"day#{first_day}#", f"day#{_LAST}", newest_first=True)
    for row in rows:
        if row.family == family:
            for name, number in sorted(row.counts.items(), reverse=True):
                kind, hour, _ = parts_of(name)
                if kind == "Hour":
                    yield f"{row.period}T{hour}", number


def _rows(
    table: Table, scope: str, low: str, high: str, *, newest_first: bool = False
) -> Iterator[CounterRow]:
    rows = table.query_all(
        KeyConditionExpression="PK = :totals AND SK BETWEEN :low AND :high",
        ExpressionAttributeValues={
            ":totals": {"S": partition(scope)},
            ":low": {"S": low},
            ":high": {"S": high},
        },
        ScanIndexForward=not newest_first,
    )
    return map(_from_row, rows)


def _from_row(row: Row) -> CounterRow:
    period, _, family = str(row["SK"]).partition("#")[2].rpartition("#")
    return CounterRow(Family(family), period, counts_of(row))
