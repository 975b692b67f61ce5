"""Counts, durations and deadlines, computed from the facts of any number of jobs. No AWS calls.

`GET /summary` returns the result of `summarise`; digests use the same definitions. Facts are streamed: only
counts are kept, and eight bytes for each finished job.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from jobledger.jobs import TERMINAL, Family, JobStatus
from jobledger.ledger.facts import JobFacts
from jobledger.times import rfc3339, seconds_between

EXPIRING_SOON = timedelta(days=7)
# The service's model requires no property. Jobs without a status are counted under this name.
NO_STATUS = "UNKNOWN"
_MODELLED = frozenset(JobStatus)
_DECIDED = (JobStatus.COMPLETED, JobStatus.PARTIAL_SUCCESS, JobStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds from SubmitTime to EndTime of finished jobs; None when no job has both times."""

    p50: float | None
    p90: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class OldestActive:
    """The active job with the earliest submit time."""

    job_id: str
    family: Family
    status: str | None
    submit_time: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of `summarise`. `failure_rate` is None until a job completes or fails."""

    total: int
    by_status: dict[str, int]
    by_family: dict[str, int]
    durations: Durations
    oldest_active: OldestActive | None
    expiring_soon: int
    failure_rate: float | None

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


def summarise(
    facts: Iterable[JobFacts], now: datetime, families: Iterable[Family] = tuple(Family)
) -> Summary:
    """Return the summary of jobs at `now`. `families` are listed even when they have no jobs."""
    at = rfc3339(now)
    soon = rfc3339(now + EXPIRING_SOON)
    statuses: Counter[str] = Counter()
    per_family: Counter[str] = Counter({family.value: 0 for family in families})
    durations = array("d")
    oldest: JobFacts | None = None
    expiring = 0
    for job in facts:
        statuses[job.status or NO_STATUS] += 1
        per_family[job.family.value] += 1
        expiring += expires_between(job, at, soon)
        if has_ended(job):
            if (seconds := duration_of(job.submit_time, job.end_time)) is not None:
                durations.append(seconds)
        elif oldest is None or _before(job, oldest):
            oldest = job
    ordered = sorted(durations)
    return Summary(
        total=statuses.total(),
        by_status=every_status(statuses),
        by_family=dict(per_family),
        durations=Durations(
            percentile(ordered, 50), percentile(ordered, 90), percentile(ordered, 100)
        ),
        oldest_active=_oldest(oldest, at),
        expiring_soon=expiring,
        failure_rate=_failure_rate(statuses),
    )


def every_status(counted: Counter[str]) -> dict[str, int]:
    """Return the counts with a zero for each modelled status that is absent; other statuses come last."""
    modelled = {status.value: counted[status.value] for status in JobStatus}
    return modelled | {status: counted[status] for status in sorted(counted.keys() - _MODELLED)}


def has_ended(job: JobFacts) -> bool:
    """Whether the job's status is final. A status outside the model is final when the job has an EndTime."""
    if job.status in _MODELLED:
        return job.status in TERMINAL
    return job.end_time is not None


def duration_of(submit_time: str | None, end_time: str | None) -> float | None:
    """Return a job's duration in seconds; None without both times, or when they are reversed."""
    if submit_time is None or end_time is None or end_time < submit_time:
        return None
    return seconds_between(submit_time, end_time)


def expires_between(job: JobFacts, start: str, end: str) -> bool:
    """Whether the service deletes the job's metadata after `start` and no later than `end`."""
    return job.expiration_time is not None and start < job.expiration_time <= end


def percentile(ordered: list[float], percent: int) -> float | None:
    """Return the nearest-rank percentile of values in ascending order; None when there are no values."""
    return ordered[max(ceil(len(ordered) * percent / 100), 1) - 1] if ordered else None


def _before(job: JobFacts, other: JobFacts) -> bool:
    """Whether a job was submitted before another. A job without a submit time comes last."""
    if job.submit_time is None:
        return False
    return other.submit_time is None or job.submit_time < other.submit_time


def _oldest(job: JobFacts | None, at: str) -> OldestActive | None:
    if job is None or job.submit_time is None:
        return None
    age = max(seconds_between(job.submit_time, at), 0.0)
    return OldestActive(job.job_id, job.family, job.status, job.submit_time, age)


def _failure_rate(statuses: Counter[str]) -> float | None:
    """Return the share of FAILED among jobs that ran to completion. Stopped jobs do not count."""
    decided = sum(statuses[status] for status in _DECIDED)
    return round(statuses[JobStatus.FAILED] / decided, 4) if decided else None
