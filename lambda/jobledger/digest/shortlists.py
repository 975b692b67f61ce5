"""Counts and job lists of a digest, collected from streams in bounded memory. No AWS calls."""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from jobledger.ledger.job_facts import NO_STATUS, JobFacts
from jobledger.ledger.rows import Change
from jobledger.service import Family, JobStatus
from jobledger.times import seconds_between

# No message has room for more: an entry has at least 150 bytes.
LONGEST_LIST = 1_750

OldestFirst = Callable[[JobFacts], str]


class Shortlist:
    """The first jobs of any number in key order; `total` counts all added jobs."""

    def __init__(
        self, key: OldestFirst, *, descending: bool = False, limit: int = LONGEST_LIST
    ) -> None:
        self._key = key
        self._descending = descending
        self._limit = limit
        self._jobs: list[JobFacts] = []
        self.total = 0

    def add(self, job: JobFacts) -> None:
        """Add a job. At twice the limit, the jobs behind the first ones are dropped, so memory stays bounded."""
        self.total += 1
        self._jobs.append(job)
        if len(self._jobs) >= 2 * self._limit:
            self._jobs = self.jobs()

    def jobs(self) -> list[JobFacts]:
        """Return the first jobs in order."""
        ordered = sorted(self._jobs, key=lambda job: (job.job_id, job.source or ""))
        return sorted(ordered, key=self._key, reverse=self._descending)[: self._limit]


def _newest_end_first(limit: int = LONGEST_LIST) -> Shortlist:
    return Shortlist(lambda job: job.end_time or "", descending=True, limit=limit)


class WindowChanges(msgspec.Struct):
    """The changes in a window: how often each status was reached, by family, and by which jobs."""

    counts: Counter[str] = msgspec.field(default_factory=Counter)
    families: set[Family] = msgspec.field(default_factory=set)
    failed: Shortlist = msgspec.field(default_factory=_newest_end_first)
    partial_success: Shortlist = msgspec.field(default_factory=_newest_end_first)
    completed: Shortlist = msgspec.field(default_factory=_newest_end_first)

    @classmethod
    def gather(cls, changes: Iterable[Change]) -> "WindowChanges":
        """Count and list changes."""
        gathered = cls()
        for change in changes:
            gathered.add(change)
        return gathered

    def add(self, change: Change) -> None:
        """Count and list one change."""
        self.counts[change.status or NO_STATUS] += 1
        self.families.add(change.family)
        if change.status == JobStatus.COMPLETED:
            self.completed.add(_facts_of(change))
        elif change.status == JobStatus.FAILED:
            self.failed.add(_facts_of(change))
        elif change.status == JobStatus.PARTIAL_SUCCESS:
            self.partial_success.add(_facts_of(change))


def gather_by_source(
    changes: Iterable[Change], own: str, limit: int
) -> tuple[WindowChanges, dict[str, WindowChanges]]:
    """Count and list changes altogether, and by source, of each the first `limit` jobs. `own` is the own source."""
    together, by_source = WindowChanges(), dict[str, WindowChanges]()
    for change in changes:
        together.add(change)
        source = change.source or own
        if source not in by_source:
            lists = (_newest_end_first(limit) for _ in range(3))
            by_source[source] = WindowChanges(Counter(), set(), *lists)
        by_source[source].add(change)
    return together, by_source


def age_of(job: JobFacts, at: str) -> float | None:
    """Return the seconds since a job was submitted; None when the submit time is unknown."""
    return None if job.submit_time is None else max(seconds_between(job.submit_time, at), 0.0)


def _facts_of(change: Change) -> JobFacts:
    return JobFacts(
        family=change.family,
        job_id=change.job_id,
        status=change.status,
        submit_time=change.submit_time,
        end_time=change.end_time,
        expiration_time=None,
        source=change.source,
    )
