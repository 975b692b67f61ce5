"""Stores jobs so that the cost of a page does not depend on the number of jobs."""

import bisect
import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

from local.comprehend_medical.families import Family
from local.comprehend_medical.jobs import ACTIVE, ENDED, Job, Step


class Log:
    """Jobs in order of arrival. Positions never change: a removed job leaves a gap.

    A walk therefore only needs to remember the length of the log at its start.
    """

    def __init__(self) -> None:
        self.slots: list[Job | None] = []
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        """The number of jobs, without gaps."""
        return len(self._places)

    def add(self, job: Job) -> None:
        """Append a job."""
        self._places[job.key] = len(self.slots)
        self.slots.append(job)

    def discard(self, job: Job) -> None:
        """Replace the job with a gap."""
        self.slots[self._places.pop(job.key)] = None


class Shelf:
    """The jobs of one family, indexed by id, time, name and status."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.by_id: dict[str, Job] = {}
        self.by_time: list[tuple[float, int]] = []
        self.everything = Log()
        self.by_name: defaultdict[str | None, Log] = defaultdict(Log)
        self.by_status: defaultdict[str | None, Log] = defaultdict(Log)

    def add(self, job: Job) -> None:
        """Add a job."""
        self.jobs[job.key] = job
        if job.job_id is not None:
            self.by_id[job.job_id] = job
        if job.submitted is not None:
            bisect.insort(self.by_time, (job.submitted, job.key))
        self.everything.add(job)
        self.by_name[job.name].add(job)
        self.by_status[job.status].add(job)

    def remove(self, job: Job) -> None:
        """Delete a job."""
        del self.jobs[job.key]
        if job.job_id is not None:
            del self.by_id[job.job_id]
        if job.submitted is not None:
            del self.by_time[bisect.bisect_left(self.by_time, (job.submitted, job.key))]
        self.everything.discard(job)
        self.by_name[job.name].discard(job)
        self.by_status[job.status].discard(job)

    def rewrite(self, job: Job, properties: Mapping[str, Any]) -> None:
        """Replace a job's properties. The job keeps its positions, so no walk misses it."""
        name, status, submitted = job.name, job.status, job.submitted
        job.write(properties)
        if job.name != name:
            self.by_name[name].discard(job)
            self.by_name[job.name].add(job)
        if job.status != status:
            self.by_status[status].discard(job)
            self.by_status[job.status].add(job)
        if job.submitted != submitted:
            if submitted is not None:
                del self.by_time[bisect.bisect_left(self.by_time, (submitted, job.key))]
            if job.submitted is not None:
                bisect.insort(self.by_time, (job.submitted, job.key))

    def change(self, job: Job, changes: Mapping[str, Any]) -> None:
        """Update some properties of a job; none is removed."""
        self.rewrite(job, job.properties | dict(changes))

    def active(self) -> int:
        """Return the number of jobs that count against the family's limit of ten."""
        return sum(len(self.by_status[status]) for status in ACTIVE)

    def in_submit_order(self) -> Iterable[Job]:
        """Return all jobs, including late ones; those without SubmitTime first."""
        yield from (job for job in self.jobs.values() if job.submitted is None)
        yield from (self.jobs[key] for _, key in self.by_time)


class Store:
    """All jobs and their due changes. Callers hold the service's lock. `on_end` is called with each job that ends."""

    def __init__(self, on_end: Callable[[Family, Shelf, Job], None]) -> None:
        self._on_end = on_end
        self.shelves = {family: Shelf() for family in Family}
        self._keys = count()
        self._due: list[tuple[float, int, Family]] = []
        self._expiring: list[tuple[float, int, Family]] = []

    def __len__(self) -> int:
        return sum(len(shelf.jobs) for shelf in self.shelves.values())

    def put(
        self, family: Family, properties: Mapping[str, Any], keep_if_expired: bool = False
    ) -> Job:
        """Add a job, or replace the job with that id.

        With `keep_if_expired`, an expired job stays: an old export loads unchanged.
        """
        shelf = self.shelves[family]
        job = shelf.by_id.get(properties.get("JobId", ""))
        if job is None:
            job = Job(next(self._keys), properties)
            shelf.add(job)
        else:
            shelf.rewrite(job, properties)
            job.plan, job.listed_from = (), -math.inf
        if job.expires is not None and not keep_if_expired:
            heapq.heappush(self._expiring, (job.expires, job.key, family))
        return job

    def load(self, jobs: Mapping[Family, Iterable[Mapping[str, Any]]], now: float) -> None:
        """Add many jobs, each family in submission order, without insertions in the middle."""
        for family, listed in jobs.items():
            for properties in sorted(listed, key=lambda job: job.get("SubmitTime", -math.inf)):
                expired = properties.get("ExpirationTime", math.inf) <= now
                self.put(family, properties, keep_if_expired=expired)

    def delete(self, family: Family, job_id: str) -> bool:
        """Delete a job; return whether it existed."""
        job = self.shelves[family].by_id.get(job_id)
        if job is not None:
            self.shelves[family].remove(job)
        return job is not None

    def schedule(self, family: Family, job: Job, plan: Iterable[Step]) -> None:
        """Replace the due changes of a job."""
        job.plan = tuple(plan)
        if job.plan:
            heapq.heappush(self._due, (job.plan[0].at, job.key, family))

    def advance(self, now: float, expire: bool) -> None:
        """Apply all changes that are due."""
        while self._due and self._due[0][0] <= now:
            _, key, family = heapq.heappop(self._due)
            job = self.shelves[family].jobs.get(key)
            # A replaced, deleted or stopped job leaves its old entry behind.
            if job is None or not job.plan or job.plan[0].at > now:
                continue
            step, *rest = job.plan
            self.shelves[family].change(job, step.changes)
            self.schedule(family, job, rest)
            if job.status in ENDED:
                self._on_end(family, self.shelves[family], job)
        while expire and self._expiring and self._expiring[0][0] <= now:
            _, key, family = heapq.heappop(self._expiring)
            job = self.shelves[family].jobs.get(key)
            if job is not None and job.expires is not None and job.expires <= now:
                self.shelves[family].remove(job)
