"""Reads the summary of a query and the active jobs, at the same cost whatever the number of jobs.

Without a time range, the counters of all jobs are read. For a time range, whole days (where possible, months)
come from the counters, and its first and last day from the job rows. A query by name reads the rows of that name's
index. A family whose counters are not complete yet (its rows were written by an older version) is read from its
rows.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

import msgspec
from msgspec.structs import replace

from jobledger.jobs import Job
from jobledger.ledger.active import ActiveJob
from jobledger.ledger.counters import CounterRow, all_jobs, chosen_days, days, months
from jobledger.ledger.counts import Totals, month_of, percentiles, submit_day
from jobledger.ledger.job_facts import (
    JobFacts,
    facts_of_row,
    is_active,
)
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Row
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.by_source import chosen_counters
from jobledger.totals.expirations import count_expiring, read_expiring
from jobledger.totals.rules import LONG_RUNNING_PERCENTILE, RECENT_DAYS
from jobledger.totals.scan import read_facts
from jobledger.totals.summary import Summary, Tally, expiring_soon

States = Mapping[Family, SyncState]

_ONE_DAY = timedelta(days=1)
# Below the first and above the last day and month of four digits.
_FIRST, _LAST = "0", "~"
_ROWS_A_REQUEST = 100


def read_summary(
    ledger: Ledger,
    query: JobQuery,
    states: States,
    now: datetime,
    check_time: Callable[[], None] = lambda: None,
    *,
    by_month: bool = False,
) -> Summary:
    """Return the summary of the jobs that match a query. Raises LedgerUnavailable.

    `check_time` runs between requests and can raise to stop. With `by_month`, each month is counted on its own, and
    the summary has the characters of each.
    """
    tally = Tally(now, query.statuses)
    counted = counted_families(states, query.families) if query.is_counted else ()
    _add_counted(
        ledger, replace(query, families=counted), states, tally, now, check_time, by_month=by_month
    )
    rest = tuple(family for family in query.families if family not in counted)
    if rest:
        for job in read_facts(ledger, replace(query, families=rest), check_time):
            tally.add_job(job)
    return tally.summary(query.families)


def counted_families(states: States, families: Collection[Family]) -> tuple[Family, ...]:
    """Return the families whose counters include every job."""
    return tuple(f for f in families if f in states and states[f].counters_complete)


def active_jobs(
    ledger: Ledger, states: States, families: Collection[Family]
) -> list[tuple[Family, ActiveJob]]:
    """Return the jobs of all sources that have not ended, oldest first; those without a submit time come first.

    This costs one request for each family that has any, and one more for each 5,000 of them.
    """
    jobs = (
        (family, job)
        for family in families
        if family in states
        for job in ledger.all_active(family, states)
    )
    return sorted(
        jobs, key=lambda job: (job[1].submit_time, job[1].job_id, job[0], job[1].source or "")
    )


def read_active(
    ledger: Ledger, jobs: Sequence[tuple[Family, ActiveJob]], check_time: Callable[[], None]
) -> Iterator[JobFacts]:
    """Yield the facts of active jobs, as `read_active_rows` reads them."""
    return (job for job, _ in read_active_rows(ledger, jobs, check_time))


def read_active_rows(
    ledger: Ledger, jobs: Sequence[tuple[Family, ActiveJob]], check_time: Callable[[], None]
) -> Iterator[tuple[JobFacts, Row]]:
    """Yield active jobs and their rows, in this order. They are read when they are asked for, a hundred a request.

    A job that has ended since is left out. `check_time` runs before each request and can raise to stop.
    """
    for first in range(0, len(jobs), _ROWS_A_REQUEST):
        check_time()
        keys = [
            (ledger.partition(family), job.sort_key)
            for family, job in jobs[first : first + _ROWS_A_REQUEST]
        ]
        rows = {
            _key_of(row): row
            for row in ledger.table.batch_get([{"PK": pk, "SK": sk} for pk, sk in keys])
        }
        found = (rows[key] for key in keys if key in rows)
        facts = readable(found, lambda row: (_facts_of(row), row))
        yield from (job for job in facts if is_active(job[0]))


class Usual(msgspec.Struct, frozen=True):
    """How long the ended jobs of a family took, of those submitted in the last 30 days, in seconds.

    Each is None when there are none.
    """

    p50: float | None
    p95: float | None


def read_usual(
    ledger: Ledger,
    states: States,
    families: Collection[Family],
    now: datetime,
    check_time: Callable[[], None] = lambda: None,
) -> dict[Family, Usual]:
    """Return the usual durations of some families, with which their active jobs are compared.

    `check_time` runs between requests and can raise to stop.
    """
    totals = Totals()
    chosen = {submit_day(rfc3339(now - timedelta(days=age))) for age in range(RECENT_DAYS)}
    counted = counted_families(states, families)
    for family in counted:
        for row in chosen_days(ledger.table, ledger.scope, family, chosen):
            totals.add(family, row.counts)
    if rest := tuple(family for family in families if family not in counted):
        after = f"{date.fromisoformat(min(chosen)) - _ONE_DAY}T23:59:59.999Z"
        for job in read_facts(ledger, JobQuery(rest, after=after), check_time):
            if submit_day(Job.key_of(job.submit_time, job.job_id)) in chosen:
                totals.add_job(job)
    return {
        family: Usual(*percentiles(totals.durations([family]), 50, LONG_RUNNING_PERCENTILE))
        for family in families
    }


def _add_counted(
    ledger: Ledger,
    query: JobQuery,
    states: States,
    tally: Tally,
    now: datetime,
    check_time: Callable[[], None],
    *,
    by_month: bool,
) -> None:
    """Add the jobs of families whose counters are complete."""
    if not query.families:
        return
    counted, edges = divide(query)
    if counted is not None:
        chosen = chosen_counters(ledger, query.sources)
        for row in chosen.rows(partial(counter_rows, ledger, counted, by_month=by_month)):
            if row.family in query.families:
                tally.add_counts(row.family, row.counts, row.period)
        check_time()
        soon = expiring_soon(now)
        expiring = list(chosen.rows(partial(read_expiring, ledger, query.families, *soon)))
        tally.expiring += count_expiring(expiring, query.statuses, counted.first, counted.last)
    for edge in edges:
        check_time()
        for job in read_facts(ledger, edge, check_time):
            tally.add_job(job)
    # A job without a submit time has no age.
    active = [
        (family, job)
        for family, job in active_jobs(ledger, states, query.families)
        if (query.after or "") < job.submit_time < (query.before or _LAST)
        and query.has_source(job.source or ledger.scope)
    ]
    for job in read_active(ledger, active, check_time):
        if not query.statuses or job.status in query.statuses:
            tally.see_active(job)
            return


class Days(msgspec.Struct, frozen=True):
    """The days from one to another, inclusive; None means without limit."""

    first: str | None
    last: str | None


def divide(query: JobQuery) -> tuple[Days | None, list[JobQuery]]:
    """Return the whole days of a query's time range, and queries for what remains at its ends."""
    try:
        first = query.after and str(date.fromisoformat(query.after[:10]) + _ONE_DAY)
        last = query.before and str(date.fromisoformat(query.before[:10]) - _ONE_DAY)
    except OverflowError:  # a bound on the last or first day of the calendar
        return None, [query]
    if first and last and first > last:
        return None, [query]
    edges = []
    # Nothing is between a day's last millisecond and the next day.
    if first and query.after != f"{(query.after or '')[:10]}T23:59:59.999Z":
        edges.append(replace(query, before=f"{first}T00:00:00.000Z"))
    if last:
        edges.append(replace(query, after=f"{last}T23:59:59.999Z"))
    return Days(first, last), edges


def counter_rows(
    ledger: Ledger, counted: Days, source: str | None, *, by_month: bool
) -> Iterator[CounterRow]:
    """Yield the fewest counter rows of some days: of the ledger, or of a member.

    | days                     | rows                                                     |
    |--------------------------|----------------------------------------------------------|
    | all                      | of all jobs; by month, of all months                     |
    | 2026-11-05 to 2026-12-20 | of these days                                            |
    | 2026-09-20 to 2026-12-05 | of the days before and after, and of the months 10 and 11 |
    """
    table, scope = ledger.table, ledger.scope
    if counted.first is None and counted.last is None:
        read = months if by_month else all_jobs
        yield from read(table, scope, source=source)
        return
    first, last = counted.first or _FIRST, counted.last or _LAST
    first_month, last_month = _whole_months(counted)
    if first_month > last_month:
        yield from days(table, scope, first, last, source=source)
        return
    if month_of(first) < first_month:
        yield from days(table, scope, first, f"{month_of(first)}-31", source=source)
    if month_of(last) > last_month:
        yield from days(table, scope, f"{month_of(last)}-01", last, source=source)
    yield from months(table, scope, first_month, last_month, source=source)


def _whole_months(counted: Days) -> tuple[str, str]:
    """Return the first and the last month with every day counted; the first is later when there is none."""
    first, last = _FIRST, _LAST
    if counted.first:
        first = _month(date.fromisoformat(counted.first) - _ONE_DAY, 1)
    if counted.last:
        last = _month(date.fromisoformat(counted.last) + _ONE_DAY, -1)
    return first, last


def _month(day: date, later: int) -> str:
    """Return the month that is some months later than that of a day. The month after 9999-12 sorts after all others."""
    number = day.year * 12 + day.month - 1 + later
    return f"{number // 12:04}-{number % 12 + 1:02}" if number < 120_000 else _LAST


def _facts_of(row: Row) -> JobFacts:
    return facts_of_row(Family(str(row["PK"]).rpartition("/")[2]), row)


def _key_of(row: Row) -> tuple[str, str]:
    return str(row["PK"]), str(row["SK"])
