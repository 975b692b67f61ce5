"""The contents of a digest, read from the ledger: changes in a window, and current totals."""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from jobledger.digest.current import CurrentTotals, read_current_totals
from jobledger.digest.parts import (
    MOST_SHOWN,
    JobList,
    SourcePart,
    SourceReading,
    Verdict,
    verdict_of,
)
from jobledger.digest.shortlists import WindowChanges, gather_by_source
from jobledger.digest.windows import Window, digest_id, first_start
from jobledger.jobs import s3_uri
from jobledger.ledger.as_of import oldest
from jobledger.ledger.counts import OutputTotals
from jobledger.ledger.job_facts import NO_STATUS, JobFacts
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output, output_of
from jobledger.ledger.rows import Change
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import States
from jobledger.ledger.table import Row
from jobledger.service import Family
from jobledger.sources import series_key
from jobledger.times import rfc3339
from jobledger.totals.rules import is_stale
from jobledger.totals.side_by_side import side_by_side
from jobledger.totals.summary import few_statuses

T = TypeVar("T")


class Details(msgspec.Struct, frozen=True):
    """The properties that `includeJobDetails` adds to a job; None when the service omits them."""

    name: str | None
    output: str | None


class Digest(msgspec.Struct, frozen=True):
    """The contents of one digest, before truncation and rendering.

    `as_of` is when the ledger last agreed with the service, None when it never did. `previous` has the counts
    of the preceding window of equal length, None when the ledger is younger than that window. `details` is
    empty unless the setting allows it. `processed` is what all jobs processed, by family and status, and `outputs`
    what the first failed and partial ones did, as far as it is known. `sources` is what there is to say of each
    source, the most urgent first; it is empty in a ledger without other sources. `configured` are those that are synced.
    `source` is the only source that the digest is about, if it is not about the whole ledger.
    """

    scope: str
    families: tuple[Family, ...]
    window: Window
    now: str
    as_of: str | None
    stale: bool
    covers_gap: bool
    counts: Counter[str]
    previous: Counter[str] | None
    totals: Counter[str]
    changed_families: tuple[Family, ...]
    failed: JobList
    partial_success: JobList
    completed: JobList
    active: JobList
    long_running: JobList
    expiring_soon: JobList
    details: Mapping[JobFacts, Details]
    processed: Mapping[Family, Mapping[str, OutputTotals]] = {}
    outputs: Mapping[JobFacts, Output] = {}
    sources: tuple[SourcePart, ...] = ()
    configured: frozenset[str] = frozenset()
    source: str | None = None

    @property
    def digest_id(self) -> str:
        """The id of the digest, the same for every digest of this window."""
        return digest_id(series_key(self.scope, self.source), self.window)

    @property
    def account(self) -> str:
        """The AWS account of the ledger, or of the only source."""
        return (self.source or self.scope).partition("/")[0]

    @property
    def region(self) -> str:
        """The region of the ledger, or of the only source."""
        return (self.source or self.scope).partition("/")[2]

    @property
    def verdict(self) -> Verdict:
        """Whether a person needs to act."""
        return verdict_of(self.failed, self.partial_success, self.long_running, stale=self.stale)

    @property
    def has_failures(self) -> bool:
        """Whether a job failed, completely or in part."""
        return bool(self.failed.total or self.partial_success.total)

    @property
    def notable_sources(self) -> list[SourcePart]:
        """The sources that a person reads of, the most urgent first."""
        return [part for part in self.sources if part.notable]

    def source_of(self, job: JobFacts) -> str:
        """Return the source of a job."""
        return job.source or self.scope

    def shown_source(self, job: JobFacts) -> str | None:
        """Return the source of a job of a ledger that has several."""
        return self.source_of(job) if self.sources or job.source else None


class Read(msgspec.Struct, frozen=True):
    """What was read for a digest, of all sources or of one; `previous` has the changes of the window before, if known."""

    window: Window
    now: datetime
    as_of: str | None
    stale: bool
    changes: WindowChanges
    previous: Counter[str] | None
    current: CurrentTotals
    parts: tuple[SourcePart, ...]


class DigestReader:
    """Reads the contents of digests from a ledger, for the families of the deployment."""

    def __init__(
        self,
        ledger: Ledger,
        families: tuple[Family, ...],
        *,
        sync_minutes: int,
        include_details: bool,
        include_outputs: bool = False,
    ) -> None:
        self.ledger = ledger
        self.families = families
        self.sync_minutes = sync_minutes
        self._include_details = include_details
        self._include_outputs = include_outputs

    def earliest_change(self, end: str) -> str | None:
        """Return the time of the first change before `end`."""
        firsts = (next(self.ledger.changes(f, "0", end), None) for f in self.families)
        return min((change.observed_at for change in firsts if change), default=None)

    def first_start(self, end: str, known: str | None) -> str:
        """Return the start of the first window."""
        del known  # an older change can have been observed since
        return first_start(end, self.earliest_change(end))

    def read(
        self, window: Window, now: datetime, *, first_start: str | None, covers_gap: bool
    ) -> Digest:
        """Return the contents of the digest of a closed window. Raises LedgerUnavailable.

        `first_start` is the start of the ledger's first window; earlier windows have no counts to compare.
        """
        ledger = self.ledger
        comparable = first_start is not None and first_start <= window.before().start

        def read_current() -> tuple[States, CurrentTotals]:
            states = ledger.states()
            return states, read_current_totals(ledger, self.families, states, now)

        (changes, by_source), (states, current), previous = side_by_side(
            lambda: gather_by_source(self.changes(window), ledger.scope, MOST_SHOWN),
            read_current,
            lambda: self._counts(window.before()) if comparable else None,
        )
        as_of = oldest({family: state.as_of for family, state in states.items()}, self.families)
        parts = self._parts(by_source, current, states, now)
        stale = is_stale(as_of, self.sync_minutes, now) or any(part.stale for part in parts)
        read = Read(window, now, as_of, stale, changes, previous, current, parts)
        return self.digest_of(read, covers_gap=covers_gap)

    def digest_of(self, read: Read, *, covers_gap: bool, source: str | None = None) -> Digest:
        """Return the digest of what was read, of all sources or of one."""
        lists = _lists(read.changes, read.current)
        shown = [part for part in read.parts if part.notable][:MOST_SHOWN]
        troubled = [lists["failed"], lists["partial_success"]]
        troubled += [each for part in shown for each in (part.failed, part.partial_success)]
        named = [*lists.values(), *troubled, *(part.long_running for part in shown)]
        return Digest(
            scope=self.ledger.scope,
            families=self.families,
            window=read.window,
            now=rfc3339(read.now),
            as_of=read.as_of,
            stale=read.stale,
            covers_gap=covers_gap,
            counts=few_statuses(read.changes.counts),
            previous=read.previous,
            totals=few_statuses(read.current.totals),
            changed_families=tuple(f for f in self.families if f in read.changes.families),
            details=self._of_rows(named, _details_of) if self._include_details else {},
            processed=read.current.processed,
            outputs=self._outputs(troubled) if self._include_outputs else {},
            sources=read.parts,
            configured=frozenset(self.ledger.sources),
            source=source,
            **lists,
        )

    def _parts(
        self,
        changes: Mapping[str, WindowChanges],
        current: CurrentTotals,
        states: States,
        now: datetime,
    ) -> tuple[SourcePart, ...]:
        """Return what there is to say of each source; nothing when all jobs are of the own one and always were."""
        long_running: dict[str, list[JobFacts]] = {}
        for job in current.long_running.jobs():
            long_running.setdefault(job.source or self.ledger.scope, []).append(job)
        active = current.active_by_source
        if not self.ledger.is_shared and {*changes, *active} <= {self.ledger.scope}:
            return ()
        sources, families = self.ledger.sources, self.families
        reading = SourceReading(sources, families, states, changes, active, long_running)
        return reading.parts(self.sync_minutes, now)

    def changes(self, window: Window) -> Iterable[Change]:
        """Stream the changes of all families in the order of observation.

        A first fill announces no changes for the jobs that it finds. Those that have ended count as a change
        at their EndTime, so that the first digest has them.
        """
        streams = (self.ledger.changes(f, window.start, window.end) for f in self.families)
        unseen = self.ledger.ended_unseen(window.start, window.end)
        ours = (change for change in unseen if change.family in self.families)
        return heapq.merge(*streams, ours, key=lambda change: change.observed_at)

    def _counts(self, window: Window) -> Counter[str]:
        return few_statuses(Counter(change.status or NO_STATUS for change in self.changes(window)))

    def _outputs(self, troubled: Iterable[JobList]) -> dict[JobFacts, Output]:
        """Return what the troubled jobs processed that a person reads of."""
        first = [JobList(0, listed.jobs[:MOST_SHOWN]) for listed in troubled]
        found = self._of_rows(first, lambda row: (_key_of(row), output_of(row)))
        return {job: output for job, output in found.items() if output}

    def _of_rows(
        self, lists: Iterable[JobList], read: Callable[[Row], tuple[tuple[str, str], T]]
    ) -> dict[JobFacts, T]:
        """Return what `read` finds in the rows of the listed jobs, as far as they exist."""
        keys = {
            job: (self.ledger.partition(job.family), job.sort_key)
            for listed in lists
            for job in listed.jobs
        }
        wanted = [{"PK": partition, "SK": key} for partition, key in dict.fromkeys(keys.values())]
        found = dict(readable(self.ledger.table.batch_get(wanted), read))
        return {job: found[key] for job, key in keys.items() if key in found}


def _lists(changes: WindowChanges, current: CurrentTotals) -> dict[str, JobList]:
    shortlists = {
        "failed": changes.failed,
        "partial_success": changes.partial_success,
        "completed": changes.completed,
        "active": current.active,
        "long_running": current.long_running,
        "expiring_soon": current.expiring_soon,
    }
    return {name: JobList.of(shortlist) for name, shortlist in shortlists.items()}


def _details_of(row: Row) -> tuple[tuple[str, str], Details]:
    """Return the key of a row, and the details in its JSON."""
    job = json.loads(str(row["Job"]))
    return _key_of(row), Details(
        name=_encodable(job.get("JobName")),
        output=_encodable(s3_uri(job.get("OutputDataConfig"))),
    )


def _key_of(row: Row) -> tuple[str, str]:
    return str(row["PK"]), str(row["SK"])


def _encodable(text: str | None) -> str | None:
    """Return text without lone surrogates, which no message can carry."""
    return text and text.encode(errors="backslashreplace").decode()
