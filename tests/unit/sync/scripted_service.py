"""A service whose answers are given page by page, and a sync of it: for tests of what a walk asks for and keeps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from msgspec.structs import replace

from jobledger.errors import JobUnknown
from jobledger.jobs import Job, job_from_service
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.upstream import Upstream, UpstreamPage
from jobledger.sync.walk import FamilySync, Sync
from jobledger.times import rfc3339
from testing.builders import FAR_FUTURE, FAR_PAST
from testing.memory_dynamodb import RecordingDynamoDB

SCOPE = "111122223333/us-east-1"
PHI = Family.PHI
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)


def a_job(job_id: str, status: str = "COMPLETED", submitted: datetime | None = NOW - HOUR) -> Job:
    properties: dict[str, Any] = {"JobId": job_id, "JobStatus": status}
    if submitted:
        properties["SubmitTime"] = submitted
    job = job_from_service(PHI, properties)
    assert job is not None
    return job


def page(*jobs: Job, token: str | None = None) -> UpstreamPage:
    return UpstreamPage(jobs=jobs, next_token=token)


class Service:
    """Gives these pages in turn, or raises them, and keeps what it is asked. A page takes a second."""

    def __init__(self) -> None:
        self.now = NOW
        self.database = RecordingDynamoDB()
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now)
        self.pages: list[UpstreamPage | Exception] = []
        self.described: dict[str, Job | Exception] = {}
        self.asked: list[tuple[str | None, str | None]] = []
        self.before_page: Callable[[], None] = lambda: None
        self.calls = self.throttles = self.resets = 0

    def reset(self) -> None:
        self.resets += 1
        self.calls = self.throttles = 0

    def page(self, family: Family, after: str | None, next_token: str | None) -> UpstreamPage:
        assert family is PHI
        self.before_page()
        self.calls += 1
        self.now += SECOND
        self.asked.append((after, next_token))
        answer = self.pages.pop(0) if self.pages else page()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def describe(self, family: Family, job_id: str) -> Job:
        assert family is PHI
        self.calls += 1
        answer = self.described.get(job_id, JobUnknown("ResourceNotFoundException"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sync(self, *pages: UpstreamPage | Exception, **how: Any) -> FamilySync:
        self.pages, self.asked = [*pages], []
        done = Sync(PHI, cast(Upstream, self), self.ledger, lambda: self.now, **how).run()
        assert not self.pages
        return done

    @property
    def state(self) -> SyncState:
        return self.ledger.state(PHI)

    @property
    def active(self) -> dict[str, str]:
        """The submit times of the active jobs."""
        return {job_id: job.submit_time for job_id, job in self.ledger.active(PHI).items()}

    def save(self, **changed: object) -> SyncState:
        saved = self.ledger.save_state(PHI, replace(self.state, **changed))
        assert saved is not None
        return saved

    def changes(self) -> list[tuple[str, str | None]]:
        changes = self.ledger.changes(PHI, FAR_PAST, FAR_FUTURE)
        return [(change.job_id, change.status) for change in changes]


def minutes(number: float) -> str:
    return rfc3339(NOW + number * MINUTE)
