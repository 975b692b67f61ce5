"""Counts jobs for the board: by status, by day, and how long they took, in a bounded number of rows."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from math import log2

import msgspec

from jobledger.errors import TooMuchToSummarise
from jobledger.ledger.counts import nearest_rank
from jobledger.ledger.job_facts import NO_STATUS, JobFacts, duration_of, has_ended
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family
from jobledger.totals.rules import LONG_RUNNING_PERCENTILE
from jobledger.totals.scan import read_facts
from jobledger.totals.summary import every_status

# One page counts at most this many rows of jobs. With more, it says that it does not count.
_MOST_COUNTED = 100_000
# Durations are counted in half octaves from 16 seconds to 18 hours.
_FIRST_BIN, _BINS = 8, 24


class FamilyDurations(msgspec.Struct, frozen=True):
    """How long the finished jobs of a family took, in seconds.

    `bins` are the number of jobs by duration: each has its lower bound and the jobs below the next bound.
    """

    total: int
    bins: tuple[tuple[float, int], ...]
    p50: float | None
    p95: float | None
    longest: float | None


class Day(msgspec.Struct, frozen=True):
    """The jobs that were submitted on one day (UTC), by status."""

    date: str
    statuses: dict[str, int]


class Counts(msgspec.Struct, frozen=True):
    """Counts of the jobs that were submitted in the time of an overview."""

    by_status: dict[str, int]
    days: tuple[Day, ...]
    durations: dict[Family, FamilyDurations]


def read_counts(
    ledger: Ledger, query: JobQuery, dates: Iterable[str], check_time: Callable[[], None]
) -> Counts | None:
    """Return the counts of the jobs that match, also by day of `dates`; None when there are too many.

    `check_time` runs after each request and raises TooMuchToSummarise when time runs out. Raises LedgerUnavailable.
    """
    statuses: Counter[str] = Counter()
    days: dict[str, Counter[str]] = {date: Counter() for date in dates}
    durations = {family: array("d") for family in query.families}
    try:
        for number, job in enumerate(read_facts(ledger, query, check_time)):
            if number == _MOST_COUNTED:
                return None
            status = job.status or NO_STATUS
            statuses[status] += 1
            if (day := (job.submit_time or "")[:10]) in days:
                days[day][status] += 1
            if (seconds := _duration(job)) is not None:
                durations[job.family].append(seconds)
    except TooMuchToSummarise:
        return None
    return Counts(
        by_status=every_status(statuses),
        days=tuple(Day(date, every_status(counted)) for date, counted in days.items()),
        durations={family: _durations(seconds) for family, seconds in durations.items()},
    )


def _duration(job: JobFacts) -> float | None:
    return duration_of(job.submit_time, job.end_time) if has_ended(job) else None


def _percentile(ordered: list[float], percent: int) -> float | None:
    """Return a percentile of values in ascending order; None when there are none."""
    return ordered[nearest_rank(len(ordered), percent) - 1] if ordered else None


def _durations(seconds: "array[float]") -> FamilyDurations:
    ordered = sorted(seconds)
    bins = [0] * _BINS
    for value in ordered:
        number = int(2 * log2(value)) - _FIRST_BIN if value >= 1 else 0
        bins[min(max(number, 0), _BINS - 1)] += 1
    return FamilyDurations(
        total=len(ordered),
        bins=tuple((2 ** ((_FIRST_BIN + number) / 2), count) for number, count in enumerate(bins)),
        p50=_percentile(ordered, 50),
        p95=_percentile(ordered, LONG_RUNNING_PERCENTILE),
        longest=_percentile(ordered, 100),
    )
