"""Reads what a digest says of the current jobs: totals, active jobs, and jobs that expire soon.

Complete counters of a family cost the same to read for any number of jobs. An older version wrote rows
without counters: the families of such rows are read job by job.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from functools import partial

import msgspec

from jobledger.digest.shortlists import LONGEST_LIST, Shortlist, age_of
from jobledger.ledger.counters import CounterRow, all_jobs
from jobledger.ledger.counts import OutputTotals, Totals
from jobledger.ledger.job_facts import JobFacts, expires_between, is_active
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.expirations import count_expiring, first_to_expire, read_expiring
from jobledger.totals.read import (
    States,
    Usual,
    active_jobs,
    counted_families,
    read_active,
    read_usual,
)
from jobledger.totals.rules import runs_long
from jobledger.totals.scan import read_facts
from jobledger.totals.side_by_side import side_by_side
from jobledger.totals.summary import expiring_soon

# The e-mail lists at most ten jobs of a kind. Their total is exact without reading the others.
EXPIRING_LISTED = 10


class CurrentTotals(msgspec.Struct, frozen=True):
    """Jobs by status, what they processed, active jobs, long-running jobs, and jobs that expire soon."""

    totals: Counter[str]
    processed: dict[Family, dict[str, OutputTotals]]
    active: Shortlist
    long_running: Shortlist
    expiring_soon: Shortlist
    active_by_source: Counter[str]


def read_current_totals(
    ledger: Ledger, families: tuple[Family, ...], states: States, now: datetime
) -> CurrentTotals:
    """Count and list the jobs of these families. Raises LedgerUnavailable."""
    reading = CurrentReading(ledger, UsualDurations(ledger, states, now), now)
    counted = counted_families(states, families)
    if counted:
        expiring, totals, active = side_by_side(
            partial(read_expiring, ledger, counted, *expiring_soon(now)),
            lambda: [*all_jobs(ledger.table, ledger.scope)],
            partial(active_jobs, ledger, states, counted),
        )
        first = first_to_expire(ledger, expiring, EXPIRING_LISTED)
        rows = (row for row in totals if row.family in counted)
        reading.add_counted(rows, expiring, first)
        for job in read_active(ledger, active[:LONGEST_LIST], lambda: None):
            reading.add_active(job)
        for _, more in active[LONGEST_LIST:]:
            reading.count_active(more.source)
    for job in read_uncounted(ledger, families, counted):
        reading.add_job(job)
    return reading.result()


def read_uncounted(
    ledger: Ledger, families: tuple[Family, ...], counted: tuple[Family, ...]
) -> Iterator[JobFacts]:
    """Yield the jobs of those of some families that no counters have."""
    if rest := tuple(family for family in families if family not in counted):
        yield from read_facts(ledger, JobQuery(families=rest, order="ascending"))


class UsualDurations:
    """How long the jobs of families usually take. Most digests have no old job, and need none of them."""

    def __init__(self, ledger: Ledger, states: States, now: datetime) -> None:
        self._read = partial(read_usual, ledger, states, now=now)
        self._usual: dict[Family, Usual] = {}

    def of(self, families: set[Family]) -> dict[Family, Usual]:
        """Return those of some families, read once."""
        if new := families - self._usual.keys():
            self._usual |= self._read(new)
        return self._usual


class CurrentReading:
    """Adds up the current jobs of a ledger, or of one of its sources."""

    def __init__(self, ledger: Ledger, usual: UsualDurations, now: datetime) -> None:
        self._ledger = ledger
        self._usual = usual
        self._now, self._soon = now, expiring_soon(now)
        self._totals = Totals()
        self._active = Shortlist(_submit_time)
        self._active_by_source: Counter[str] = Counter()
        self._expiring = Shortlist(lambda job: job.expiration_time or "", limit=EXPIRING_LISTED)

    def add_job(self, job: JobFacts) -> None:
        """Add one job from its row."""
        self._totals.add_job(job)
        if expires_between(job, *self._soon):
            self._expiring.add(job)
        if is_active(job):
            self.add_active(job)

    def add_counted(
        self,
        totals: Iterable[CounterRow],
        expiring: Collection[CounterRow],
        first_expiring: Iterable[JobFacts],
    ) -> None:
        """Add jobs from their counters: all of them, and those that expire soon, with the first of these."""
        for row in totals:
            self._totals.add(row.family, row.counts)
        known = self._expiring.total
        for job in first_expiring:
            self._expiring.add(job)
        self._expiring.total = known + count_expiring(expiring)

    def add_active(self, job: JobFacts) -> None:
        """Add one active job."""
        self._active.add(job)
        self._active_by_source[job.source or self._ledger.scope] += 1

    def count_active(self, source: str | None) -> None:
        """Count an active job for which no list has room."""
        self._active.total += 1
        self._active_by_source[source or self._ledger.scope] += 1

    def result(self) -> CurrentTotals:
        """Return the totals, and the long-running among the active jobs.

        Nothing is known of an active job whose source is no longer synced.
        """
        at = rfc3339(self._now)
        ages = {
            job: age_of(job, at) or 0.0
            for job in self._active.jobs()
            if (job.source or self._ledger.scope) in self._ledger.sources
        }
        old = [job for job, age in ages.items() if runs_long(age, None)]
        usual = self._usual.of({job.family for job in old})
        long_running = Shortlist(_submit_time)
        for job in old:
            if runs_long(ages[job], usual[job.family].p95):
                long_running.add(job)
        return CurrentTotals(
            totals=self._totals.by_status(),
            processed=self._totals.outputs(),
            active=self._active,
            long_running=long_running,
            expiring_soon=self._expiring,
            active_by_source=self._active_by_source,
        )


def _submit_time(job: JobFacts) -> str:
    return job.submit_time or ""
