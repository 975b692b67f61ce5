"""The counter rows: each family's jobs altogether, by submit month, by submit day, and by expiration day.

| row        | PK                         | SK                            |
|------------|----------------------------|-------------------------------|
| all jobs   | `account/region#totals#3`  | `all#SNOMEDCT`                |
| day        | `account/region#totals#3`  | `day#2026-11-23#SNOMEDCT`     |
| expiration | `account/region#totals#3`  | `expires#2027-03-23~2026-11-23#SNOMEDCT`, with the submit day |
| month      | `account/region#totals#3`  | `month#2026-11#SNOMEDCT`      |

An attribute is a count with its name from `counts`; `Version` is the number of writes. The `3` is `counts.LAYOUT`.
These rows count the jobs of all sources. Each member (`sources`) has such rows as well, for its own jobs, under the
partition key `account/region#totals#3#account/region`, with its account and region at the end.
Rows change in the transaction that writes a job, by increments: these commute, so that concurrent writers
need no condition on them.

A row counts statuses outside the service's model by name, as long as the row of all jobs has at most 20 of them. Jobs with
any other are counted as `OTHER`, and their rows say so (`CountedAs`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from jobledger.errors import RowDamaged
from jobledger.ledger.counts import (
    LAYOUT,
    Counts,
    counts_of_job,
    expiration_of,
    is_count,
    month_of,
    without_hours,
)
from jobledger.ledger.job_facts import MODELLED, MOST_NAMED, NO_STATUS, OTHER_STATUS, JobFacts
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Action, Increment, Key, Row, Table, put_over
from jobledger.observability import logger
from jobledger.service import Family

# After all days and months of four digits, and after all families.
_LAST = "~"
_STATUS = "Jobs#"

_Of = tuple[str | None, str]
"""A source, and a day, month or expiration period."""


class CounterRow(msgspec.Struct, frozen=True):
    """Counts of one family, of the day or month that `period` names; empty for all jobs."""

    family: Family
    period: str
    counts: Counts


def partition(scope: str, source: str | None = None) -> str:
    """Return the partition key of the counter rows of a ledger: of all jobs, or of those of one member."""
    return f"{scope}#totals#{LAYOUT}{f'#{source}' if source else ''}"


def all_key(scope: str, family: Family, source: str | None = None) -> Key:
    """Return the key of the counter row of all jobs."""
    return {"PK": partition(scope, source), "SK": f"all#{family}"}


def day_key(scope: str, family: Family, day: str, source: str | None = None) -> Key:
    """Return the key of a submit day's counter row."""
    return {"PK": partition(scope, source), "SK": f"day#{day}#{family}"}


def expiration_key(scope: str, family: Family, period: str, source: str | None = None) -> Key:
    """Return the key of the counter row of an expiration period, as `counts.expiration_period` names it."""
    return {"PK": partition(scope, source), "SK": f"expires#{period}#{family}"}


def month_key(scope: str, family: Family, month: str, source: str | None = None) -> Key:
    """Return the key of a submit month's counter row."""
    return {"PK": partition(scope, source), "SK": f"month#{month}#{family}"}


def counts_of(row: Mapping[str, object] | None) -> Counter[str]:
    """Return the counts of a counter row, without zeros. A row that does not exist has none."""
    counts: Counter[str] = Counter()
    for name, number in (row or {}).items():
        if isinstance(number, int) and number and name != "Version":
            counts[name] = number
    return counts


def counted_for(source: str | None) -> tuple[str | None, ...]:
    """Return whose counter rows include the jobs of a source: None is the whole ledger."""
    return (None, source) if source else (None,)


def counted_together(
    table: Table, scope: str, family: Family, statuses: Iterable[str | None]
) -> Collection[str | None]:
    """Return those of some statuses that are counted as OTHER_STATUS. Only unmodelled ones cost a request."""
    asked = {status for status in statuses if status and status not in MODELLED}
    if not asked:
        return ()
    # A count that has become zero takes as much room.
    row = table.get(all_key(scope, family)) or {}
    counted = {name.removeprefix(_STATUS) for name in row if name.startswith(_STATUS)}
    named = counted - MODELLED - {NO_STATUS, OTHER_STATUS}
    return sorted(asked - counted)[max(MOST_NAMED - len(named), 0) :]


def write_counted(
    table: Table, actions: Sequence[Action], mended: Callable[[], object] = lambda: None
) -> bool:
    """Write jobs and their counters in one transaction; False when another writer was faster, or after `mended`.

    Nothing can be added to a damaged number: it is removed, and a recount brings back what it counted.
    """
    try:
        return table.transact(actions)
    except RowDamaged:
        keys = [action.key for action in actions if isinstance(action, Increment)]
        if not sum(_mend(table, row) for row in table.batch_get(keys)):
            raise
        mended()
        return False


def _mend(table: Table, row: Row) -> bool:
    """Remove what is no whole number from a counter row; return whether there was any."""
    sound: Row = {name: v for name, v in row.items() if name in ("PK", "SK") or type(v) is int}
    if sound == row:
        return False
    logger.error("counter row mended", extra={"sort_key": row["SK"]})
    table.put(put_over(row, sound))
    return True


class Changes:
    """What a transaction changes in one family's counters: in those of the ledger, and of the members whose jobs change."""

    def __init__(self, scope: str, family: Family) -> None:
        self._scope = scope
        self._family = family
        self._days: dict[_Of, Counter[str]] = defaultdict(Counter)
        self._expirations: dict[_Of, Counter[str]] = defaultdict(Counter)

    def add(self, day: str, job: JobFacts, number: int = 1) -> None:
        """Add a job to the counters; `number=-1` removes it."""
        counts, expiration = counts_of_job(job), expiration_of(job)
        for source in counted_for(job.source):
            changed = self._days[source, day]
            for name, amount in counts.items():
                changed[name] += amount * number
            if expiration:
                period, name = expiration
                self._expirations[source, period][name] += number

    def increments(self) -> list[Increment]:
        """Return one increment for each counter row that changes."""
        scope, family = self._scope, self._family
        months: dict[_Of, Counter[str]] = defaultdict(Counter)
        totals: dict[str | None, Counter[str]] = defaultdict(Counter)
        for (source, day), counts in self._days.items():
            added = without_hours(counts)
            months[source, month_of(day)].update(added)
            totals[source].update(added)
        changed = [(all_key(scope, family, source), n) for source, n in totals.items()]
        for key_of, counted in (
            (day_key, self._days),
            (month_key, months),
            (expiration_key, self._expirations),
        ):
            changed += [
                (key_of(scope, family, period, source), n)
                for (source, period), n in counted.items()
            ]
        return [
            Increment(key, {name: n for name, n in counts.items() if n} | {"Version": 1})
            for key, counts in changed
            if any(counts.values())
        ]


# Each of the following reads the rows of the whole ledger, or with `source` those of a member.


def all_jobs(table: Table, scope: str, *, source: str | None = None) -> Iterator[CounterRow]:
    """Yield the rows of all jobs, one for each family."""
    return _rows(table, partition(scope, source), "all#", f"all#{_LAST}")


def days(
    table: Table, scope: str, first: str, last: str, *, source: str | None = None
) -> Iterator[CounterRow]:
    """Yield the day rows of all families from one day to another, inclusive."""
    return _rows(table, partition(scope, source), f"day#{first}#", f"day#{last}#{_LAST}")


def chosen_days(
    table: Table, scope: str, family: Family, chosen: Iterable[str], *, source: str | None = None
) -> Iterator[CounterRow]:
    """Yield the rows of one family for some days, in no order."""
    keys = [day_key(scope, family, day, source) for day in chosen]
    return readable(table.batch_get_items(keys), _from_item)


def expirations(
    table: Table, scope: str, first: str, last: str = _LAST, *, source: str | None = None
) -> Iterator[CounterRow]:
    """Yield the rows of all families of one expiration day to another, inclusive."""
    low, high = f"expires#{first}#", f"expires#{last}{_LAST}{_LAST}"
    return _rows(table, partition(scope, source), low, high)


def months(
    table: Table,
    scope: str,
    first: str = "",
    last: str = _LAST,
    *,
    source: str | None = None,
    consistent: bool = False,
) -> Iterator[CounterRow]:
    """Yield the month rows of all families from one month to another, inclusive."""
    low, high = f"month#{first}", f"month#{last}#{_LAST}"
    return _rows(table, partition(scope, source), low, high, consistent=consistent)


def jobs_by_hour(
    table: Table, scope: str, family: Family, first_day: str, *, source: str | None = None
) -> Iterator[tuple[str, int]]:
    """Yield the hours in which a family's jobs were submitted, and their jobs; newest day first."""
    totals, low = partition(scope, source), f"day#{first_day}#"
    rows = _rows(table, totals, low, f"day#{_LAST}", newest_first=True)
    for row in rows:
        if row.family == family:
            hours = {name: n for name, n in row.counts.items() if name.startswith("Hour#")}
            for name, number in sorted(hours.items(), reverse=True):
                yield f"{row.period}T{name.removeprefix('Hour#')}", number


def _rows(
    table: Table,
    totals: str,
    low: str,
    high: str,
    *,
    newest_first: bool = False,
    consistent: bool = False,
) -> Iterator[CounterRow]:
    items = table.query_items(
        KeyConditionExpression="PK = :totals AND SK BETWEEN :low AND :high",
        ExpressionAttributeValues={
            ":totals": {"S": totals},
            ":low": {"S": low},
            ":high": {"S": high},
        },
        ScanIndexForward=not newest_first,
        ConsistentRead=consistent,
    )
    return readable(items, _from_item)


def _from_item(item: Mapping[str, Mapping[str, Any]]) -> CounterRow:
    """Read a row with some hundred numbers; anything else that a person has written into it is not a count."""
    counts = {
        name: int(value["N"])
        for name, value in item.items()
        if is_count(name) and value.get("N", "").lstrip("-").isdecimal()
    }
    period, _, family = item["SK"]["S"].partition("#")[2].rpartition("#")
    return CounterRow(Family(family), period, counts)
