"""Reads what a digest says of the current jobs: totals, active jobs, and jobs that expire soon.

Families with complete counters cost the same whatever the number of their jobs. The others, whose rows were
written by an older version, are read from their rows.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from jobledger.digest.totals import LONGEST_LIST, Shortlist, age_of
from jobledger.jobs import Family, Job
from jobledger.ledger.counters import all_jobs, chosen_days
from jobledger.ledger.expirations import count_expiring, first_to_expire, read_expiring
from jobledger.ledger.facts import read_facts
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.job_facts import JobFacts, expires_between, is_active
from jobledger.ledger.overview import States, active_jobs, counted_families, read_active
from jobledger.ledger.summary import expiring_soon
from jobledger.ledger.totals import Totals, percentile, submit_day
from jobledger.ledger.writing import Ledger
from jobledger.times import rfc3339

LONG_RUNNING_SECONDS = 3600.0
_LONG_RUNNING_PERCENTILE = 95
# Today and the 29 days before it, by submit time in UTC.
_RECENT_DAYS = 30
# As many as the e-mail lists of any kind of job. The digest has their exact number in any case.
_EXPIRING_LISTED = 10


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
    reading = _Reading(ledger, now)
    counted = counted_families(states, families)
    if counted:
        reading.add_counted(counted, states)
    rest = tuple(family for family in families if family not in counted)
    if rest:
        for job in read_facts(ledger, JobQuery(families=rest, order="ascending")):
            reading.add_job(job)
    return reading.result()


class _Reading:
    def __init__(self, ledger: Ledger, now: datetime) -> None:
        self._ledger = ledger
        self._at, self._soon = rfc3339(now), expiring_soon(now)
        self._recent_days = {
            submit_day(rfc3339(now - timedelta(days=age))) for age in range(_RECENT_DAYS)
        }
        self._totals, self._recent = Totals(), Totals()
        self._active = Shortlist(_submit_time)
        self._expiring = Shortlist(lambda job: job.expiration_time or "", limit=_EXPIRING_LISTED)
        self._counted: tuple[Family, ...] = ()

    def add_job(self, job: JobFacts) -> None:
        """Add one job from its row."""
        self._totals.add_job(job)
        if submit_day(Job.key_of(job.submit_time, job.job_id)) in self._recent_days:
            self._recent.add_job(job)
        if expires_between(job, *self._soon):
            self._expiring.add(job)
        if is_active(job):
            self._active.add(job)

    def add_counted(self, families: tuple[Family, ...], states: States) -> None:
        """Add the jobs of families from their counters."""
        self._counted = families
        for row in all_jobs(self._ledger.table, self._ledger.scope):
            if row.family in families:
                self._totals.add(row.family, row.counts)
        expiring = read_expiring(self._ledger, families, *self._soon)
        for job in first_to_expire(self._ledger, expiring, _EXPIRING_LISTED):
            self._expiring.add(job)
        self._expiring.total = count_expiring(expiring)
        active = active_jobs(self._ledger, states, families)
        for job in read_active(self._ledger, active[:LONGEST_LIST], lambda: None):
            self._active.add(job)
        self._active.total += len(active[LONGEST_LIST:])

    def result(self) -> CurrentTotals:
        """Return the totals, and the long-running among the active jobs."""
        ages = {job: age_of(job, self._at) or 0.0 for job in self._active.jobs()}
        old = [job for job, age in ages.items() if age > LONG_RUNNING_SECONDS]
        families = {job.family for job in old}
        self._add_recent(families.intersection(self._counted))
        usual = {family: self._usual(family) for family in families}
        long_running = Shortlist(_submit_time)
        for job in old:
            if ages[job] > usual[job.family]:
                long_running.add(job)
        return CurrentTotals(self._totals.by_status(), self._active, long_running, self._expiring)

    def _add_recent(self, families: Collection[Family]) -> None:
        """Add the durations of recent jobs, with which old active jobs are compared; most digests need none."""
        table, scope = self._ledger.table, self._ledger.scope
        for family in families:
            for row in chosen_days(table, scope, family, self._recent_days):
                self._recent.add(family, row.counts)

    def _usual(self, family: Family) -> float:
        return percentile(self._recent.durations([family]), _LONG_RUNNING_PERCENTILE) or 0.0


def _submit_time(job: JobFacts) -> str:
    return job.submit_time or ""
