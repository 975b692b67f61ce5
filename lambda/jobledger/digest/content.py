"""The contents of a digest, read from the ledger: changes in a window, and current totals."""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec

from jobledger.digest.current import CurrentTotals, read_current_totals
from jobledger.digest.shortlists import WindowChanges
from jobledger.digest.windows import Window, digest_id
from jobledger.jobs import s3_uri
from jobledger.ledger.as_of import oldest
from jobledger.ledger.counts import OutputTotals
from jobledger.ledger.job_facts import NO_STATUS, JobFacts
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output, output_of
from jobledger.ledger.rows import Change
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Row
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.rules import is_stale
from jobledger.totals.summary import few_statuses

MOST_SHOWN = 10
"""The jobs of each list that a person reads of."""
T = TypeVar("T")


class Verdict(StrEnum):
    """Whether a person needs to act. STALE means that the ledger is out of date."""

    OK = "OK"
    ATTENTION = "ATTENTION"
    STALE = "STALE"


class Details(msgspec.Struct, frozen=True):
    """The properties that `includeJobDetails` adds to a job; None when the service omits them."""

    name: str | None
    output: str | None


class JobList(msgspec.Struct, frozen=True):
    """The first jobs of a list, and the total number of jobs."""

    total: int
    jobs: tuple[JobFacts, ...]


class Digest(msgspec.Struct, frozen=True):
    """The contents of one digest, before truncation and rendering.

    `as_of` is when the ledger last agreed with the service, None when it never did. `previous` has the counts
    of the preceding window of equal length, None when the ledger is younger than that window. `details` is
    empty unless the setting allows it. `processed` is what all jobs processed, by family and status, and `outputs`
    what the first failed and partial ones did, as far as it is known.
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

    @property
    def digest_id(self) -> str:
        """The id of the digest, the same for every digest of this window."""
        return digest_id(self.scope, self.window)

    @property
    def account(self) -> str:
        """The AWS account of the ledger."""
        return self.scope.partition("/")[0]

    @property
    def region(self) -> str:
        """The region of the ledger."""
        return self.scope.partition("/")[2]

    @property
    def verdict(self) -> Verdict:
        """STALE takes precedence: an outdated ledger cannot report OK."""
        if self.stale:
            return Verdict.STALE
        needs_a_person = self.failed.total or self.partial_success.total or self.long_running.total
        return Verdict.ATTENTION if needs_a_person else Verdict.OK

    @property
    def has_failures(self) -> bool:
        """Whether a job failed, completely or in part."""
        return bool(self.failed.total or self.partial_success.total)


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
        self._ledger = ledger
        self._families = families
        self._sync_minutes = sync_minutes
        self._include_details = include_details
        self._include_outputs = include_outputs

    def earliest_change(self, end: str) -> str | None:
        """Return the time of the first change before `end`."""
        firsts = (next(self._ledger.changes(f, "0", end), None) for f in self._families)
        return min((change.observed_at for change in firsts if change), default=None)

    def read(
        self, window: Window, now: datetime, *, first_start: str | None, covers_gap: bool
    ) -> Digest:
        """Return the contents of the digest of a closed window. Raises LedgerUnavailable.

        `first_start` is the start of the ledger's first window; earlier windows have no counts to compare.
        """
        changes = WindowChanges.gather(self._changes(window))
        before = window.before()
        comparable = first_start is not None and first_start <= before.start
        states = self._ledger.states()
        current = read_current_totals(self._ledger, self._families, states, now)
        as_of = oldest({family: state.as_of for family, state in states.items()}, self._families)
        lists = _lists(changes, current)
        return Digest(
            scope=self._ledger.scope,
            families=self._families,
            window=window,
            now=rfc3339(now),
            as_of=as_of,
            stale=is_stale(as_of, self._sync_minutes, now),
            covers_gap=covers_gap,
            counts=few_statuses(changes.counts),
            previous=self._counts(before) if comparable else None,
            totals=few_statuses(current.totals),
            changed_families=tuple(f for f in self._families if f in changes.families),
            details=self._of_rows(lists.values(), _details_of) if self._include_details else {},
            processed=current.processed,
            outputs=self._outputs(lists) if self._include_outputs else {},
            **lists,
        )

    def _changes(self, window: Window) -> Iterable[Change]:
        """Stream the changes of all families in the order of observation.

        A first fill announces no changes for the jobs that it finds. Those that have ended count as a change
        at their EndTime, so that the first digest has them.
        """
        streams = (self._ledger.changes(f, window.start, window.end) for f in self._families)
        unseen = self._ledger.ended_unseen(window.start, window.end)
        ours = (change for change in unseen if change.family in self._families)
        return heapq.merge(*streams, ours, key=lambda change: change.observed_at)

    def _counts(self, window: Window) -> Counter[str]:
        return few_statuses(Counter(change.status or NO_STATUS for change in self._changes(window)))

    def _outputs(self, lists: Mapping[str, JobList]) -> dict[JobFacts, Output]:
        """Return what the troubled jobs processed that a person reads of."""
        first = [
            JobList(0, lists[name].jobs[:MOST_SHOWN]) for name in ("failed", "partial_success")
        ]
        found = self._of_rows(first, lambda row: (_key_of(row), output_of(row)))
        return {job: output for job, output in found.items() if output}

    def _of_rows(
        self, lists: Iterable[JobList], read: Callable[[Row], tuple[tuple[str, str], T]]
    ) -> dict[JobFacts, T]:
        """Return what `read` finds in the rows of the listed jobs, as far as they exist."""
        keys = {
            job: (self._ledger.partition(job.family), job.sort_key)
            for listed in lists
            for job in listed.jobs
        }
        wanted = [{"PK": partition, "SK": key} for partition, key in dict.fromkeys(keys.values())]
        found = dict(readable(self._ledger.table.batch_get(wanted), read))
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
    return {name: JobList(s.total, tuple(s.jobs())) for name, s in shortlists.items()}


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
