"""The series of digests of a deployment: one of the whole ledger, or with `digestBy=source` one for each source.

Each has its own state row, so its own windows, claims and DigestIds.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from jobledger.digest.claims import DigestState, DigestStateRow, read_states
from jobledger.digest.content import DigestReader
from jobledger.digest.delivery import Delivery
from jobledger.digest.source_readers import SourceReader, SourceReaders
from jobledger.digest.windows import Window, digest_id
from jobledger.errors import JobLedgerError
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.observability import described, logger
from jobledger.sources import series_key
from jobledger.times import known

_AT_ONCE = 10
T = TypeVar("T")


class Series(msgspec.Struct, frozen=True):
    """The digests of the ledger, or of one `source`."""

    table: Table
    key: str
    delivery: Delivery
    source: str | None = None

    @property
    def rows(self) -> DigestStateRow:
        """The state row of the schedule's windows."""
        return DigestStateRow(self.table, self.key)

    def rows_of(self, window: Window) -> DigestStateRow:
        """Return the state row of a requested window."""
        return DigestStateRow(self.table, f"{self.key}#{digest_id(self.key, window)}")


def covered_by_sources(reader: DigestReader, now: datetime) -> str | None:
    """Return the time up to which digests of single sources have all changes; None when those of the ledger are later."""
    ledger = reader.ledger
    if not ledger.is_shared:
        return None
    own, states = _states_of(ledger, ledger.sources)
    covered = own.covered_until(now)
    if not any((one.covered_until(now) or "") > (covered or "") for one in states.values()):
        return None
    _, states = _states_of(ledger, ledger.known_sources())
    ends = {source: state.covered_until(now) for source, state in states.items()}
    last = max(filter(None, ends.values()))
    readers = SourceReaders(reader)
    behind = [
        ends[source] or state.first_start
        for source, state in states.items()
        if source in ledger.sources or _is_due(state, readers, source, last, last, covered)
    ]
    return min(filter(None, behind), default=last)


def _states_of(
    ledger: Ledger, sources: Sequence[str]
) -> tuple[DigestState, dict[str, DigestState]]:
    """Return the state of the digests of the ledger, and those of its sources that have one."""
    keys = {series_key(ledger.scope, source): source for source in sources}
    states = read_states(ledger.table, [ledger.scope, *keys])
    own = states.pop(ledger.scope, DigestState())
    return own, {keys[key]: state for key, state in states.items()}


def series_until(reader: DigestReader, delivery: Delivery, end: str) -> list[Series]:
    """Return the series of each source that has a digest until `end`: the configured ones, and removed ones with changes."""
    ledger, now = reader.ledger, delivery.now()
    readers = SourceReaders(reader)
    sources = list(dict.fromkeys((*ledger.sources, *readers.common(now).states.by_source)))
    own, states = _states_of(ledger, sources)
    ends = (_end_before(state, end, delivery) for state in (own, *states.values()))
    start = max(filter(None, ends), default=None) or reader.first_start(end, None)
    new = [source for source in ledger.sources if source not in states]
    _store_start(ledger.table, [series_key(ledger.scope, source) for source in new], start)
    covered = own.covered_until(now)
    delivery = replace(delivery, covered=covered)
    return [
        _series(readers, delivery, source)
        for source in sources
        if source in ledger.sources
        or _is_due(states.get(source, DigestState()), readers, source, start, end, covered)
    ]


def _store_start(table: Table, keys: Sequence[str], start: str) -> None:
    """Store where the first digests of new sources begin: where the others' next ones do.

    If this run is killed after some digests, the next one would not know it.
    """
    state = DigestState(first_start=start)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(lambda key: DigestStateRow(table, key).save(state), keys))


def series_of(reader: DigestReader, delivery: Delivery, window: Window) -> list[Series]:
    """Return the series of each source that has a digest of a window."""
    readers, configured = SourceReaders(reader), reader.ledger.sources
    sources = dict.fromkeys((*configured, *readers.changes(window)))
    return [_series(readers, delivery, source) for source in sources]


def publish_each(series: Sequence[Series], publish: Callable[[Series], T]) -> dict[str, T]:
    """Return what `publish` returns for each source, side by side. The first error is raised after all are done."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        runs = {str(each.source): threads.submit(publish, each) for each in series}
    errors = {source: error for source, run in runs.items() if (error := run.exception())}
    for source, error in errors.items():
        if isinstance(error, JobLedgerError):
            logger.error("no digest of a source", extra={"source": source, "error": error.name})
        elif isinstance(error, Exception):
            where = described(error)
            logger.error("no digest of a source", extra={"source": source, **where})
    for error in errors.values():
        raise error
    return {source: run.result() for source, run in runs.items()}


def _series(readers: SourceReaders, delivery: Delivery, source: str) -> Series:
    reader = SourceReader(readers, source)
    key = series_key(readers.reader.ledger.scope, source)
    return Series(readers.reader.ledger.table, key, replace(delivery, reader=reader), source)


def _end_before(state: DigestState, end: str, delivery: Delivery) -> str | None:
    """Return where the last digest before the one until `end` ended."""
    now = delivery.now()
    covered = state.covered_until(now)
    if covered is None or state.last is None or covered < end:
        return covered
    return known(state.last.start, now)


def _is_due(
    state: DigestState,
    readers: SourceReaders,
    source: str,
    start: str,
    end: str,
    covered: str | None,
) -> bool:
    """Whether a removed source has changes that no digest has, or a digest that was not completed."""
    begun = state.last.end if state.last else state.first_start
    start = max(begun, covered or "") if begun else start
    return state.claim is not None or (
        start < end and source in readers.changes(Window(start, end))
    )
