"""Counts jobs for the board: by status, by day, and how long they took, in a bounded number of rows."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain
from math import log2

import msgspec
from msgspec.structs import replace

from jobledger.errors import TooMuchToSummarise
from jobledger.ledger.counters import CounterRow, days
from jobledger.ledger.counts import (
    Totals,
    counts_of_job,
    percentiles,
    readable,
    seconds_of,
    submit_day,
)
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family
from jobledger.totals.by_source import chosen_counters
from jobledger.totals.read import Days, States, counted_families, counter_rows, divide
from jobledger.totals.rules import LONG_RUNNING_PERCENTILE
from jobledger.totals.scan import read_facts
from jobledger.totals.summary import every_status

# One page reads at most this many rows of jobs, of days that are not whole and where counters are not complete. With more, it says that it does not count.
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
    ledger: Ledger,
    query: JobQuery,
    dates: Sequence[str],
    states: States,
    check_time: Callable[[], None],
) -> Counts | None:
    """Return the counts of the jobs that match, also by day of `dates`; None when there are too many.

    Whole days come from the counters, the rest from the rows of jobs. `check_time` runs after each request and raises
    TooMuchToSummarise when time runs out. Raises LedgerUnavailable.
    """
    counting = _Counting(dates)
    counted = counted_families(states, query.families)
    whole, edges = divide(replace(query, families=counted))
    rest = tuple(family for family in query.families if family not in counted)
    try:
        if whole and counted:
            for row in _counter_rows(ledger, query.sources, whole, dates[0]):
                if row.family in counted:
                    counting.add(row.family, row.period, row.counts)
            check_time()
        of_rows = (read_facts(ledger, part, check_time) for part in edges if part.families)
        jobs = chain(*of_rows, read_facts(ledger, replace(query, families=rest), check_time))
        for number, job in enumerate(jobs):
            if number == _MOST_COUNTED:
                return None
            counting.add(job.family, submit_day(job.sort_key), counts_of_job(job))
    except TooMuchToSummarise:
        return None
    return counting.result(query.families)


def _counter_rows(
    ledger: Ledger, sources: Collection[str], whole: Days, first_date: str
) -> Iterator[CounterRow]:
    """Yield the rows of each day from the first date on, and the fewest rows of the days before."""
    chosen = chosen_counters(ledger, sources)
    first, last = max(whole.first or "", first_date), whole.last or "~"
    if first <= last:
        yield from chosen.rows(
            lambda source: days(ledger.table, ledger.scope, first, last, source=source)
        )
    if (whole.first or "") < first_date:
        before = min(last, str(date.fromisoformat(first_date) - timedelta(days=1)))
        earlier = Days(whole.first, before)
        yield from chosen.rows(lambda source: counter_rows(ledger, earlier, source, by_month=False))


class _Counting:
    """Adds up the counts of jobs."""

    def __init__(self, dates: Iterable[str]) -> None:
        self._totals = Totals()
        self._days = {date: Totals() for date in dates}

    def add(self, family: Family, period: str, counts: Mapping[str, int]) -> None:
        """Add the counts of a day, of a month, or of one job with its day."""
        self._totals.add(family, counts)
        if period in self._days:
            self._days[period].add(family, counts)

    def result(self, families: Iterable[Family]) -> Counts:
        """Return what the board shows."""
        return Counts(
            by_status=every_status(self._totals.by_status()),
            days=tuple(Day(at, every_status(of.by_status())) for at, of in self._days.items()),
            durations={family: _durations(self._totals.durations([family])) for family in families},
        )


def _durations(buckets: Mapping[int, int]) -> FamilyDurations:
    """Return the durations of counted jobs, each within 0.5 %."""
    bins = [0] * _BINS
    for bucket, count in buckets.items():
        seconds = seconds_of(bucket)
        number = int(2 * log2(seconds)) - _FIRST_BIN if seconds >= 1 else 0
        bins[min(max(number, 0), _BINS - 1)] += count
    p50, p95, longest = (
        None if seconds is None else readable(seconds)
        for seconds in percentiles(buckets, 50, LONG_RUNNING_PERCENTILE, 100)
    )
    return FamilyDurations(
        total=sum(bins),
        bins=tuple((2 ** ((_FIRST_BIN + number) / 2), count) for number, count in enumerate(bins)),
        p50=p50,
        p95=p95,
        longest=longest,
    )
