"""What is counted of each job, and the totals that follow from the counts. No AWS calls.

Counts are numbers by name. Jobs are counted by submit day, by submit month and altogether under these names:

| name              | counts |
|-------------------|--------|
| `Jobs#STATUS`     | jobs with this status |
| `D#BUCKET#STATUS` | ended jobs by the bucket of their duration |
| `Hour#07`         | by day only: jobs by submit hour |

and by expiration day under these:

| name                      | counts |
|---------------------------|--------|
| `08#2026-11-23T07#STATUS` | jobs by expiration hour and submit hour |

Days, months and hours are in UTC. A status comes last, because it can be any text.
"""

import functools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from math import ceil, log

from jobledger.jobs import Family, Job
from jobledger.ledger.job_facts import NO_STATUS, JobFacts, duration_of, has_ended

LAYOUT = 2
"""The version of these names and of the counter rows. Job rows say under which one they are counted."""

# Durations in bucket n are over _GROWTH ** (n - 1) and up to _GROWTH ** n milliseconds, so that any two of them
# differ by at most 1 %.
_GROWTH = 1.01
_ZERO = -1
_DAY, _HOUR = len("2027-03-23"), len("2027-03-23T08")

Counts = Mapping[str, int]


def submit_day(sort_key: str) -> str:
    """Return the day of a job's sort key, as `2026-11-23`."""
    return sort_key[:10]


def month_of(day: str) -> str:
    """Return the month of a day, as `2026-11`."""
    return day[:7]


def names_of(job: JobFacts) -> list[str]:
    """Return the names under which a job is counted in its submit day."""
    status = job.status or NO_STATUS
    names = [f"Jobs#{status}", f"Hour#{Job.key_of(job.submit_time, '')[11:13]}"]
    if has_ended(job) and (seconds := duration_of(job.submit_time, job.end_time)) is not None:
        names.append(f"D#{bucket_of(seconds)}#{status}")
    return names


def expiration_of(job: JobFacts) -> tuple[str, str] | None:
    """Return a job's expiration day, and the name under which it is counted there."""
    if not job.expiration_time:
        return None
    submitted = Job.key_of(job.submit_time, "")[:_HOUR]
    hour = job.expiration_time[11:13]
    return job.expiration_time[:_DAY], f"{hour}#{submitted}#{job.status or NO_STATUS}"


def expiration_parts(name: str) -> tuple[str, str, str]:
    """Return the expiration hour, the submit hour and the status of such a name."""
    hour, submitted, status = name.split("#", 2)
    return hour, submitted, status


def without_hours(counts: Counts) -> dict[str, int]:
    """Return what a day's counts add to those of its month, and of all jobs."""
    return {name: number for name, number in counts.items() if not name.startswith("Hour#")}


@functools.lru_cache(maxsize=10_000)
def parts_of(name: str) -> tuple[str, str, str]:
    """Return the kind of a count, the first part after it, and the rest. `Jobs` has only a status: the rest."""
    kind, _, rest = name.partition("#")
    if kind == "Jobs":
        return kind, "", rest
    first, _, rest = rest.partition("#")
    return kind, first, rest


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket of a duration; durations are exact to the millisecond."""
    milliseconds = round(seconds * 1000)
    return ceil(log(milliseconds) / log(_GROWTH) - 1e-9) if milliseconds > 0 else _ZERO


def seconds_of(bucket: int) -> float:
    """Return the duration in the middle of a bucket, within 0.5 % of each duration in it."""
    return _GROWTH ** (bucket - 0.5) / 1000 if bucket != _ZERO else 0.0


def percentile(buckets: Mapping[int, int], percent: int) -> float | None:
    """Return the nearest-rank percentile of counted durations within 0.5 %; None when there are none."""
    rank = max(ceil(sum(buckets.values()) * percent / 100), 1)
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank <= 0:
            return seconds_of(bucket)
    return None


def readable(seconds: float) -> float:
    """Return the duration with the fewest digits in the same bucket, within 1 % of each duration in it.

    A bucket has no two numbers of two digits, so that such a duration stands for itself.
    """
    shorter = (float(f"{seconds:.{digits}g}") for digits in (1, 2, 3, 4))
    return next((time for time in shorter if bucket_of(time) == bucket_of(seconds)), seconds)


class Totals:
    """The counts of any number of jobs, by family. With `statuses`, only of jobs with one of these."""

    def __init__(self, statuses: Collection[str] = ()) -> None:
        self._statuses = frozenset(statuses)
        self._jobs: dict[Family, Counter[str]] = {}
        self._seconds: dict[Family, Counter[int]] = {}

    def add(self, family: Family, counts: Counts) -> None:
        """Add the counts of a day, of a month, of all jobs or of one."""
        jobs = self._jobs.setdefault(family, Counter())
        seconds = self._seconds.setdefault(family, Counter())
        for name, number in counts.items():
            kind, bucket, status = parts_of(name)
            if self._statuses and status not in self._statuses:
                continue
            if kind == "D":
                seconds[int(bucket)] += number
            elif kind == "Jobs":
                jobs[status] += number

    def add_job(self, job: JobFacts) -> None:
        """Add one job."""
        self.add(job.family, dict.fromkeys(names_of(job), 1))

    def by_status(self) -> Counter[str]:
        """Return the jobs of all families by status, without zeros."""
        return +sum(self._jobs.values(), Counter())

    def by_family(self) -> dict[Family, int]:
        """Return the number of jobs of each family."""
        return {family: jobs.total() for family, jobs in self._jobs.items()}

    def durations(self, families: Iterable[Family]) -> Counter[int]:
        """Return the buckets of the durations of these families' jobs."""
        return +sum((self._seconds.get(family, Counter()) for family in families), Counter())
