"""Reads the summary of a query and the active jobs, at the same cost whatever the number of jobs.

Without a time range, the counters of all jobs are read. Of a time range, whole days come from the counters,
months where possible; its first and last day from the job rows. A query by name reads the rows of that name's
index. A family whose counters are not complete yet (its rows were written by an older version) is read from its
rows.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, timedelta

import msgspec
from msgspec.structs import replace

from jobledger.jobs import Family, Job
from jobledger.ledger.counters import CounterRow, all_jobs, days, months
from jobledger.ledger.expirations import count_expiring, read_expiring
from jobledger.ledger.facts import read_facts
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.job_facts import JobFacts, facts_of_row, is_active
from jobledger.ledger.skipping import readable
from jobledger.ledger.summary import Summary, Tally, expiring_soon
from jobledger.ledger.totals import month_of
from jobledger.ledger.writing import Ledger, SyncState

States = Mapping[Family, SyncState]

_ONE_DAY = timedelta(days=1)
# Below the first and above the last day and month of four digits.
_FIRST, _LAST = "0", "~"


def read_summary(
    ledger: Ledger,
    query: JobQuery,
    states: States,
    now: datetime,
    go_on: Callable[[], None] = lambda: None,
) -> Summary:
    """Return the summary of the jobs that match a query. Raises LedgerUnavailable.

    `go_on` runs between requests and can raise to stop.
    """
    tally = Tally(now, query.statuses)
    by_name = query.name is not None or query.name_prefix is not None
    counted = () if by_name else counted_families(states, query.families)
    _add_counted(ledger, replace(query, families=counted), states, tally, now, go_on)
    rest = tuple(family for family in query.families if family not in counted)
    if rest:
        for job in read_facts(ledger, replace(query, families=rest), go_on):
            tally.add_job(job)
    return tally.summary(query.families)


def counted_families(states: States, families: Collection[Family]) -> tuple[Family, ...]:
    """Return the families whose counters include every job."""
    return tuple(f for f in families if f in states and states[f].counters_complete)


def active_jobs(ledger: Ledger, states: States, families: Collection[Family]) -> list[JobFacts]:
    """Return the jobs that have not ended, of all that the syncs of these families follow."""
    keys = {
        (ledger.partition(family), Job.key_of(submit_time or None, job_id)): family
        for family in families
        for job_id, submit_time in _followed(states.get(family, SyncState())).items()
    }
    rows = ledger.table.batch_get([{"PK": partition, "SK": key} for partition, key in keys])
    jobs = readable(rows, lambda row: facts_of_row(keys[str(row["PK"]), str(row["SK"])], row))
    return [job for job in jobs if is_active(job)]


def _followed(state: SyncState) -> dict[str, str]:
    """Return the jobs that were active when the service last listed them, with their submit times."""
    walks = [walk.active for walk in (state.walk, state.full_walk) if walk]
    return {job: time for active in (*walks, state.active) for job, time in active.items()}


def _add_counted(
    ledger: Ledger,
    query: JobQuery,
    states: States,
    tally: Tally,
    now: datetime,
    go_on: Callable[[], None],
) -> None:
    """Add the jobs of families whose counters are complete."""
    if not query.families:
        return
    counted, edges = _divide(query)
    if counted is not None:
        for row in _counter_rows(ledger, counted):
            if row.family in query.families:
                tally.add_counts(row.family, row.counts)
        go_on()
        expiring = read_expiring(ledger, query.families, *expiring_soon(now))
        tally.expiring += count_expiring(expiring, query.statuses, counted.first, counted.last)
    for edge in edges:
        go_on()
        for job in read_facts(ledger, edge, go_on):
            tally.add_job(job)
    for job in active_jobs(ledger, states, query.families):
        if _matches(job, query):
            tally.see_active(job)


def _matches(job: JobFacts, query: JobQuery) -> bool:
    time = Job.key_of(job.submit_time, "").removesuffix("#")
    return (
        (not query.statuses or job.status in query.statuses)
        and (query.after is None or time > query.after)
        and (query.before is None or time < query.before)
    )


class _Days(msgspec.Struct, frozen=True):
    """The days from one to another, inclusive; None means without limit."""

    first: str | None
    last: str | None


def _divide(query: JobQuery) -> tuple[_Days | None, list[JobQuery]]:
    """Return the whole days of a query's time range, and queries for what remains at its ends."""
    try:
        first = query.after and str(date.fromisoformat(query.after[:10]) + _ONE_DAY)
        last = query.before and str(date.fromisoformat(query.before[:10]) - _ONE_DAY)
    except OverflowError:  # a bound on the last or first day of the calendar
        return None, [query]
    if first and last and first > last:
        return None, [query]
    edges = []
    if first:
        edges.append(replace(query, before=f"{first}T00:00:00.000Z"))
    if last:
        edges.append(replace(query, after=f"{last}T23:59:59.999Z"))
    return _Days(first, last), edges


def _counter_rows(ledger: Ledger, counted: _Days) -> Iterator[CounterRow]:
    """Yield the month rows of whole months, and the day rows of the days before and after them.

    Without a first and a last day, yield the rows of all jobs.
    """
    table, scope = ledger.table, ledger.scope
    if counted.first is None and counted.last is None:
        yield from all_jobs(table, scope)
        return
    first, last = counted.first or _FIRST, counted.last or _LAST
    first_month, last_month = month_of(first), month_of(last)
    starts_whole = counted.first is None or first.endswith("-01")
    ends_whole = counted.last is None or _is_last_of_month(last)
    if first_month == last_month and not (starts_whole and ends_whole):
        yield from days(table, scope, first, last)
        return
    if not starts_whole:
        yield from days(table, scope, first, f"{first_month}-31")
    if not ends_whole:
        yield from days(table, scope, f"{last_month}-01", last)
    for row in months(table, scope, first_month, last_month):
        partial = (row.period == first_month and not starts_whole) or (
            row.period == last_month and not ends_whole
        )
        if not partial:
            yield row


def _is_last_of_month(day: str) -> bool:
    return str(date.fromisoformat(day) + _ONE_DAY).endswith("-01")
