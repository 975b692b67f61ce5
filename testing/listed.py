"""Comprehend Medical of one source in memory, in the place of `jobledger.sync.upstream`: for walks over many jobs."""

from collections.abc import Callable, Iterable

from jobledger.errors import JobUnknown
from jobledger.jobs import Job
from jobledger.service import Family
from jobledger.sync.upstream import UpstreamPage


class Listed:
    """Lists `jobs` in pages, newest first, except those that are `hidden`. `before` is called before each page."""

    def __init__(
        self,
        jobs: Iterable[Job] = (),
        page_size: int = 500,
        before: Callable[[str], None] = lambda operation: None,
    ) -> None:
        self.jobs = {job.job_id: job for job in jobs}
        self.hidden: set[str] = set()
        self.calls = self.throttles = 0
        self._page_size, self._before = page_size, before

    def reset(self) -> None:
        self.calls = 0

    def page(self, family: Family, after: str | None, token: str | None) -> UpstreamPage:
        self._before("page")
        self.calls += 1
        listed = [
            job
            for job_id, job in self.jobs.items()
            if job_id not in self.hidden
            and (job.submit_time or "") > (after or "")
            and job.sort_key < (token or "~")
        ]
        listed.sort(key=lambda job: job.sort_key, reverse=True)
        size = self._page_size
        following = listed[size - 1].sort_key if len(listed) > size else None
        return UpstreamPage(tuple(listed[:size]), following)

    def describe(self, family: Family, job_id: str) -> Job:
        self._before("describe")
        self.calls += 1
        if job_id not in self.jobs:
            raise JobUnknown("ResourceNotFoundException")
        return self.jobs[job_id]
