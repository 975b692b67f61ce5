"""Replaces counter rows that differ from what a recount of the job rows gives. `recount` says which are compared.

A `source` is a member whose rows are meant; None is the whole ledger.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from jobledger.errors import WalkOvertaken
from jobledger.ledger.counters import counted_for, counts_of, day_key, days, expirations, months
from jobledger.ledger.counts import counts_of_job, expiration_of, month_of, without_hours
from jobledger.ledger.job_facts import PROJECTION, JobFacts, facts_of_row
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import is_counted
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import WRITE_ATTEMPTS, Key, pause, put_over, version_of
from jobledger.service import Family

_COUNTED_PROJECTION = f"PK, {PROJECTION}, Counted"
LAST = "~"
"""Above every time and every key that begins with the text before it."""

Recounted = Counter[str]


def repair(
    ledger: Ledger, key: Key, recount: Callable[[], Recounted], *, verifies: bool = True
) -> int:
    """Replace a counter row that differs from a recount; return 1 if it was replaced, otherwise 0.

    A row that others keep changing is left to the next recount. Without `verifies`, as in `recount_month`, it raises
    WalkOvertaken: the counters are not complete without it.
    """
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
        # before them. So a difference must be found twice. Not for a row that does not exist, as after a first fill:
        # each transaction that has changed what is counted has made the row.
        sure = not version or (version, recounted) == last
        if sure and ledger.table.put(put_over(row, {**key, **recounted})):
            return 1
        last = version, recounted
    if not verifies:
        raise WalkOvertaken
    return 0


def stored_days(
    ledger: Ledger, family: Family, month: str, source: str | None
) -> dict[str, Recounted]:
    """Return the rows of the days of a month. Those of a member are small: a query of all families costs a third."""
    if source is None:
        keys = [day_key(ledger.scope, family, day) for day in days_of(month)]
        rows = ledger.table.batch_get(keys)
        return {str(row["SK"]).split("#")[1]: counts_of(row) for row in rows}
    first, *_, last = days_of(month)
    found = days(ledger.table, ledger.scope, first, last, source=source)
    return {row.period: counts_of(row.counts) for row in found if row.family is family}


def stored_expirations(
    ledger: Ledger, family: Family, month: str, today: str, source: str | None
) -> dict[str, dict[str, int]]:
    """Return the counts of one submit month in the rows of expiration days."""
    rows = expirations(ledger.table, ledger.scope, today, source=source)
    return {
        row.period: {name: number for name, number in row.counts.items() if number}
        for row in rows
        if row.family is family and month_of(submitted(row.period)) == month
    }


def days_of(month: str) -> list[str]:
    """Return the days that a month can have."""
    return [f"{month}-{number:02}" for number in range(1, 32)]


def sum_of_jobs(ledger: Ledger, family: Family, day: str, source: str | None = None) -> Recounted:
    """Return the counts of the counted jobs of a submit day."""
    total: Recounted = Counter()
    for job in counted_jobs(ledger, family, day, source):
        total.update(counts_of_job(job))
    return total


def expirations_of(
    ledger: Ledger, family: Family, period: str, source: str | None = None
) -> Recounted:
    """Return the counts of an expiration period."""
    found = map(expiration_of, counted_jobs(ledger, family, submitted(period), source))
    return Counter(name for expires, name in filter(None, found) if expires == period)


def sum_of_days(ledger: Ledger, keys: Sequence[Key]) -> Recounted:
    """Return the sum of day rows."""
    return total_of(map(counts_of, ledger.table.batch_get(keys)))


def total_of(days: Iterable[Recounted]) -> Recounted:
    """Return what the counts of some days add to those of their month."""
    total: Recounted = Counter()
    for counts in days:
        total.update(without_hours(counts))
    return +total


def sum_of_months(ledger: Ledger, family: Family, source: str | None = None) -> Recounted:
    """Return the sum of the month rows."""
    total: Recounted = Counter()
    for row in months(ledger.table, ledger.scope, source=source, consistent=True):
        if row.family is family:
            total.update(row.counts)
    return +total


def counted_jobs(
    ledger: Ledger, family: Family, period: str, source: str | None
) -> Iterator[JobFacts]:
    """Yield the counted jobs of a day or month, read consistently."""
    query = job_rows(ledger, family, period, f"{period}{LAST}") | {"ConsistentRead": True}
    rows = filter(is_counted, ledger.table.query_all(**query))
    jobs = readable(rows, partial(facts_of_row, family))
    return (job for job in jobs if source in counted_for(job.source))


def job_rows(ledger: Ledger, family: Family, low: str, high: str) -> dict[str, object]:
    """Return the Query of the job rows of all sources from one key to another, with what counts need."""
    return {
        "KeyConditionExpression": "PK = :jobs AND SK BETWEEN :low AND :high",
        "ExpressionAttributeValues": {
            ":jobs": {"S": ledger.partition(family)},
            ":low": {"S": low},
            ":high": {"S": high},
        },
        "ProjectionExpression": _COUNTED_PROJECTION,
    }


def submitted(period: str) -> str:
    """Return the submit day of an expiration period."""
    return period.partition("~")[2]
