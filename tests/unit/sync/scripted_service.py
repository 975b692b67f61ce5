"""A service whose answers are given page by page, and a sync of it: for tests of what a walk asks for and keeps."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from jobledger.errors import JobUnknown
from jobledger.jobs import Job
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.sync.progress import FamilySync
from jobledger.sync.upstream import Upstream, UpstreamPage
from jobledger.sync.walk import Sync
from jobledger.times import rfc3339
from testing import builders
from testing.builders import MINUTE, NOW, SECOND, MemoryLedger

PHI = Family.PHI
a_job = partial(builders.a_job, family=PHI)


def page(*jobs: Job, token: str | None = None) -> UpstreamPage:
    return UpstreamPage(jobs=jobs, next_token=token)


class Service(MemoryLedger):
    """Gives these pages in turn, or raises them, and keeps what it is asked. A page takes a second."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[UpstreamPage | Exception] = []
        self.described: dict[str, Job | Exception] = {}
        self.asked: list[tuple[str | None, str | None]] = []
        self.asked_for: list[str] = []
        self.before_page: Callable[[], None] = lambda: None
        self.calls = self.throttles = 0

    def reset(self) -> None:
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
        self.asked_for.append(job_id)
        answer = self.described.get(job_id, JobUnknown("ResourceNotFoundException"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sync(self, *pages: UpstreamPage | Exception, **how: Any) -> FamilySync:
        self.pages, self.asked, self.asked_for = [*pages], [], []
        done = Sync(PHI, cast(Upstream, self), self.ledger, self.time, **how).run()
        assert not self.pages
        return done

    def at_page(self, number: int, act: Callable[[], object]) -> None:
        """Let something happen before the first, second … page from now on is asked for."""
        numbers, earlier = itertools.count(1), self.before_page

        def before() -> None:
            earlier()
            if next(numbers) == number:
                act()

        self.before_page = before

    @property
    def state(self) -> SyncState:
        return self.ledger.state(PHI)

    @property
    def active(self) -> dict[str, str]:
        """The submit times of the active jobs."""
        return {job_id: job.submit_time for job_id, job in self.ledger.active(PHI).items()}

    def keep(self, **changed: object) -> None:
        """Change fields of the state."""
        self.save(PHI, **changed)

    def announced(self) -> list[tuple[str, str | None]]:
        return [(change.job_id, change.status) for change in self.changes(PHI)]


def minutes(number: float) -> str:
    return rfc3339(NOW + number * MINUTE)
