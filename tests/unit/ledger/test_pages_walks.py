"""Pages: walks of any size equal one full list, and a page costs what it says."""

import itertools
import random
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from jobledger.jobs import Family, Job, JobStatus, job_from_service
from jobledger.ledger import pages as module
from jobledger.ledger.cursor import Position
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.pages import MAX_PAGE_BYTES, PREFIX_ROWS, read_page
from jobledger.ledger.table import Table
from jobledger.times import rfc3339
from jobledger.totals.scan import read_facts
from tests.api import NOW, SCOPE
from tests.full import in_full
from tests.memory_dynamodb import MemoryDynamoDB

WALKS = in_full(1_000, 10_000)
BATCHES = 20
NAMES = ("nightly-1", "nightly-2", "weekly")
STATUSES = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.IN_PROGRESS)


class Account:
    """A ledger in memory whose clock moves a millisecond with each job that is added."""

    def __init__(self, source: random.Random, database: MemoryDynamoDB | None = None) -> None:
        self.source = source
        self.now = NOW
        self.database = database or MemoryDynamoDB()
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now)
        self.jobs: list[Job] = []

    def add(self, count: int, families: tuple[Family, ...] = (Family.SNOMEDCT, Family.PHI)) -> None:
        """Add jobs of any submit time, many of them the same."""
        for family in families:
            made = [self.a_job(family) for _ in range(count)]
            self.jobs += made
            self.ledger.record(family, made, rfc3339(self.now), announce_new=False)
        self.now += timedelta(milliseconds=1)

    def a_job(self, family: Family) -> Job:
        job = job_from_service(
            family,
            {
                "JobId": f"{self.source.getrandbits(64):016x}",
                "JobName": self.source.choice(NAMES),
                "JobStatus": self.source.choice(STATUSES),
                "SubmitTime": NOW.timestamp() - self.source.randint(1, 30),
            },
        )
        assert job
        return job

    def listed(self, query: JobQuery) -> list[str]:
        """What one full list would hold now."""
        found = [job for job in self.jobs if matches(job, query)]
        found.sort(key=lambda job: (job.sort_key, job.family), reverse=query.descending)
        return [job.json for job in found]


def matches(job: Job, query: JobQuery) -> bool:
    return (
        job.family in query.families
        and query.name in (None, job.name)
        and (job.name or "").startswith(query.name_prefix or "")
        and (not query.statuses or job.status in query.statuses)
        and (query.after or "") < (job.submit_time or "") < (query.before or "~")
    )


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
    time = rfc3339(NOW - timedelta(seconds=source.randint(1, 30)))
    bound = source.choice(["after", "before", "none", "none"])
    return JobQuery(
        families=source.choice([(Family.SNOMEDCT,), (Family.PHI,), (Family.SNOMEDCT, Family.PHI)]),
        name=source.choice([None, None, "nightly-1"]),
        name_prefix=source.choice([None, None, "nightly-"]),
        statuses=source.choice([(), (), ("FAILED",), ("FAILED", "COMPLETED")]),
        after=time if bound == "after" else None,
        before=time if bound == "before" else None,
        order=source.choice(["ascending", "descending"]),
    )


@pytest.mark.full
@pytest.mark.row(20, count="{WALKS} walks")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_walks_of_random_page_sizes_equal_the_list_as_of_their_first_page(batch):
    source = random.Random(batch)
    for number in range(WALKS // BATCHES):
        if number % 50 == 0:
            account = Account(source)
            account.add(source.randint(0, 12))
        account.now += timedelta(milliseconds=1)
        query = a_query(source)
        expected = account.listed(query)
        largest = source.choice([1, 3, 10, 40])
        walk = pages(account, query, iter(partial(source.randint, 1, largest), 0))
        found = list(next(walk))
        account.now += timedelta(milliseconds=1)
        if number % 5 == 0:
            account.add(1)
        for page in walk:
            found += page
        assert found == expected, query


def test_the_same_position_gives_the_same_stretch_whatever_was_added_since():
    account = Account(random.Random(1))
    account.add(50)
    query = JobQuery(families=(Family.SNOMEDCT, Family.PHI))
    first = read_page(account.ledger, query, 10, None, rfc3339(account.now))
    account.now += timedelta(milliseconds=1)
    second = read_page(account.ledger, query, 10, first.position, rfc3339(account.now))
    for _ in range(5):
        account.add(20)
        again = read_page(account.ledger, query, 10, first.position, rfc3339(account.now))
        # A page may be short for the rows that it leaves out; what it has is in its place.
        assert again.jobs == second.jobs[: len(again.jobs)]


def test_a_page_ends_at_five_megabytes_of_answer():
    account = Account(random.Random(2))
    made = [
        job_from_service(Family.PHI, {"JobId": f"{n:03}", "Message": '"' * 10_000})
        for n in range(500)
    ]
    account.ledger.record(Family.PHI, filter(None, made), rfc3339(NOW), announce_new=False)
    walk = pages(account, JobQuery(families=(Family.PHI,)), itertools.repeat(500))
    # As Lambda hands it over: each quote is escaped in the job's JSON, and both once more.
    sizes = [sum(len(job) + job.count('"') + job.count("\\") for job in page) for page in walk]
    assert max(sizes) <= MAX_PAGE_BYTES
    assert len(sizes) == 5


# Which takes some seconds to fill, so it is filled once.
on_one_worker = pytest.mark.xdist_group("large-ledger")
# A ledger that is large enough for every combination of filters to have more than one page.
ROWS = in_full(30_000, 100_000)


@pytest.fixture(scope="module")
def large() -> Account:
    account = Account(random.Random(28))
    made = [
        job_from_service(
            family,
            {
                "JobId": f"{number:08x}",
                "JobName": NAMES[number % 3],
                "JobStatus": STATUSES[number // 3 % 3],
                "SubmitTime": NOW.timestamp() - number,
            },
        )
        for family in (Family.SNOMEDCT, Family.PHI)
        for number in range(ROWS // 2)
    ]
    account.jobs = [job for job in made if job]
    for family in (Family.SNOMEDCT, Family.PHI):
        mine = [job for job in account.jobs if job.family == family]
        account.ledger.record(family, mine, rfc3339(NOW), announce_new=False)
    account.now += timedelta(milliseconds=1)
    return account


BOUNDS = {"after": rfc3339(NOW - timedelta(seconds=ROWS)), "before": rfc3339(NOW)}
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
@pytest.mark.row(28, count="{ROWS} rows, 32 combinations of filters, 3 page sizes")
@on_one_worker
@pytest.mark.parametrize("size", [1, 100, 500])
@pytest.mark.parametrize("filters", COMBINATIONS, ids=str)
def test_a_page_is_one_query_that_reads_what_it_returns(large, filters, size):
    query = JobQuery(**filters)
    position = None
    expected = large.listed(query)
    for page_number in range(3):
        large.database.calls.clear()
        large.database.rows_read = 0
        page = read_page(large.ledger, query, size, position, rfc3339(large.now))
        assert large.database.calls == {"query": 1}
        assert large.database.rows_read == len(page.jobs) == size
        assert page.jobs == expected[page_number * size : (page_number + 1) * size]
        position = page.position


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.row(28, count="{ROWS} rows, 6 expensive combinations")
@on_one_worker
@pytest.mark.parametrize(
    "filters, most",
    [
        ({"name_prefix": "weekly"}, PREFIX_ROWS),
        ({"name_prefix": "none such"}, 3 * PREFIX_ROWS),
        ({"name_prefix": "none such", "families": tuple(Family)}, 3 * PREFIX_ROWS),
        ({"statuses": ("FAILED", "COMPLETED")}, 2 * 100),
        ({"families": (Family.SNOMEDCT, Family.PHI)}, 2 * 100),
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


@pytest.mark.slow
@on_one_worker
@pytest.mark.parametrize("filters", [{}, {"name": "weekly"}, {"statuses": ("FAILED", "COMPLETED")}])
def test_the_facts_of_a_large_ledger_are_each_read_once(large, filters, monkeypatch):
    # A megabyte of rows in one answer, of some 500 jobs.
    monkeypatch.setattr(large.database, "_largest_answer", 500)
    query = JobQuery(families=(Family.SNOMEDCT, Family.PHI), **filters)
    found = sorted((fact.family, fact.job_id) for fact in read_facts(large.ledger, query))
    assert found == sorted((j.family, j.job_id) for j in large.jobs if matches(j, query))


@pytest.mark.parametrize("times", [(1.0,), (1.0, 1.001), (1.0, 1.002, 5_000_000.0)])
def test_facts_of_jobs_that_were_submitted_at_the_same_time_are_each_read_once(times):
    database = MemoryDynamoDB(largest_answer=3)
    account = Account(random.Random(3), database)
    made = [
        job_from_service(Family.PHI, {"JobId": f"{time}-{number:04}", "SubmitTime": time})
        for time in times
        for number in range(20)
    ]
    account.ledger.record(Family.PHI, filter(None, made), rfc3339(NOW), announce_new=False)
    found = [fact.job_id for fact in read_facts(account.ledger, JobQuery(families=(Family.PHI,)))]
    assert sorted(found) == sorted(job.job_id for job in made if job)
