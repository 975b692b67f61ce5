"""Times, jobs and a ledger in memory: what most tests begin with. A keyword changes what a test is about."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from jobledger.jobs import Job, job_from_service
from jobledger.ledger.job_facts import JobFacts
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.recording import Recorded
from jobledger.ledger.rows import Change
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Row, Table
from jobledger.service import TERMINAL, Family
from jobledger.times import rfc3339
from testing.memory_dynamodb import RecordingDynamoDB, cancelled

SCOPE = "111122223333/us-east-1"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = NOW.timestamp()
MILLISECOND, SECOND = timedelta(milliseconds=1), timedelta(seconds=1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FAR_PAST, FAR_FUTURE = "1970-01-01T00:00:00.000Z", "9999-01-01T00:00:00.000Z"


def a_job(
    job_id: str = "job",
    status: str | None = "COMPLETED",
    submitted: datetime | float | None = NOW - HOUR,
    family: Family = Family.SNOMEDCT,
    **more: Any,
) -> Job:
    """A job as the functions have it. A property that is None is left out."""
    properties = {"JobId": job_id, "JobStatus": status, "SubmitTime": submitted} | more
    job = job_from_service(family, {k: v for k, v in properties.items() if v is not None})
    assert job is not None
    return job


def listed_job(
    job_id: str = "job", ago: float = 3_600, status: str = "COMPLETED", **more: Any
) -> dict[str, Any]:
    """A job as the service lists it, submitted so many seconds before NOW; it has ended when its status says so."""
    times = {"SubmitTime": round(START - ago, 3)}
    if status in TERMINAL:
        times["EndTime"] = round(START - ago + 60, 3)
    return {"JobId": job_id, "JobStatus": status, **times, **more}


def full_job(number: int = 1, **more: Any) -> dict[str, Any]:
    """A job as the service lists it, with nearly every property; a higher number was submitted later."""
    return {
        "JobId": f"{number:032x}",
        "JobName": "nightly-notes",
        "JobStatus": "COMPLETED",
        "SubmitTime": START - 100_000 + number,
        "EndTime": START - 99_000 + number,
        "ExpirationTime": START + 100 * 86_400,
        "InputDataConfig": {"S3Bucket": "notes", "S3Key": "in/"},
        "OutputDataConfig": {"S3Bucket": "codes", "S3Key": "out/"},
        "LanguageCode": "en",
        "DataAccessRoleArn": "arn:aws:iam::111122223333:role/ComprehendMedical",
        "ModelVersion": "3.0.0",
    } | more


def job_facts(
    number: int = 1, status: str | None = "COMPLETED", family: Family = Family.SNOMEDCT, **more: Any
) -> JobFacts:
    """What totals and digests know of a job; times in `more`. Its id looks like one of the service's."""
    job_id = f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC834:032x}"[-32:]
    return replace(JobFacts(family, job_id, status, None, None, None), **more)


def matches(job: Job, query: JobQuery) -> bool:
    """Whether a query lists a job."""
    submitted = job.sort_key.partition("#")[0]
    return (
        job.family in query.families
        and query.name in (None, job.name)
        and (job.name or "").startswith(query.name_prefix or "")
        and (not query.statuses or job.status in query.statuses)
        and (query.after or "") < submitted < (query.before or "~")
        and query.has_source(job.source or SCOPE)
        and not (query.active and job.ended)
    )


def agree(ledger: Ledger, as_of: str, families: Iterable[Family] = Family) -> None:
    """Note in the states of syncs that the ledger agrees with the service."""
    for family in families:
        state = SyncState(as_of=as_of, version=ledger.state(family).version)
        assert ledger.save_state(family, state)


class MemoryLedger:
    """A ledger in memory that holds these jobs, and whose clock moves only when a test sets `now`.

    The jobs that it begins with are no changes, and `database` begins to count after them.
    """

    def __init__(
        self,
        *jobs: Job,
        now: datetime = NOW,
        database: RecordingDynamoDB | None = None,
        sources: tuple[str, ...] = (),
    ) -> None:
        self.now = now
        self.database = database or RecordingDynamoDB()
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, self.time, sources)
        self.record(*jobs, announce_new=False)
        self.database.forget()

    def time(self) -> datetime:
        """The ledger's clock."""
        return self.now

    def record(self, *jobs: Job, listed_at: datetime | None = None, **more: Any) -> Recorded:
        """Write jobs as if the service listed them, now unless another time is given; return the last family's result."""
        recorded = Recorded(0, 0)
        time = rfc3339(listed_at or self.now)
        for family, source in dict.fromkeys((job.family, job.source) for job in jobs):
            mine = [job for job in jobs if (job.family, job.source) == (family, source)]
            writer = self.ledger.of(source) if source else self.ledger
            recorded = writer.record(family, mine, time, **{"announce_new": True} | more)
        return recorded

    def row(self, job_id: str = "job") -> Row:
        """The row of a job."""
        row = self.ledger.find(job_id)
        assert row is not None
        return row

    def changes(
        self, family: Family = Family.SNOMEDCT, start: str = FAR_PAST, end: str = FAR_FUTURE
    ) -> Sequence[Change]:
        """The change log of a family, from one time to another."""
        return list(self.ledger.changes(family, start, end))

    def save(self, family: Family = Family.SNOMEDCT, **changed: object) -> SyncState:
        """Save the state of a family's sync, with these fields changed."""
        saved = self.ledger.save_state(family, replace(self.ledger.state(family), **changed))
        assert saved is not None
        return saved

    def refuse_writes(self, *which: int, reason: str = "ConditionalCheckFailed") -> None:
        """Refuse the first, second and so on of the next transactions, as `which` says; without it, all."""
        numbers = itertools.count(1)

        def refuse(operation: str) -> None:
            if operation == "transact_write_items" and (not which or next(numbers) in which):
                raise cancelled("None", reason)

        self.database.before = refuse

    def before_a_write(self, act: Callable[[], object]) -> None:
        """Let another writer act once, after the next one has read and before it writes."""

        def once(operation: str) -> None:
            if operation == "transact_write_items":
                self.database.before = lambda operation: None
                act()

        self.database.before = once
