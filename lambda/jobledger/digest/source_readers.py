"""Reads digests of single sources, for the setting `digestBy=source`. A run reads once what they have in common."""

import threading
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial

import msgspec

from jobledger.digest.content import Digest, DigestReader, Read
from jobledger.digest.current import (
    EXPIRING_LISTED,
    CurrentReading,
    CurrentTotals,
    UsualDurations,
    read_uncounted,
)
from jobledger.digest.parts import SourceReading
from jobledger.digest.shortlists import LONGEST_LIST, WindowChanges, gather_by_source
from jobledger.digest.windows import Window
from jobledger.ledger.counters import CounterRow, all_jobs
from jobledger.ledger.states import States
from jobledger.service import Family
from jobledger.totals.by_source import chosen_counters
from jobledger.totals.expirations import first_to_expire, read_expiring
from jobledger.totals.read import active_jobs, counted_families, read_active
from jobledger.totals.summary import expiring_soon, few_statuses


class _Common(msgspec.Struct, frozen=True):
    """What is read of all sources: the states, the families with counters, and the jobs that no counters have."""

    now: datetime
    states: States
    counted: tuple[Family, ...]
    readings: Mapping[str, CurrentReading]


class SourceReaders:
    """The readers of one run. They can be used side by side, each by one thread."""

    def __init__(self, reader: DigestReader) -> None:
        self.reader = reader
        self._ledger = reader.ledger
        self._lock = threading.Lock()
        self._changes: dict[Window, dict[str, WindowChanges]] = {}
        self._common: _Common | None = None
        self._current: dict[str, CurrentTotals] = {}

    def changes(self, window: Window) -> Mapping[str, WindowChanges]:
        """Return the changes in a window by source."""
        with self._lock:
            if window not in self._changes:
                changes = self.reader.changes(window)
                _, by_source = gather_by_source(changes, self._ledger.scope, LONGEST_LIST)
                self._changes[window] = by_source
            return self._changes[window]

    def common(self, now: datetime) -> _Common:
        """Return what is known of all sources, as it was at the first call."""
        with self._lock:
            if self._common is None:
                self._common = self._read_common(now)
            return self._common

    def current(self, source: str, now: datetime) -> CurrentTotals:
        """Return the current totals of a source."""
        common = self.common(now)
        if source not in self._current:
            reading = common.readings[source]
            if common.counted:
                totals, expiring = self._counters(source, common)
                first = first_to_expire(self._ledger, expiring, EXPIRING_LISTED, source)
                reading.add_counted(totals, expiring, first)
            self._current[source] = reading.result()
        return self._current[source]

    def _read_common(self, now: datetime) -> _Common:
        ledger, families = self._ledger, self.reader.families
        states = ledger.states()
        counted = counted_families(states, families)
        usual = UsualDurations(ledger, states, now)
        readings = defaultdict[str, CurrentReading](lambda: CurrentReading(ledger, usual, now))
        for source in (*ledger.sources, *states.by_source):
            readings[source]
        for job in read_uncounted(ledger, families, counted):
            readings[job.source or ledger.scope].add_job(job)
        active = active_jobs(ledger, states, counted)
        for job in read_active(ledger, active[:LONGEST_LIST], lambda: None):
            readings[job.source or ledger.scope].add_active(job)
        for _, more in active[LONGEST_LIST:]:
            readings[more.source or ledger.scope].count_active(more.source)
        return _Common(now, states, counted, readings)

    def _counters(
        self, source: str, common: _Common
    ) -> tuple[Collection[CounterRow], Collection[CounterRow]]:
        """Return the counters of all jobs of a source, and of those that expire soon."""
        ledger, families = self._ledger, common.counted
        chosen = chosen_counters(ledger, (source,))
        totals = chosen.rows(lambda one: all_jobs(ledger.table, ledger.scope, source=one))
        soon = partial(read_expiring, ledger, families, *expiring_soon(common.now))
        return [row for row in totals if row.family in families], [*chosen.rows(soon)]


class SourceReader:
    """Reads the digests of one source."""

    def __init__(self, readers: SourceReaders, source: str) -> None:
        self._readers = readers
        self._source = source

    def first_start(self, end: str, known: str | None) -> str:
        """Return the start of the source's first window, which a run stores before it publishes anything."""
        return known or self._readers.reader.first_start(end, None)

    def read(
        self, window: Window, now: datetime, *, first_start: str | None, covers_gap: bool
    ) -> Digest:
        """Return the contents of the digest of a closed window. Raises LedgerUnavailable."""
        readers, source = self._readers, self._source
        changes = readers.changes(window).get(source) or WindowChanges()
        before = window.before()
        previous = None
        if first_start is not None and first_start <= before.start:
            found = readers.changes(before).get(source) or WindowChanges()
            previous = few_statuses(found.counts)
        current = readers.current(source, now)
        part = SourceReading(
            tuple({source} & set(readers.reader.ledger.sources)),
            readers.reader.families,
            readers.common(now).states,
            {source: changes},
            current.active_by_source,
            {source: current.long_running.jobs()},
        ).parts(readers.reader.sync_minutes, now)
        read = Read(window, now, part[0].as_of, part[0].stale, changes, previous, current, part)
        return readers.reader.digest_of(read, covers_gap=covers_gap, source=source)
