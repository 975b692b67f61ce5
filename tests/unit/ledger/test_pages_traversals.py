"""Pages: traversals of any size equal one full list, and a page costs what it says."""

import itertools
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.jobs import Job
from jobledger.ledger import pages as module
from jobledger.ledger.cursor import Position
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.pages import PREFIX_ROWS, read_page
from jobledger.ledger.queries import parameters_of, partition_queries
from jobledger.ledger.table import Table
from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339
from testing.builders import MILLISECOND, NOW, SCOPE, SECOND, MemoryLedger, a_job, matches
from testing.bulk import fill
from testing.full import in_full
from testing.memory_dynamodb import MemoryDynamoDB

TRAVERSALS = in_full(1_000, 10_000)
BATCHES = 25
NAMES = ("nightly-1", "nightly-2", "weekly")
BOTH = (Family.SNOMEDCT, Family.PHI)
STATUSES = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.IN_PROGRESS)
MEMBERS = [f"{n:012}/{region}" for n in range(1, 7) for region in ("us-east-1", "eu-west-1")]


class Account(MemoryLedger):
    """A ledger in memory, and all its jobs; of several sources, one of which was removed since, if it `is_shared`."""

    def __init__(self, source: random.Random, *, is_shared: bool = False) -> None:
        super().__init__()
        self.source = source
        self.jobs: list[Job] = []
        self.sources: list[str | None] = [None]
        if is_shared:
            self.sources += source.sample(MEMBERS, source.randint(1, len(MEMBERS)))
            source.shuffle(self.sources)
            configured = tuple(one or SCOPE for one in self.sources[1:])
            self.ledger = Ledger(self.ledger.table, SCOPE, self.time, configured)

    def add(self, count: int) -> None:
        """Add jobs of any submit time to two families, many of them at the same; in several sources, often with the same id."""
        choose = self.source.choice
        for family in (family for family in BOTH for _ in range(count)):
            job_id, at = f"{self.source.getrandbits(64):016x}", self.source.randint(1, 30)
            for source in self.source.sample(
                self.sources, min(choose([1, 1, 2]), len(self.sources))
            ):
                made = a_job(
                    job_id, choose(STATUSES), NOW - at * SECOND, family, JobName=choose(NAMES)
                )
                job = replace(made, source=source)
                self.jobs.append(job)
                writer = self.ledger.of(source or SCOPE)
                writer.record(family, [job], rfc3339(self.now), announce_new=False)
        self.now += MILLISECOND

    def shown(self, job: Job) -> str:
        """What the API has of a job: with its source, in a ledger of several."""
        account, _, region = (job.source or SCOPE).partition("/")
        if not self.ledger.is_shared:
            return job.json
        removed = ',"SourceRemoved":true' if job.source == self.sources[0] else ""
        return f'{job.json[:-1]},"Account":"{account}","Region":"{region}"{removed}}}'

    def listed(self, query: JobQuery) -> list[str]:
        """What one full list would hold now."""
        found = [job for job in self.jobs if matches(job, query)]
        found.sort(key=lambda job: (job.sort_key, job.family), reverse=query.descending)
        return [self.shown(job) for job in found]

    def a_query(self) -> JobQuery:
        """Any mix of filters and order."""
        source = self.source
        time = rfc3339(NOW - source.randint(1, 30) * SECOND)
        bounds: Any = source.choice([{"after": time}, {"before": time}, {}, {}])
        few = source.sample(self.sources, min(source.choice([1, 2, 9]), len(self.sources)))
        chosen = tuple(sorted(one or SCOPE for one in few))
        return JobQuery(
            families=source.choice([(Family.SNOMEDCT,), (Family.PHI,), BOTH]),
            name=source.choice([None, None, "nightly-1"]),
            name_prefix=source.choice([None, None, "nightly-"]),
            statuses=source.choice([(), (), ("FAILED",), ("FAILED", "COMPLETED")]),
            order=source.choice(["ascending", "descending"]),
            active=source.choice([False, False, False, True]),
            sources=source.choice([(), chosen]) if self.ledger.is_shared else (),
            **bounds,
        )


def pages(account: Account, query: JobQuery, sizes: Iterator[int]) -> Iterator[list[str]]:
    position: Position | None = None
    while True:
        size, now = next(sizes), rfc3339(account.now)
        consistent = account.source.choice([False, True])
        page = read_page(account.ledger, query, size, position, now, consistent=consistent)
        yield page.jobs
        if page.position is None:
            return
        assert page.position != position
        position = page.position


@pytest.mark.full
@pytest.mark.parametrize("is_shared", [False, True], ids=["one source", "several sources"])
@pytest.mark.parametrize("batch", range(BATCHES))
def test_traversals_of_random_page_sizes_equal_the_list_as_of_their_first_page(batch, is_shared):
    source = random.Random(batch)
    for number in range(TRAVERSALS // BATCHES):
        if number % 50 == 0:
            account = Account(source, is_shared=is_shared)
            account.add(source.randint(0, 12))
        account.now += MILLISECOND
        query = account.a_query()
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


MANY = tuple(f"{111122223333 + n:012}/us-east-1" for n in range(100))


@pytest.fixture(scope="module", params=[(), MANY], ids=["one source", "a hundred"])
def large(request: pytest.FixtureRequest) -> Account:
    account = Account(random.Random(28))
    account.ledger = Ledger(account.ledger.table, SCOPE, account.time, request.param)
    account.jobs = [
        a_job(f"{n:08x}", STATUSES[n // 3 % 3], NOW - n * SECOND, family, JobName=NAMES[n % 3])
        for family in BOTH
        for n in range(ROWS // 2)
    ]
    if request.param:
        account.sources = [*MANY]
        members = itertools.cycle([None, *MANY[1:]])
        account.jobs = [replace(job, source=next(members)) for job in account.jobs]
    fill(account, account.jobs)
    account.now += MILLISECOND
    return account


BOUNDS = {"after": rfc3339(NOW - ROWS * SECOND), "before": rfc3339(NOW)}
COMBINATIONS: list[dict[str, Any]] = [
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
        # A query for each family of some members; of many, and of the own source, all rows are read.
        *(({"families": BOTH, "sources": MANY[1 : 1 + n]}, 4 * 100) for n in (1, 4)),
        *(({"families": BOTH, "sources": MANY[:n]}, PREFIX_ROWS + 1_000) for n in (1, 50, 90)),
    ],
    ids=lambda value: str(value)[:90],
)
def test_a_costly_page_is_bounded_and_the_next_one_resumes(large, filters, most, monkeypatch):
    if "sources" in filters and not large.ledger.is_shared:
        return
    monkeypatch.setattr(module, "SEARCHED_ROWS", 3 * PREFIX_ROWS)
    query = JobQuery(**filters)
    large.database.rows_read = 0
    page = read_page(large.ledger, query, 100, None, rfc3339(large.now))
    assert large.database.rows_read <= most
    assert page.position is not None


def test_a_page_of_350_sources_stays_below_the_four_kilobytes_of_an_expression():
    """Configured and removed ones; the values of an expression have a limit of their own, which is far."""
    members = tuple(f"{number:012}/ap-southeast-2" for number in range(349))
    ledger = Ledger(Table(MemoryDynamoDB(), "ledger"), SCOPE, lambda: NOW, (SCOPE, *members[:199]))
    query = JobQuery(name_prefix="nightly", sources=(SCOPE, *members))
    (part,) = partition_queries(ledger, query)
    parameters = parameters_of(ledger, query, part, None, rfc3339(NOW), rfc3339(NOW))
    assert len(parameters["FilterExpression"]) < 4_096
    taken = {value["S"] for value in parameters["ExpressionAttributeValues"].values()}
    assert {f"{member}/SNOMEDCT" for member in members} < taken
