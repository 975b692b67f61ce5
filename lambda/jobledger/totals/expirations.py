"""Finds the jobs that the service deletes soon, at the same cost whatever their number.

No index has expiration times: the counter rows of the expiration days count the jobs of each expiration hour by
the hour in which they were submitted. So "soon" is a number of whole hours, and the rows of its first
jobs are found by their submit hours.
"""

from collections.abc import Collection, Iterator
from functools import partial
from itertools import groupby
from typing import Any

from jobledger.ledger.counters import CounterRow, expirations
from jobledger.ledger.counts import Counts, expiration_parts, submit_day
from jobledger.ledger.job_facts import PROJECTION, JobFacts, facts_of_row
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Row, decode
from jobledger.service import Family

_DAY, _HOUR = len("2027-03-23"), slice(len("2027-03-23T"), len("2027-03-23T08"))
# Below the first and above the last day, and above every key that begins with the text before it.
_FIRST, _LAST = "0", "~"


def read_expiring(
    ledger: Ledger,
    families: Collection[Family],
    start: str,
    end: str,
    source: str | None = None,
) -> list[CounterRow]:
    """Return the counts of the jobs that expire from one whole hour to another, exclusive; by day.

    They are of all sources, or with `source` of a member.
    """
    rows = expirations(ledger.table, ledger.scope, start[:_DAY], end[:_DAY], source=source)
    return [
        CounterRow(row.family, row.period, _between(row, start, end))
        for row in rows
        if row.family in families
    ]


def count_expiring(
    rows: Collection[CounterRow],
    statuses: Collection[str] = (),
    first_day: str | None = None,
    last_day: str | None = None,
) -> int:
    """Return the number of these jobs, of some statuses (empty: all), and submitted within some days.

    Without a first or last day, there is no limit.
    """
    if not statuses and first_day is None and last_day is None:
        return sum(sum(row.counts.values()) for row in rows)
    total = 0
    for row in rows:
        for name, number in row.counts.items():
            _, submitted, status = expiration_parts(name)
            if (not statuses or status in statuses) and (
                (first_day or _FIRST) <= submit_day(submitted) <= (last_day or _LAST)
            ):
                total += number
    return total


def first_to_expire(
    ledger: Ledger, rows: Collection[CounterRow], most: int, source: str | None = None
) -> Iterator[JobFacts]:
    """Yield up to `most` jobs of the first hours, of all sources or of one, of which the rows must be, too.

    Within an hour, those that were submitted first come first.
    """
    member = None if source == ledger.scope else source
    submitted_jobs = {family: _Submitted(ledger, family, 2 * most, member) for family in Family}
    left = most
    for hour, submitted, family in dict.fromkeys(_in_order(rows)):
        for job in submitted_jobs[family].in_hour(submitted):
            if not left:
                return
            if (job.expiration_time or "").startswith(hour) and _is_of(job, source, member):
                yield job
                left -= 1


def _is_of(job: JobFacts, source: str | None, member: str | None) -> bool:
    return source is None or job.source == member


def _between(row: CounterRow, start: str, end: str) -> Counts:
    counts = row.counts
    if row.period[:_DAY] == start[:_DAY]:
        counts = {name: n for name, n in counts.items() if name[:2] >= start[_HOUR]}
    if row.period[:_DAY] == end[:_DAY]:
        counts = {name: n for name, n in counts.items() if name[:2] < end[_HOUR]}
    return counts


def _in_order(rows: Collection[CounterRow]) -> Iterator[tuple[str, str, Family]]:
    """Yield the expiration hours with the submit hours and families of their jobs, in the order of time."""
    for day, families in groupby(sorted(rows, key=_day_of), _day_of):
        names = sorted(
            (name, row.family) for row in families for name, n in row.counts.items() if n
        )
        for name, family in names:
            hour, submitted, _ = expiration_parts(name)
            yield f"{day}T{hour}", submitted, family


def _day_of(row: CounterRow) -> str:
    return row.period[:_DAY]


class _Submitted:
    """The jobs of a family by submit hour, read a few rows ahead.

    Where the service keeps all jobs for the same time, those that expire next were submitted next, so that one
    request finds them all.
    """

    def __init__(self, ledger: Ledger, family: Family, few: int, member: str | None) -> None:
        self._table = ledger.table
        self._partition = ledger.partition(family)
        self._member = f"{member}/{family}" if member else None
        self._family = family
        self._few = few
        # What was read: the rows from one key to another, inclusive.
        self._rows: list[Row] = []
        self._first, self._last = _LAST, ""

    def in_hour(self, hour: str) -> Iterator[JobFacts]:
        """Yield the jobs that were submitted in an hour, in the order of submission."""
        if not self._first <= hour <= self._last:
            self._read_from(hour)
        rows = [row for row in self._rows if str(row["SK"]).startswith(hour)]
        facts = partial(facts_of_row, self._family)
        yield from readable(rows, facts)
        if self._last < (end := f"{hour}{_LAST}"):
            start = {"PK": {"S": self._partition}, "SK": {"S": self._last}}
            if self._member:
                start["SourceKey"] = {"S": self._member}
            rest = self._table.query_all(**self._query(hour, end), ExclusiveStartKey=start)
            yield from readable(rest, facts)

    def _read_from(self, hour: str) -> None:
        answer = self._table.query(**self._query(hour, _LAST), Limit=self._few)
        self._rows = [decode(item) for item in answer["Items"]]
        self._first = hour
        self._last = answer.get("LastEvaluatedKey", {"SK": {"S": _LAST}})["SK"]["S"]

    def _query(self, low: str, high: str) -> dict[str, Any]:
        key, index = "PK", {}
        if self._member:
            key, index = "SourceKey", {"IndexName": "BySource"}
        return index | {
            "KeyConditionExpression": f"{key} = :jobs AND SK BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":jobs": {"S": self._member or self._partition},
                ":low": {"S": low},
                ":high": {"S": high},
            },
            "ProjectionExpression": PROJECTION,
        }
