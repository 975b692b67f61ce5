"""Decides how far back a walk lists, from the number of upstream calls that each choice costs."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import takewhile
from math import ceil

from jobledger.ledger.active import ActiveJob
from jobledger.ledger.counters import jobs_by_hour
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.sync.upstream import PAGE_SIZE
from jobledger.times import parse, rfc3339

# The maximum delay between a job's submission and its first listing.
OVERLAP = timedelta(minutes=10)
# The most pages that are listed because jobs cannot be described: ten seconds.
MOST_PAGES = 40


def window_start(
    ledger: Ledger,
    family: Family,
    state: SyncState,
    active: Iterable[ActiveJob],
    *,
    describe: bool = True,
) -> str:
    """Return the SubmitTimeAfter of a walk that finds everything that can have changed.

    New jobs are listed from the high-water mark on, less the overlap. For a job that has been active since
    before, the walk lists further back, or describes it after the list (one call). The counters say how many
    pages each choice takes; the one with the fewest calls is taken. Without complete counters, the walk
    lists back to the oldest active job. Without `describe`, because Describe is refused, it lists as many of
    the active jobs as MOST_PAGES allow.
    """
    newest = state.high_water_mark or state.as_of
    assert newest is not None
    latest = _overlapping(newest)
    older = sorted(job.submit_time for job in active if "" < job.submit_time <= latest)
    if not older:
        return latest
    starts = [latest, *map(_overlapping, reversed(older))]
    if not state.counters_complete and not ledger.member:
        return starts[-1]
    # The own source has no counters of its own: with members, those of the ledger say more pages than there are.
    hours = jobs_by_hour(ledger.table, ledger.scope, family, starts[-1][:10], source=ledger.member)
    more = len(older) if describe else MOST_PAGES
    choices = zip(starts, _pages(hours, starts, more), strict=True)
    if describe:
        return _with_fewest_calls(choices, older)
    best = latest
    for start, _ in takewhile(lambda choice: choice[1] < MOST_PAGES, choices):
        best = start
    return best


def _with_fewest_calls(choices: Iterable[tuple[str, int]], older: Sequence[str]) -> str:
    """Return the start that costs the fewest calls: a page each, and a Describe for each of the jobs before it.

    `choices` are starts and their pages, latest first; `older` are the submit times of the jobs, in order.
    """
    best, fewest = "", float("inf")
    for start, pages in choices:
        if pages >= fewest:
            break
        calls = pages + bisect_right(older, start)
        if calls <= fewest:
            best, fewest = start, calls
    return best


def _pages(
    newest_first: Iterator[tuple[str, int]], starts: Iterable[str], more: int
) -> Iterator[int]:
    """Yield the number of pages with the jobs after each start, latest start first.

    The hour of a start counts in full, so that a walk has no more pages than this. Counting ends at `more` pages
    beyond those of the latest start, so one job that has been active for a year does not make us read a year of
    counters.
    """
    jobs = 0
    enough: int | None = None
    following = next(newest_first, None)
    for start in starts:
        while following and following[0] >= start[:13] and (enough is None or jobs < enough):
            jobs += following[1]
            following = next(newest_first, None)
        pages = max(ceil(jobs / PAGE_SIZE), 1)
        if enough is None:
            enough = (pages + more) * PAGE_SIZE
        yield pages


def _overlapping(time: str) -> str:
    return rfc3339(parse(time) - OVERLAP)
