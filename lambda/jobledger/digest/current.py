"""Reads what a digest says of the current jobs: totals, active jobs, and jobs that expire soon.

Complete counters of a family cost the same to read for any number of jobs. An older version wrote rows
without counters: the families of such rows are read job by job.
"""

from collections import Counter
from datetime import datetime

import msgspec

from jobledger.digest.shortlists import LONGEST_LIST, Shortlist, age_of
from jobledger.ledger.counters import all_jobs
from jobledger.ledger.counts import OutputTotals, Totals
from jobledger.ledger.job_facts import JobFacts, expires_between, is_active
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.expirations import count_expiring, first_to_expire, read_expiring
from jobledger.totals.read import States, active_jobs, counted_families, read_active, read_usual
from jobledger.totals.rules import runs_long
from jobledger.totals.scan import read_facts
from jobledger.totals.summary import expiring_soon

# The e-mail lists at most ten jobs of a kind. Their total is exact without reading the others.
_EXPIRING_LISTED = 10


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
    reading = _Reading(ledger, states, now)
    counted = counted_families(states, families)
    if counted:
        reading.add_counted(counted)
    rest = tuple(family for family in families if family not in counted)
    if rest:
        for job in read_facts(ledger, JobQuery(families=rest, order="ascending")):
            reading.add_job(job)
    return reading.result()


class _Reading:
    def __init__(self, ledger: Ledger, states: States, now: datetime) -> None:
        self._ledger = ledger
        self._states = states
        self._now, self._soon = now, expiring_soon(now)
        self._totals = Totals()
        self._active = Shortlist(_submit_time)
        self._active_by_source: Counter[str] = Counter()
        self._expiring = Shortlist(lambda job: job.expiration_time or "", limit=_EXPIRING_LISTED)

    def add_job(self, job: JobFacts) -> None:
        """Add one job from its row."""
        self._totals.add_job(job)
        if expires_between(job, *self._soon):
            self._expiring.add(job)
        if is_active(job):
            self._add_active(job)

    def add_counted(self, families: tuple[Family, ...]) -> None:
        """Add the jobs of families from their counters."""
        for row in all_jobs(self._ledger.table, self._ledger.scope):
            if row.family in families:
                self._totals.add(row.family, row.counts)
        expiring = read_expiring(self._ledger, families, *self._soon)
        for job in first_to_expire(self._ledger, expiring, _EXPIRING_LISTED):
            self._expiring.add(job)
        self._expiring.total = count_expiring(expiring)
        active = active_jobs(self._ledger, self._states, families)
        for job in read_active(self._ledger, active[:LONGEST_LIST], lambda: None):
            self._add_active(job)
        self._active.total += len(active[LONGEST_LIST:])
        self._active_by_source.update(
            job.source or self._ledger.scope for _, job in active[LONGEST_LIST:]
        )

    def _add_active(self, job: JobFacts) -> None:
        self._active.add(job)
        self._active_by_source[job.source or self._ledger.scope] += 1

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
        # Most digests have no old job, and need no durations.
        old = [job for job, age in ages.items() if runs_long(age, None)]
        families = {job.family for job in old}
        usual = read_usual(self._ledger, self._states, families, self._now)
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
