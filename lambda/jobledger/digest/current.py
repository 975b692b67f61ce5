"""Reads what a digest says of the current jobs: totals, active jobs, and jobs that expire soon.

Families with complete counters cost the same whatever the number of their jobs. The others, whose rows were
written by an older version, are read from their rows.
"""

from collections import Counter
from datetime import datetime, timedelta

import msgspec

from jobledger.digest.totals import LONGEST_LIST, Shortlist, age_of
from jobledger.jobs import Family, Job
from jobledger.ledger.counters import days, months
from jobledger.ledger.expirations import Expirations
from jobledger.ledger.facts import read_facts
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.job_facts import JobFacts, expires_between, is_active
from jobledger.ledger.overview import States, active_jobs, counted_families
from jobledger.ledger.summary import EXPIRING_SOON
from jobledger.ledger.totals import Totals, percentile, submit_day
from jobledger.ledger.writing import Ledger
from jobledger.times import rfc3339

LONG_RUNNING_SECONDS = 3600.0
_LONG_RUNNING_PERCENTILE = 95
# Today and the 29 days before it, by submit time in UTC.
_RECENT = timedelta(days=29)
_LAST_DAY = "~"


class CurrentTotals(msgspec.Struct, frozen=True):
    """Jobs by status, active jobs, long-running jobs, and jobs that expire soon."""

    totals: Counter[str]
    active: Shortlist
    long_running: Shortlist
    expiring_soon: Shortlist


def read_current_totals(
    ledger: Ledger, families: tuple[Family, ...], states: States, now: datetime
) -> CurrentTotals:
    """Count and list the jobs of these families. Raises LedgerUnavailable.

    A job is long-running when it is active for longer than 95 of 100 jobs of its family that were submitted in
    the last 30 days and have ended, but never in its first hour.
    """
    reading = _Reading(now)
    counted = counted_families(states, families)
    if counted:
        reading.add_counted(ledger, counted, states)
    rest = tuple(family for family in families if family not in counted)
    if rest:
        for job in read_facts(ledger, JobQuery(families=rest, order="ascending")):
            reading.add_job(job)
    return reading.result()


class _Reading:
    def __init__(self, now: datetime) -> None:
        self._at, self._soon = rfc3339(now), rfc3339(now + EXPIRING_SOON)
        self._first_recent_day = submit_day(rfc3339(now - _RECENT))
        self._totals, self._recent = Totals(), Totals()
        self._active = Shortlist(_submit_time)
        self._expiring = Shortlist(lambda job: job.expiration_time or "")

    def add_job(self, job: JobFacts) -> None:
        """Add one job from its row."""
        self._totals.add_job(job)
        if submit_day(Job.key_of(job.submit_time, job.job_id)) >= self._first_recent_day:
            self._recent.add_job(job)
        if expires_between(job, self._at, self._soon):
            self._expiring.add(job)
        if is_active(job):
            self._active.add(job)

    def add_counted(self, ledger: Ledger, families: tuple[Family, ...], states: States) -> None:
        """Add the jobs of families from their counters."""
        expirations = Expirations(families, self._at, self._soon)
        for row in months(ledger.table, ledger.scope):
            if row.family in families:
                self._totals.add(row.family, row.counts)
                expirations.add_month(row)
        for row in days(ledger.table, ledger.scope, self._first_recent_day, _LAST_DAY):
            if row.family in families:
                self._recent.add(row.family, row.counts)
        number, jobs = expirations.read(ledger, LONGEST_LIST)
        for job in jobs:
            self._expiring.add(job)
        self._expiring.total += number - len(jobs)
        for job in active_jobs(ledger, states, families):
            self._active.add(job)

    def result(self) -> CurrentTotals:
        """Return the totals, and the long-running among the active jobs."""
        long_running = Shortlist(_submit_time)
        for job in self._active.jobs():
            age = age_of(job, self._at)
            if age is not None and age > self._usual(job.family):
                long_running.add(job)
        return CurrentTotals(self._totals.by_status(), self._active, long_running, self._expiring)

    def _usual(self, family: Family) -> float:
        usual = percentile(self._recent.durations([family]), _LONG_RUNNING_PERCENTILE)
        return max(usual or 0.0, LONG_RUNNING_SECONDS)


def _submit_time(job: JobFacts) -> str:
    return job.submit_time or ""
