"""Pages: traversals of any size equal one full list, and a page costs what it says."""

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from jobledger.jobs import Job
from jobledger.ledger import pages as module
from jobledger.ledger.cursor import Position
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.pages import PREFIX_ROWS, read_page
from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339
from testing.builders import MILLISECOND, NOW, SECOND, MemoryLedger, a_job, matches
from testing.bulk import fill
from testing.full import in_full

TRAVERSALS = in_full(1_000, 10_000)
BATCHES = 20
NAMES = ("nightly-1", "nightly-2", "weekly")
BOTH = (Family.SNOMEDCT, Family.PHI)
STATUSES = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.IN_PROGRESS)


class Account(MemoryLedger):
    """A ledger in memory, and all its jobs."""

    def __init__(self, source: random.Random) -> None:
        super().__init__()
        self.source = source
        self.jobs: list[Job] = []

    def add(self, count: int) -> None:
        """Add jobs of any submit time to two families, many of them at the same."""
        choose = self.source.choice
        for family in (family for family in BOTH for _ in range(count)):
            job_id, at = f"{self.source.getrandbits(64):016x}", self.source.randint(1, 30)
            job = a_job(job_id, choose(STATUSES), NOW - at * SECOND, family, JobName=choose(NAMES))
            self.jobs.append(job)
            self.record(job, announce_new=False)
        self.now += MILLISECOND

    def listed(self, query: JobQuery) -> list[str]:
        """What one full list would hold now."""
        found = [job for job in self.jobs if matches(job, query)]
        found.sort(key=lambda job: (job.sort_key, job.family), reverse=query.descending)
        return [job.json for job in found]


def pages(account: Account, query: JobQuery, sizes: Iterator[int]) -> Iterator[list[str]]:
    position: Position | None = None
    while True:
        page = read_page(account.ledger, query, next(sizes), position, rfc3339(account.now))
        yield page.jobs
        if page.position is None:
            return
        assert page.position != position
        position = page.position


def a_query(source: random.Random) -> JobQuery:
    time = rfc3339(NOW - source.randint(1, 30) * SECOND)
    bounds: Any = source.choice([{"after": time}, {"before": time}, {}, {}])
    return JobQuery(
        families=source.choice([(Family.SNOMEDCT,), (Family.PHI,), BOTH]),
        name=source.choice([None, None, "nightly-1"]),
        name_prefix=source.choice([None, None, "nightly-"]),
        statuses=source.choice([(), (), ("FAILED",), ("FAILED", "COMPLETED")]),
        order=source.choice(["ascending", "descending"]),
        **bounds,
    )


@pytest.mark.full
@pytest.mark.parametrize("batch", range(BATCHES))
def test_traversals_of_random_page_sizes_equal_the_list_as_of_their_first_page(batch):
    source = random.Random(batch)
    for number in range(TRAVERSALS // BATCHES):
        if number % 50 == 0:
            account = Account(source)
            account.add(source.randint(0, 12))
        account.now += MILLISECOND
        query = a_query(source)
        expected = account.listed(query)
        largest = source.choice([1, 3, 10, 40])
        traversal = pages(account, query, iter(partial(source.randint, 1, largest), 0))
        found = list(next(traversal))
        account.now += MILLISECOND
        if number % 5 == 0:
            account.add(1)
        for page in traversal:
            found += page
        assert found == expected, query


# Which takes some seconds to fill, so it is filled once.
on_one_worker = pytest.mark.xdist_group("large-ledger")
# A ledger that is large enough for every combination of filters to have more than one page.
ROWS = in_full(30_000, 100_000)


@pytest.fixture(scope="module")
def large() -> Account:
    account = Account(random.Random(28))
    account.jobs = [
        a_job(f"{n:08x}", STATUSES[n // 3 % 3], NOW - n * SECOND, family, JobName=NAMES[n % 3])
        for family in BOTH
        for n in range(ROWS // 2)
    ]
    fill(account, account.jobs)
    account.now += MILLISECOND
    return account


BOUNDS = {"after": rfc3339(NOW - ROWS * SECOND), "before": rfc3339(NOW)}
COMBINATIONS = [
    {"name": name, "statuses": statuses, "order": order}
    | {bound: BOUNDS[bound] for bound in bounds}
    for name in (None, "nightly-1")
    for statuses in ((), ("FAILED",))
    for bounds in ((), ("after",), ("before",), ("after", "before"))
    for order in ("ascending", "descending")
]


@pytest.mark.slow
@pytest.mark.full
@on_one_worker
@pytest.mark.parametrize("size", [1, 100, 500])
@pytest.mark.parametrize("filters", COMBINATIONS, ids=str)
def test_a_page_is_one_query_that_reads_what_it_returns(large, filters, size):
    query = JobQuery(**filters)
    position = None
    expected = large.listed(query)
    for start in range(0, 3 * size, size):
        large.database.forget()
        page = read_page(large.ledger, query, size, position, rfc3339(large.now))
        assert large.database.calls == {"query": 1}
        assert large.database.rows_read == len(page.jobs) == size
        assert page.jobs == expected[start : start + size]
        position = page.position


@pytest.mark.slow
@pytest.mark.full
@on_one_worker
@pytest.mark.parametrize(
    "filters, most",
    [
        ({"name_prefix": "weekly"}, PREFIX_ROWS),
        ({"name_prefix": "none such"}, 3 * PREFIX_ROWS),
        ({"name_prefix": "none such", "families": tuple(Family)}, 3 * PREFIX_ROWS),
        ({"statuses": ("FAILED", "COMPLETED")}, 2 * 100),
        ({"families": BOTH}, 2 * 100),
        ({"families": tuple(Family), "statuses": tuple(JobStatus)}, 35 * 100),
    ],
    ids=str,
)
def test_a_costly_page_is_bounded_and_the_next_one_resumes(large, filters, most, monkeypatch):
    monkeypatch.setattr(module, "SEARCHED_ROWS", 3 * PREFIX_ROWS)
    query = JobQuery(**filters)
    large.database.rows_read = 0
    page = read_page(large.ledger, query, 100, None, rfc3339(large.now))
    assert large.database.rows_read <= most
    assert page.position is not None
