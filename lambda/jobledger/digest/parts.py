"""The parts of a digest: its lists of jobs, and what it says of each source. No AWS calls."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from jobledger.digest.shortlists import Shortlist, WindowChanges
from jobledger.ledger.as_of import oldest
from jobledger.ledger.job_facts import JobFacts
from jobledger.ledger.states import States
from jobledger.service import Family
from jobledger.totals.rules import is_stale
from jobledger.totals.summary import few_statuses
from jobledger.wording import printable

MOST_SHOWN = 10
"""The jobs of each list, and the sources, that a person reads of."""
_LONGEST_ERROR = 64


class Verdict(StrEnum):
    """Whether a person needs to act. STALE means that the ledger is out of date."""

    OK = "OK"
    ATTENTION = "ATTENTION"
    STALE = "STALE"


class JobList(msgspec.Struct, frozen=True):
    """The first jobs of a list, and the total number of jobs."""

    total: int
    jobs: tuple[JobFacts, ...]

    @classmethod
    def of(cls, shortlist: Shortlist) -> "JobList":
        """Return the list of a shortlist."""
        return cls(shortlist.total, tuple(shortlist.jobs()))


def verdict_of(*troubles: JobList, stale: bool) -> Verdict:
    """Return STALE first: an outdated ledger cannot report OK. Jobs in trouble need attention."""
    if stale:
        return Verdict.STALE
    return Verdict.ATTENTION if any(listed.total for listed in troubles) else Verdict.OK


class SourcePart(msgspec.Struct, frozen=True):
    """What a digest says of one source, `account/region`. The lists have the jobs that a person can read of.

    `error` is the name of the error that ended the source's last sync. A source that is no longer configured is
    `removed`: nothing is known of its syncs.
    """

    source: str
    as_of: str | None
    stale: bool
    error: str | None
    removed: bool
    counts: Counter[str]
    failed: JobList
    partial_success: JobList
    long_running: JobList
    active: int

    @property
    def verdict(self) -> Verdict:
        """Whether a person needs to act for this source."""
        return verdict_of(self.failed, self.partial_success, self.long_running, stale=self.stale)

    @property
    def notable(self) -> bool:
        """Whether a person reads of it: it needs one, or its last sync failed."""
        return self.verdict is not Verdict.OK or self.error is not None

    @property
    def urgency(self) -> tuple[int | bool | str, ...]:
        """The sort key that puts the sources first that most need a person."""
        lists = (self.failed, self.partial_success, self.long_running)
        totals = (-listed.total for listed in lists)
        return (*totals, not self.stale, self.error is None, -self.counts.total(), self.source)


class SourceReading(msgspec.Struct, frozen=True):
    """What was read of all sources: the configured ones, their states, the window's changes, and the active jobs.

    All by source.
    """

    sources: tuple[str, ...]
    families: tuple[Family, ...]
    states: States
    changes: Mapping[str, WindowChanges]
    active: Mapping[str, int]
    long_running: Mapping[str, list[JobFacts]]

    def parts(self, sync_minutes: int, now: datetime) -> tuple[SourcePart, ...]:
        """Return what there is to say of each source that is configured, or has jobs, the most urgent first."""
        known = dict.fromkeys((*self.sources, *self.changes, *self.active))
        parts = (self._part(source, sync_minutes, now) for source in known)
        return tuple(sorted(parts, key=lambda part: part.urgency))

    def _part(self, source: str, sync_minutes: int, now: datetime) -> SourcePart:
        removed = source not in self.sources
        states = {} if removed else self.states.by_source.get(source, {})
        as_of = oldest({f: state.as_of for f, state in states.items()}, self.families)
        errors = [states[f].last_error for f in self.families if f in states]
        latest = max((error.at, error.name) for error in errors if error) if any(errors) else None
        changes = self.changes.get(source) or WindowChanges()
        long_running = self.long_running.get(source, [])
        return SourcePart(
            source=source,
            as_of=as_of,
            stale=not removed and is_stale(as_of, sync_minutes, now),
            error=printable(latest[1])[:_LONGEST_ERROR] if latest else None,
            removed=removed,
            counts=few_statuses(changes.counts),
            failed=JobList.of(changes.failed),
            partial_success=JobList.of(changes.partial_success),
            long_running=JobList(len(long_running), tuple(long_running[:MOST_SHOWN])),
            active=self.active.get(source, 0),
        )
