"""How recent each source of a ledger with several is. One query reads the states of all."""

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import msgspec

from jobledger import settings
from jobledger.board.data import BoardReader
from jobledger.board.links import Links, source_filters
from jobledger.board.markup import escaped, number, span, time_mark
from jobledger.ledger.as_of import oldest
from jobledger.ledger.ledger import RECENT
from jobledger.ledger.states import LastError, SyncState
from jobledger.service import Family
from jobledger.times import rfc3339, seconds_between
from jobledger.totals.rules import is_stale

# The label and the CSS class of each condition, in the order of the page.
_CONDITIONS = {
    "Never synced": "fail",
    "Stale": "fail",
    "Last sync failed": "part",
    "Up to date": "ok",
    "Removed": "stop",
}
FRESH, _REMOVED = "Up to date", "Removed"


class SourceState(msgspec.Struct, frozen=True):
    """A source: its condition, the oldest AsOf of its families, their newest error, and its active jobs."""

    source: str
    condition: str
    as_of: str | None
    error: LastError | None
    active: int = 0


def read_sources(
    reader: BoardReader, now: datetime, *, with_active: bool = False
) -> list[SourceState]:
    """Return the configured sources, and removed ones that were synced; the worst first. Raises LedgerUnavailable."""
    ledger = reader.ledger
    states = ledger.states(within=RECENT)
    active = _count_active(reader) if with_active else {}
    found = []
    for source in ledger.known_sources():
        of_families = [states.of(source, family) for family in reader.families]
        as_of = oldest(
            dict(enumerate(state.as_of for state in of_families)), range(len(of_families))
        )
        errors = [state.last_error for state in of_families if state.last_error]
        error = max(errors, key=lambda error: error.at, default=None)
        condition = _condition(as_of, error, now) if source in ledger.sources else _REMOVED
        found.append(SourceState(source, condition, as_of, error, active.get(source, 0)))
    order = list(_CONDITIONS)
    return sorted(found, key=lambda state: (order.index(state.condition), state.source))


def _condition(as_of: str | None, error: LastError | None, now: datetime) -> str:
    if as_of is None:
        return "Never synced"
    if is_stale(as_of, int(settings.required("SYNC_MINUTES")), now):
        return "Stale"
    return "Last sync failed" if error else FRESH


def _count_active(reader: BoardReader) -> Mapping[str, int]:
    """Return the number of active jobs of each source. The families are read side by side."""
    ledger = reader.ledger
    states = ledger.states(within=RECENT)
    begun = {family: states.get(family, SyncState()) for family in reader.families}

    def read(family: Family) -> list[str]:
        return [job.source or ledger.scope for job in ledger.all_active(family, begun)]

    with ThreadPoolExecutor(len(Family)) as pool:
        return Counter(source for found in pool.map(read, reader.families) for source in found)


def fresh_sources(reader: BoardReader, root: str) -> str:
    """Return how many sources are up to date, with a link to their page; nothing when the ledger has one source."""
    if not reader.ledger.is_shared:
        return ""
    found = [state for state in read_sources(reader, reader.now()) if state.condition != _REMOVED]
    fresh = sum(state.condition == FRESH for state in found)
    return f' <a href="{root}board/sources">{number(fresh)} of {number(len(found))} sources</a> are up to date.'


def source_sections(sources: Iterable[SourceState], now: datetime, links: Links) -> str:
    """Return the number of sources in each condition, and a table of all."""
    found = tuple(sources)
    counted = Counter(state.condition for state in found)
    tiles = "".join(
        f'<li><span class="tile"><span class="count">{number(counted[condition])}</span>'
        f' <span class="st {css}">{condition}</span></span></li>'
        for condition, css in _CONDITIONS.items()
        if counted[condition]
    )
    rows = "".join(_row(state, rfc3339(now), links) for state in found)
    return (
        '<section class="card" aria-labelledby="glance"><h2 id="glance">At a glance</h2>'
        f'<ul class="tiles">{tiles}</ul></section>'
        '<section class="card" aria-labelledby="sources"><h2 id="sources">Accounts and regions</h2>'
        '<div class="scroll" role="region" aria-label="Sources" tabindex="0"><table class="jobs">'
        '<thead><tr><th scope="col">Source</th><th scope="col">State</th>'
        '<th scope="col">Oldest family synced</th><th scope="col">Last error</th>'
        f'<th scope="col" class="n">Active jobs</th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _row(state: SourceState, at: str, links: Links) -> str:
    synced = ""
    if state.as_of:
        age = span(max(seconds_between(state.as_of, at), 0.0))
        synced = f"{age} ago <small>{time_mark(state.as_of)}</small>"
    error = state.error
    failed = f"{escaped(error.name)} <small>{time_mark(error.at)}</small>" if error else ""
    # On a phone, the table has no heads.
    active = f"{number(state.active)} active" if state.active else ""
    link = links.jobs(source_filters(state.source), escaped(state.source))
    return (
        f'<tr><td>{link}</td><td><span class="st {_CONDITIONS[state.condition]}">{state.condition}</span></td>'
        f'<td>{synced}</td><td>{failed}</td><td class="n">{active}</td></tr>'
    )
