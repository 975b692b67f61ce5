"""Finds the jobs that the service deletes soon, at the same cost whatever their number.

No index has expiration times: the counter rows of the expiration days count the jobs of each expiration hour by
the hour in which they were submitted. So "soon" is a number of whole hours, and the rows of its first
jobs are found by their submit hours.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from jobledger.jobs import Family
from jobledger.ledger.counters import expirations
from jobledger.ledger.job_facts import PROJECTION, JobFacts, facts_of_row
from jobledger.ledger.table import decode
from jobledger.ledger.totals import expiration_parts, submit_day
from jobledger.ledger.writing import Ledger

_HOUR = len("2027-03-23T08")
# Below the first and above the last day.
_FIRST, _LAST = "0", "~"


@dataclass(frozen=True, slots=True, order=True)
class Expiring:
    """The number of a family's jobs that expire in one hour and were submitted in another."""

    hour: str
    submitted: str
    family: Family
    number: int


def read_expiring(
    ledger: Ledger,
    families: Collection[Family],
    start: str,
    end: str,
    *,
    statuses: Collection[str] = (),
    first_day: str | None = None,
    last_day: str | None = None,
) -> list[Expiring]:
    """Return the jobs that expire from one whole hour to another, exclusive, first to expire first.

    `first_day` and `last_day` are the days of their submission, inclusive; None means without limit.
    """
    found = []
    for row in expirations(ledger.table, ledger.scope, submit_day(start), submit_day(end)):
        if row.family not in families:
            continue
        for name, number in row.counts.items():
            hour, submitted, status = expiration_parts(name)
            hour = f"{row.period}T{hour}"
            if (
                number
                and start[:_HOUR] <= hour < end[:_HOUR]
                and (not statuses or status in statuses)
                and (first_day or _FIRST) <= submit_day(submitted) <= (last_day or _LAST)
            ):
                found.append(Expiring(hour, submitted, row.family, number))
    return sorted(found)


def first_to_expire(
    ledger: Ledger, found: Collection[Expiring], most: int
) -> Iterator[JobFacts]:
    """Yield up to `most` jobs of the first hours. Within an hour, those that were submitted first come first."""
    left = most
    for hour, submitted, family in dict.fromkeys((e.hour, e.submitted, e.family) for e in found):
        for job in _submitted_in(ledger, family, submitted, most):
            if not left:
                return
            if (job.expiration_time or "").startswith(hour):
                yield job
                left -= 1


def _submitted_in(ledger: Ledger, family: Family, hour: str, few: int) -> Iterator[JobFacts]:
    """Yield a family's jobs that were submitted in an hour; the first `few` in a request of their own."""
    query = {
        "KeyConditionExpression": "PK = :jobs AND SK BETWEEN :low AND :high",
        "ExpressionAttributeValues": {
            ":jobs": {"S": ledger.partition(family)},
            ":low": {"S": hour},
            ":high": {"S": f"{hour}{_LAST}"},
        },
        "ProjectionExpression": PROJECTION,
    }
    answer = ledger.table.query(**query, Limit=few)
    yield from (facts_of_row(family, decode(item)) for item in answer["Items"])
    if "LastEvaluatedKey" in answer:
        rows = ledger.table.query_all(**query, ExclusiveStartKey=answer["LastEvaluatedKey"])
        yield from (facts_of_row(family, row) for row in rows)
