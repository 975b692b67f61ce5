"""The few attributes of a job that counts and durations need, and which job is active. No AWS calls."""

import msgspec

from jobledger.errors import NotUnderstood
from jobledger.jobs import Job, read_stored
from jobledger.ledger.output import ATTRIBUTE, Output, output_of
from jobledger.ledger.table import Row, text_of
from jobledger.service import TERMINAL, Family, JobStatus
from jobledger.sources import job_id_of, source_of_key
from jobledger.times import is_time, seconds_between

# The service's model requires no property. Jobs without a status are counted under this name.
NO_STATUS = "UNKNOWN"
OTHER_STATUS = "OTHER"
"""The name under which statuses outside the model are counted together when there are more than `MOST_NAMED`."""
MOST_NAMED = 20
PROJECTION = f"SK, Job, ExpiredUpstream, CountedAs, {ATTRIBUTE}"
"""The attributes of a job row that `facts_of_row` reads."""

MODELLED: frozenset[str] = frozenset(JobStatus)


class JobFacts(msgspec.Struct, frozen=True):
    """The attributes of a job that counts and durations need. A time that the service omits is None.

    `expired` marks a job that the service no longer knew when it was described. `counted_as` is the status under
    which it is counted, if that differs; `output` what it processed, as far as that is known. `source` is as in
    `sources`.
    """

    family: Family
    job_id: str
    status: str | None
    submit_time: str | None
    end_time: str | None
    expiration_time: str | None
    expired: bool = False
    counted_as: str | None = None
    output: Output | None = None
    source: str | None = None

    @property
    def sort_key(self) -> str:
        """The sort key of the job's row."""
        return Job.key_of(self.submit_time, self.job_id, self.source)


def facts_of_row(family: Family, row: Row) -> JobFacts:
    """Return the facts of a job row. Raises NotUnderstood."""
    try:
        job = read_stored(str(row["Job"]))
    except (KeyError, ValueError) as error:
        raise NotUnderstood("a job") from error
    facts = JobFacts(
        family=family,
        job_id=job_id_of(str(row["SK"])),
        status=job.status,
        submit_time=job.SubmitTime,
        end_time=job.EndTime,
        expiration_time=job.ExpirationTime,
        expired=bool(row.get("ExpiredUpstream")),
        counted_as=text_of(row, "CountedAs"),
        output=output_of(row),
        source=source_of_key(str(row["SK"])),
    )
    times = (facts.submit_time, facts.end_time, facts.expiration_time)
    if not all(time is None or is_time(time) for time in times):
        raise NotUnderstood("a time of a job row")
    return facts


def facts_of_job(job: Job) -> JobFacts:
    """Return the facts of a listed job."""
    return JobFacts(
        family=job.family,
        job_id=job.job_id,
        status=job.status,
        submit_time=job.submit_time,
        end_time=job.end_time,
        expiration_time=job.expiration_time,
        source=job.source,
    )


def has_ended(job: JobFacts) -> bool:
    """Whether the job's status is final."""
    return is_final(job.status, job.end_time)


def is_final(status: str | None, end_time: str | None) -> bool:
    """Whether a status is final. One outside the model is when the job has an EndTime."""
    return status in TERMINAL if status in MODELLED else end_time is not None


def is_active(job: JobFacts) -> bool:
    """Whether the job has not ended, as far as the service knows it."""
    return not has_ended(job) and not job.expired


def duration_of(submit_time: str | None, end_time: str | None) -> float | None:
    """Return a job's duration in seconds; None without both times, or when they are reversed."""
    if submit_time is None or end_time is None or end_time < submit_time:
        return None
    return seconds_between(submit_time, end_time)


def expires_between(job: JobFacts, start: str, end: str) -> bool:
    """Whether the service deletes the job's metadata at `start` or later, and before `end`."""
    return job.expiration_time is not None and start <= job.expiration_time < end
