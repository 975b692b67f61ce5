"""What is counted of each job, and the totals that follow from the counts. No AWS calls.

Counts are numbers by name. Jobs are counted by submit day, by submit month and altogether under these names:

| name              | counts |
|-------------------|--------|
| `Jobs#STATUS`     | jobs with this status; of statuses outside the model, `OTHER` counts all but some (`counters`) |
| `D#BUCKET#STATUS` | ended jobs by the bucket of their duration |
| `Hour#07`         | by day only: jobs by submit hour |
| `F#STATUS`        | input files of the jobs whose manifest was read |
| `U#STATUS`        | the files of these jobs that were not processed |
| `C#STATUS`        | the characters of these for which the service bills |

and by expiration period under these:

| name                      | counts |
|---------------------------|--------|
| `08#2026-11-23T07#STATUS` | jobs by expiration hour and submit hour |

Days, months and hours are in UTC. A status comes last, because it can be any text. Durations, expirations
and outputs have only those of the model, `UNKNOWN` and `OTHER`, so that their number is bounded whatever the service returns.
"""

import functools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate
from math import ceil, log

import msgspec

from jobledger.jobs import Job
from jobledger.ledger.job_facts import (
    MODELLED,
    NO_STATUS,
    OTHER_STATUS,
    JobFacts,
    duration_of,
    has_ended,
)
from jobledger.service import Family

LAYOUT = 3
"""The version of these names and of the counter rows. Job rows say under which one they are counted."""

# Durations in bucket n are over _GROWTH ** (n - 1) and up to _GROWTH ** n milliseconds, so that any two of them
# differ by at most 1 %.
_GROWTH = 1.01
_ZERO = -1
_COUNT = re.compile(
    r"Jobs#.*|Hour#\d\d|D#-?\d+#.*|[FUC]#.*|\d\d#\d{4}-\d\d-\d\dT\d\d#.*", re.ASCII | re.DOTALL
)
_DAY, _HOUR = len("2027-03-23"), len("2027-03-23T08")

Counts = Mapping[str, int]


def submit_day(sort_key: str) -> str:
    """Return the day of a job's sort key, as `2026-11-23`."""
    return sort_key[:10]


def month_of(day: str) -> str:
    """Return the month of a day, as `2026-11`."""
    return day[:7]


def counts_of_job(job: JobFacts) -> dict[str, int]:
    """Return what a job adds to the counts of its submit day."""
    counts = dict.fromkeys(_names_of(job), 1)
    if job.output:
        kind = _kind_of(job)
        numbers = (job.output.input_files, job.output.unprocessed_files, job.output.characters)
        counts |= {f"{of}#{kind}": n for of, n in zip("FUC", numbers, strict=True) if n}
    return counts


def _names_of(job: JobFacts) -> list[str]:
    status = job.counted_as or job.status or NO_STATUS
    names = [f"Jobs#{status}", f"Hour#{Job.key_of(job.submit_time, '')[11:13]}"]
    if has_ended(job) and (seconds := duration_of(job.submit_time, job.end_time)) is not None:
        names.append(f"D#{bucket_of(seconds)}#{_kind_of(job)}")
    return names


def expiration_of(job: JobFacts) -> tuple[str, str] | None:
    """Return a job's expiration period, and the name under which it is counted there."""
    if not job.expiration_time:
        return None
    submitted = Job.key_of(job.submit_time, "")[:_HOUR]
    hour = job.expiration_time[11:13]
    period = expiration_period(job.expiration_time, submitted)
    return period, f"{hour}#{submitted}#{_kind_of(job)}"


def expiration_period(expiration_time: str, submitted: str) -> str:
    """Return the expiration day and the submit day of a job.

    So each period has jobs of one submit day, whatever the number of jobs that expire on one day.
    """
    return f"{expiration_time[:_DAY]}~{submitted[:_DAY]}"


def _kind_of(job: JobFacts) -> str:
    """Return the job's status, if it is one of the few that are always counted by name."""
    status = job.status or NO_STATUS
    return status if status in MODELLED or status == NO_STATUS else OTHER_STATUS


def expiration_parts(name: str) -> tuple[str, str, str]:
    """Return the expiration hour, the submit hour and the status of such a name."""
    hour, _, rest = name.partition("#")
    submitted, _, status = rest.partition("#")
    return hour, submitted, status


@functools.lru_cache(maxsize=10_000)
def is_count(name: str) -> bool:
    """Whether an attribute of a counter row has a name of these tables."""
    return _COUNT.fullmatch(name) is not None


def without_hours(counts: Counts) -> dict[str, int]:
    """Return what a day's counts add to those of its month, and of all jobs."""
    return {name: number for name, number in counts.items() if not name.startswith("Hour#")}


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket of a duration; durations are exact to the millisecond."""
    milliseconds = round(seconds * 1000)
    return ceil(log(milliseconds) / log(_GROWTH) - 1e-9) if milliseconds > 0 else _ZERO


def seconds_of(bucket: int) -> float:
    """Return the duration in the middle of a bucket, within 0.5 % of each duration in it."""
    return _GROWTH ** (bucket - 0.5) / 1000 if bucket != _ZERO else 0.0


def nearest_rank(number: int, percent: int) -> int:
    """Return which of so many values, in ascending order and counted from 1, is a percentile."""
    return max(ceil(number * percent / 100), 1)


def percentiles(buckets: Mapping[int, int], *percents: int) -> list[float | None]:
    """Return percentiles of counted durations within 0.5 %; None when there are none."""
    ordered = sorted(buckets)
    ranks = list(accumulate([buckets[bucket] for bucket in ordered]))
    if not ranks or not ranks[-1]:
        return [None for _ in percents]
    wanted = (nearest_rank(ranks[-1], percent) for percent in percents)
    return [seconds_of(ordered[bisect_left(ranks, rank)]) for rank in wanted]


def readable(seconds: float) -> float:
    """Return the duration with the fewest digits in the same bucket, within 1 % of each duration in it.

    No bucket contains two numbers of two digits, so such a duration stands for itself.
    """
    shorter = (float(f"{seconds:.{digits}g}") for digits in (1, 2, 3, 4))
    return next((time for time in shorter if bucket_of(time) == bucket_of(seconds)), seconds)


class OutputTotals(msgspec.Struct, frozen=True):
    """What jobs processed: input files, those of them that were not processed, and billed characters."""

    files: int
    unprocessed: int
    characters: int

    def to_json(self) -> dict[str, int]:
        """Return the numbers by the names that a manifest has for them."""
        return {
            "InputFileCount": self.files,
            "UnprocessedFilesCount": self.unprocessed,
            "TotalMeteredCharacters": self.characters,
        }


def outputs_of(counts: Counts, statuses: Collection[str] = ()) -> dict[str, OutputTotals]:
    """Return what the counted jobs processed, by status, in the order of the statuses; of `statuses` only, if any."""
    known = {
        name[2:]
        for name, number in counts.items()
        if name[1] == "#" and name[0] in "FUC" and number
    }
    asked = known & set(statuses) if statuses else known
    return {
        status: OutputTotals(*(counts.get(f"{of}#{status}", 0) for of in "FUC"))
        for status in sorted(asked, key=lambda one: (one not in MODELLED, one))
    }


class Totals:
    """The counts of any number of jobs, by family. With `statuses`, only of jobs with one of these."""

    def __init__(self, statuses: Collection[str] = ()) -> None:
        self._statuses = frozenset(statuses)
        self._counts: dict[Family, Counter[str]] = {}

    def add(self, family: Family, counts: Counts) -> None:
        """Add the counts of a day, of a month, of all jobs or of one."""
        self._counts.setdefault(family, Counter()).update(counts)

    def add_all(self, other: "Totals") -> None:
        """Add the counts of other totals."""
        for family, counts in other._counts.items():
            self.add(family, counts)

    def add_job(self, job: JobFacts) -> None:
        """Add one job."""
        self.add(job.family, counts_of_job(job))

    def by_status(self) -> Counter[str]:
        """Return the jobs of all families by status, without zeros."""
        jobs: Counter[str] = Counter()
        for family in self._counts:
            jobs.update(self._jobs(family))
        return +jobs

    def by_family(self) -> dict[Family, int]:
        """Return the number of jobs of each family."""
        return {family: sum(self._jobs(family).values()) for family in self._counts}

    def durations(self, families: Iterable[Family]) -> dict[int, int]:
        """Return the buckets of the durations of these families' jobs."""
        buckets: dict[int, int] = {}
        for family in families:
            for name, number in self._counts.get(family, {}).items():
                if name.startswith("D#"):
                    bucket, status = _duration_parts(name)
                    if not self._statuses or status in self._statuses:
                        buckets[bucket] = buckets.get(bucket, 0) + number
        return buckets

    def outputs(self) -> dict[Family, dict[str, OutputTotals]]:
        """Return what the jobs of each family and status processed, without those of which nothing is known."""
        return {
            family: outputs
            for family, counts in self._counts.items()
            if (outputs := outputs_of(counts, self._statuses))
        }

    def _jobs(self, family: Family) -> dict[str, int]:
        """Return a family's jobs by status."""
        counts = self._counts[family]
        names = [name for name in counts if name.startswith("Jobs#")]
        jobs = {name.removeprefix("Jobs#"): counts[name] for name in names}
        return {
            status: number
            for status, number in jobs.items()
            if not self._statuses or status in self._statuses
        }


@functools.lru_cache(maxsize=10_000)
def _duration_parts(name: str) -> tuple[int, str]:
    _, bucket, status = name.split("#", 2)
    return int(bucket), status
