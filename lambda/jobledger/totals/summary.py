"""Counts, durations and deadlines of any number of jobs. No AWS calls.

`GET /summary` returns them; digests use the same definitions. Jobs are added one by one, from their rows, or
as counts. Only counts are kept.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from jobledger.jobs import Job
from jobledger.ledger.counts import (
    Counts,
    OutputTotals,
    Totals,
    counts_of_job,
    month_of,
    percentiles,
    readable,
)
from jobledger.ledger.job_facts import (
    MODELLED,
    MOST_NAMED,
    NO_STATUS,
    OTHER_STATUS,
    JobFacts,
    expires_between,
    is_active,
)
from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339, seconds_between

_EXPIRING_SOON = timedelta(days=7)
_DECIDED = (JobStatus.COMPLETED, JobStatus.PARTIAL_SUCCESS, JobStatus.FAILED)


class Durations(msgspec.Struct, frozen=True):
    """Seconds from SubmitTime to EndTime of finished jobs, within 1 %; None when no job has both times."""

    p50: float | None
    p90: float | None
    max: float | None


class OldestActive(msgspec.Struct, frozen=True):
    """The active job with the earliest submit time. `source` is as in `sources`."""

    job_id: str
    family: Family
    status: str | None
    submit_time: str
    age_seconds: float
    source: str | None = None


class Summary(msgspec.Struct, frozen=True):
    """The result of `Tally.summary`. `failure_rate` is None until a job completes or fails.

    `outputs` is what the jobs processed, by family and status; `characters` those of it for which the service
    bills, by submit month and family. Of all other families, statuses and months nothing is known.
    """

    total: int
    by_status: dict[str, int]
    by_family: dict[str, int]
    durations: Durations
    oldest_active: OldestActive | None
    expiring_soon: int
    failure_rate: float | None
    outputs: dict[Family, dict[str, OutputTotals]] = {}
    characters: dict[str, dict[Family, int]] = {}

    def to_json(self) -> dict[str, Any]:
        """Return the body of `GET /summary`, without its AsOf."""
        oldest = self.oldest_active
        return {
            "Total": self.total,
            "ByStatus": self.by_status,
            "ByFamily": self.by_family,
            "Durations": {
                "p50": self.durations.p50,
                "p90": self.durations.p90,
                "max": self.durations.max,
            },
            "OldestActive": oldest
            and {
                "JobId": oldest.job_id,
                "Family": oldest.family.value,
                "JobStatus": oldest.status or NO_STATUS,
                "SubmitTime": oldest.submit_time,
                "AgeSeconds": oldest.age_seconds,
            },
            "ExpiringSoon": self.expiring_soon,
            "FailureRate": self.failure_rate,
        }

    def output_json(self, prices: Mapping[Family, str]) -> dict[str, Any]:
        """Return what the jobs processed, for `GET /summary`. `prices` are those of 100 characters, as decimal text."""
        found: dict[str, Any] = {
            "ByFamily": {
                family.value: {status: totals.to_json() for status, totals in by_status.items()}
                for family, by_status in self.outputs.items()
            },
            "Characters": self.characters,
        }
        if prices:
            from decimal import Decimal  # few deployments have prices

            found["Cost"] = {
                month: {
                    family: f"{Decimal(characters) / 100 * Decimal(prices[family]):.2f}"
                    for family, characters in by_family.items()
                    if family in prices
                }
                for month, by_family in self.characters.items()
            }
        return found


class Tally:
    """Adds up jobs for a summary at `now`. Of counts, only those of `statuses` are added (empty: all)."""

    def __init__(self, now: datetime, statuses: Collection[str] = ()) -> None:
        self.at = rfc3339(now)
        self.expiring = 0
        self._soon = expiring_soon(now)
        self._statuses = statuses
        self._months: dict[str, Totals] = {}
        self._oldest: JobFacts | None = None

    def add_counts(self, family: Family, counts: Counts, day: str = "") -> None:
        """Add the counts of the jobs of a day or a month, or of all jobs.

        They do not tell which jobs are active or expire soon.
        """
        self._months.setdefault(month_of(day), Totals(self._statuses)).add(family, counts)

    def add_job(self, job: JobFacts) -> None:
        """Add one job."""
        self.add_counts(job.family, counts_of_job(job), Job.key_of(job.submit_time, ""))
        self.expiring += expires_between(job, *self._soon)
        self.see_active(job)

    def see_active(self, job: JobFacts) -> None:
        """Keep a job as the oldest active one if it is. It must already be counted."""
        if is_active(job) and (self._oldest is None or _before(job, self._oldest)):
            self._oldest = job

    def summary(self, families: Iterable[Family]) -> Summary:
        """Return the summary. `families` are listed even when they have no jobs."""
        totals = Totals(self._statuses)
        for month in self._months.values():
            totals.add_all(month)
        statuses = totals.by_status()
        buckets = totals.durations(Family)
        p50, p90, longest = percentiles(buckets, 50, 90, 100)
        return Summary(
            total=statuses.total(),
            by_status=every_status(statuses),
            by_family={family.value: 0 for family in families} | totals.by_family(),
            durations=Durations(_readable(p50), _readable(p90), _readable(longest)),
            oldest_active=_oldest(self._oldest, self.at),
            expiring_soon=self.expiring,
            failure_rate=_failure_rate(statuses),
            outputs=totals.outputs(),
            characters=self._characters(),
        )

    def _characters(self) -> dict[str, dict[Family, int]]:
        """Return the billed characters by month and family."""
        months = {month: self._months[month].outputs() for month in sorted(self._months)}
        return {
            month: {
                family: sum(one.characters for one in outputs[family].values())
                for family in outputs
            }
            for month, outputs in months.items()
            if outputs
        }


def summarise(
    jobs: Iterable[JobFacts], now: datetime, families: Iterable[Family] = tuple(Family)
) -> Summary:
    """Return the summary of jobs at `now`. `families` are listed even when they have no jobs."""
    tally = Tally(now)
    for job in jobs:
        tally.add_job(job)
    return tally.summary(families)


def expiring_soon(now: datetime) -> tuple[str, str]:
    """Return the seven days, from the start of this hour on, in which a job "expires soon".

    Whole hours are what the counters count.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    return rfc3339(hour), rfc3339(hour + _EXPIRING_SOON)


def few_statuses(counted: Counter[str]) -> Counter[str]:
    """Return the counts with the 20 most frequent statuses outside the model; OTHER counts the rest."""
    unmodelled = counted.keys() - MODELLED - {NO_STATUS, OTHER_STATUS}
    rest = sorted(unmodelled, key=lambda status: (-counted[status], status))[MOST_NAMED:]
    if not rest:
        return counted
    kept = Counter({status: counted[status] for status in counted.keys() - set(rest)})
    return kept + Counter({OTHER_STATUS: sum(counted[status] for status in rest)})


def every_status(counted: Counter[str]) -> dict[str, int]:
    """Return the counts with a zero for each modelled status that is absent; other statuses come last."""
    counted = few_statuses(counted)
    modelled = {status.value: counted[status.value] for status in JobStatus}
    return modelled | {status: counted[status] for status in sorted(counted.keys() - MODELLED)}


def _readable(seconds: float | None) -> float | None:
    return None if seconds is None else readable(seconds)


def _before(job: JobFacts, other: JobFacts) -> bool:
    """Whether a job was submitted before another, with the job id deciding between two of one time.

    A job without a submit time comes last.
    """
    if job.submit_time is None:
        return False
    return other.submit_time is None or _order(job) < _order(other)


def _order(job: JobFacts) -> tuple[str, str, str, str]:
    return job.submit_time or "", job.job_id, job.family, job.source or ""


def _oldest(job: JobFacts | None, at: str) -> OldestActive | None:
    if job is None or job.submit_time is None:
        return None
    age = max(seconds_between(job.submit_time, at), 0.0)
    return OldestActive(job.job_id, job.family, job.status, job.submit_time, age, job.source)


def _failure_rate(statuses: Counter[str]) -> float | None:
    """Return the share of FAILED among jobs that ran to completion. Stopped jobs do not count."""
    decided = sum(statuses[status] for status in _DECIDED)
    return round(statuses[JobStatus.FAILED] / decided, 4) if decided else None
