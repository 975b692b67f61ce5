"""Finds the jobs that the service deletes soon: by hour in the counters, then in the rows of few hours.

No index has expiration times. The day rows of the counters say in which hours the jobs of each submit hour
expire. Jobs of whole hours are counted there; the first and the last hour are read from the job rows.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from jobledger.jobs import Family
from jobledger.ledger.counters import CounterRow, days
from jobledger.ledger.job_facts import (
    NO_STATUS,
    PROJECTION,
    JobFacts,
    expires_between,
    facts_of_row,
)
from jobledger.ledger.totals import parts_of
from jobledger.ledger.writing import Ledger

_DAY, _HOUR = len("2027-03-23"), len("2027-03-23T08")
# Reading so many rows takes no longer than another request.
_FEW_JOBS = 200
_LAST = "~"


class Expirations:
    """The jobs of some families that expire after `at` and no later than `soon`, as the counters know them.

    With `statuses`, only jobs with one of these. Add every day row, and the month row of every month whose days
    are not added.
    """

    def __init__(
        self, families: Collection[Family], at: str, soon: str, statuses: Collection[str] = ()
    ) -> None:
        self._families = families
        self._at, self._soon = at, soon
        self._statuses = frozenset(statuses)
        self._months: set[str] = set()
        # By expiration hour, family and submit hour.
        self._hours: Counter[tuple[str, Family, str]] = Counter()
        # The jobs of each submit hour, whenever they expire.
        self._submitted: dict[Family, Counter[str]] = defaultdict(Counter)

    def add_month(self, row: CounterRow) -> None:
        """Remember a month whose jobs can expire soon."""
        first, last = self._at[:_DAY], self._soon[:_DAY]
        parts = map(parts_of, row.counts)
        if any(kind == "E" and first <= day <= last for kind, day, _ in parts):
            self._months.add(row.period)

    def add_day(self, row: CounterRow) -> None:
        """Add the expirations of the jobs of one day."""
        for name, number in row.counts.items():
            kind, hour, rest = parts_of(name)
            if kind == "Hour":
                self._submitted[row.family][f"{row.period}T{hour}"] += number
            elif kind == "E" and self._at[:_HOUR] <= hour <= self._soon[:_HOUR]:
                submitted, _, status = rest.partition("#")
                if not self._statuses or status in self._statuses:
                    self._hours[hour, row.family, f"{row.period}T{submitted}"] += number

    def read(self, ledger: Ledger, first: int = 0) -> tuple[int, list[JobFacts]]:
        """Return the number of jobs, and some of them, among which are the `first` to expire."""
        for month in sorted(self._months):
            for row in days(ledger.table, ledger.scope, f"{month}-01", f"{month}-31"):
                if row.family in self._families:
                    self.add_day(row)
        edges = {self._at[:_HOUR], self._soon[:_HOUR]}
        wanted, total = set(edges), 0
        for (hour, _, _), number in sorted(self._hours.items()):
            if hour not in edges:
                if total < first:
                    wanted.add(hour)
                total += number
        jobs = [
            job for job in self._jobs(ledger, wanted) if expires_between(job, self._at, self._soon)
        ]
        return total + sum(_hour(job) in edges for job in jobs), jobs

    def _jobs(self, ledger: Ledger, hours: Collection[str]) -> Iterator[JobFacts]:
        """Yield the jobs that expire in these hours."""
        for family in self._families:
            submitted = {key[2] for key in self._hours if key[0] in hours and key[1] is family}
            for first, last in _stretches(submitted, self._submitted[family]):
                for job in _submitted_between(ledger, family, first, last):
                    if _hour(job) in hours and self._selects(job):
                        yield job

    def _selects(self, job: JobFacts) -> bool:
        return not self._statuses or (job.status or NO_STATUS) in self._statuses


def _hour(job: JobFacts) -> str:
    return (job.expiration_time or "")[:_HOUR]


def _stretches(wanted: Collection[str], jobs: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the first and last submit hour of each range to read, so that all wanted hours are in one.

    `jobs` are the jobs of each hour in the months of the wanted hours. A range includes hours that are not
    wanted when they have few jobs.
    """
    first = last = None
    between = 0
    for hour in sorted(jobs):
        if hour not in wanted:
            between += jobs[hour]
            continue
        if first is not None and last is not None and (between > _FEW_JOBS or _apart(last, hour)):
            yield first, last
            first = None
        first, last, between = first or hour, hour, 0
    if first is not None and last is not None:
        yield first, last


def _apart(hour: str, later: str) -> bool:
    """Whether a whole month lies between two hours: its jobs may not be known."""
    (year, month), (other_year, other_month) = (
        (int(text[:4]), int(text[5:7])) for text in (hour, later)
    )
    return (other_year - year) * 12 + other_month - month > 1


def _submitted_between(
    ledger: Ledger, family: Family, first_hour: str, last_hour: str
) -> Iterator[JobFacts]:
    rows = ledger.table.query_all(
        KeyConditionExpression="PK = :jobs AND SK BETWEEN :low AND :high",
        ExpressionAttributeValues={
            ":jobs": {"S": ledger.partition(family)},
            ":low": {"S": first_hour},
            ":high": {"S": f"{last_hour}{_LAST}"},
        },
        ProjectionExpression=PROJECTION,
    )
    return (facts_of_row(family, row) for row in rows)
