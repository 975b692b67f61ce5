"""What is counted of each job, and the totals that follow from the counts. No AWS calls.

Counts are numbers by name. The names of a day's counts, and of a month's:

| name                         | counts |
|------------------------------|--------|
| `Jobs#STATUS`                | jobs with this status |
| `D#BUCKET#STATUS`            | ended jobs by the bucket of their duration |
| `E#2027-03-23T08#07#STATUS`  | day only: jobs by expiration hour and submit hour |
| `E#2027-03-23#STATUS`        | month only: jobs by expiration day |
| `Hour#07`                    | day only: jobs by submit hour |

Day, month and hour are those of the job's submit time in UTC. A status comes last, because it can be any
text. The frequent names are short, so that the months of three years are one or two megabytes.
"""

import functools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from math import ceil, log

from jobledger.jobs import Family, Job
from jobledger.ledger.job_facts import NO_STATUS, JobFacts, duration_of, has_ended

LAYOUT = 1
"""The version of these names and of the counter rows. Job rows say under which one they are counted."""

# Durations in bucket n are over _GROWTH ** (n - 1) and up to _GROWTH ** n milliseconds, so that any two of them
# differ by at most 1 %.
_GROWTH = 1.01
_ZERO = -1
_DAY = len("2027-03-23")

Counts = Mapping[str, int]


def submit_day(sort_key: str) -> str:
    """Return the day of a job's sort key, as `2026-11-23`."""
    return sort_key[:10]


def month_of(day: str) -> str:
    """Return the month of a day, as `2026-11`."""
    return day[:7]


def names_of(job: JobFacts) -> list[str]:
    """Return the names under which a job is counted in its day."""
    status = job.status or NO_STATUS
    hour = Job.key_of(job.submit_time, "")[11:13]
    names = [f"Jobs#{status}", f"Hour#{hour}"]
    if has_ended(job) and (seconds := duration_of(job.submit_time, job.end_time)) is not None:
        names.append(f"D#{bucket_of(seconds)}#{status}")
    if job.expiration_time:
        names.append(f"E#{job.expiration_time[:13]}#{hour}#{status}")
    return names


def monthly(counts: Counts) -> Counter[str]:
    """Return a month's counts for the counts of a day."""
    month: Counter[str] = Counter()
    for name, number in counts.items():
        kind, hour, rest = parts_of(name)
        if kind == "E":
            month[f"E#{hour[:_DAY]}#{rest.partition('#')[2]}"] += number
        elif kind != "Hour":
            month[name] += number
    return month


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
        """Add the counts of a day, of a month or of one job."""
        jobs = self._jobs.setdefault(family, Counter())
        seconds = self._seconds.setdefault(family, Counter())
        for name, number in counts.items():
            kind, bucket, status = parts_of(name)
            if kind == "Jobs" and self._selects(status):
                jobs[status] += number
            elif kind == "D" and self._selects(status):
                seconds[int(bucket)] += number

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

    def _selects(self, status: str) -> bool:
        return not self._statuses or status in self._statuses
