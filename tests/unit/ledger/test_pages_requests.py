"""Pages: what each one asks of DynamoDB, where it ends, and what it leaves out."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.jobs import Job
from jobledger.ledger import pages
from jobledger.ledger.cursor import Position
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.pages import JobsPage, read_page
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import MINUTE, NOW, SECOND, MemoryLedger, a_job
from testing.bulk import fill

BOTH = (Family.SNOMEDCT, Family.PHI)
OLDEST_FIRST = JobQuery(families=(Family.PHI,), order="ascending")
BOTH_OLDEST_FIRST = replace(OLDEST_FIRST, families=BOTH)


class Paged(MemoryLedger):
    """A ledger in memory: job `n` was submitted in second n of this day, and each job was observed then."""

    def __init__(self, *jobs: Job) -> None:
        super().__init__()
        fill(self, jobs)
        self.now += MINUTE

    def add_later(self, *jobs: Job) -> None:
        self.now += MINUTE
        self.record(*jobs, announce_new=False)

    def page(
        self, query: JobQuery, size: int, start: Position | None = None, **more: Any
    ) -> JobsPage:
        self.database.forget()
        page = read_page(self.ledger, query, size, start, rfc3339(self.now), **more)
        assert page.examined == self.database.rows_read
        return replace(page, examined=0)

    def limits(self) -> list[int]:
        return [query["Limit"] for query in self.database.queries]


def numbered(number: int, family: Family = Family.PHI, **more: Any) -> Job:
    at = NOW.replace(hour=0) + number * SECOND
    return a_job(f"{number:05}", more.pop("JobStatus", "COMPLETED"), at, family, **more)


def some(numbers: Iterable[int], family: Family = Family.PHI, **more: Any) -> list[Job]:
    return [numbered(number, family, **more) for number in numbers]


def text(jobs: Iterable[Job]) -> list[str]:
    return [job.json for job in jobs]


def at(job: Job, as_of: datetime = NOW + MINUTE) -> Position:
    return Position(job.sort_key, job.family, rfc3339(as_of))


def test_a_page_of_one_family_is_one_query_with_its_size_as_the_limit():
    jobs = some(range(30))
    paged = Paged(*jobs)
    assert paged.page(OLDEST_FIRST, 10) == JobsPage(text(jobs[:10]), at(jobs[9]))
    assert (paged.limits(), paged.database.rows_read) == ([10], 10)
    assert paged.database.queries[0]["ProjectionExpression"] == "SK, Job, JobOutput"


def test_a_page_of_two_families_reads_half_its_size_or_ten_rows_of_each_at_a_time():
    paged = Paged(*some(range(0, 400, 2)), *some(range(1, 400, 2), Family.SNOMEDCT))
    for size, limit in ((10, 10), (16, 10), (50, 25), (101, 50)):
        assert len(paged.page(BOTH_OLDEST_FIRST, size).jobs) == size
        assert paged.limits()[:2] == [limit, limit]
        assert paged.database.rows_read <= 2 * max(size, 10)
    # All of the first page's jobs are of one family, whose rows are read in three parts, and no more than the page.
    paged = Paged(*some(range(100)), *some(range(1_000, 1_100), Family.SNOMEDCT))
    assert paged.page(BOTH_OLDEST_FIRST, 25).jobs == text(some(range(25)))
    assert paged.limits() == [12, 12, 12, 1]


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_jobs_of_one_time_and_id_are_in_the_order_of_their_families(order):
    paged = Paged(*(numbered(1, family) for family in Family))
    query = JobQuery(families=tuple(Family), order=order)
    listed = [numbered(1, family) for family in sorted(Family, reverse=order == "descending")]
    assert paged.page(query, 5) == JobsPage(text(listed), None)
    for number, job in enumerate(listed, 1):
        assert paged.page(query, 5, at(job)).jobs == text(listed[number:])


def test_a_job_whose_status_changes_between_two_queries_is_listed_once():
    jobs = some(range(5), JobStatus="IN_PROGRESS")
    paged = Paged(*jobs)

    def change(operation: str) -> None:
        paged.database.after = lambda operation: None
        paged.record(numbered(2))

    paged.database.after = change
    query = replace(OLDEST_FIRST, statuses=("IN_PROGRESS", "COMPLETED"))
    assert paged.page(query, 10).jobs == text(jobs)  # as it was, or as it is


@pytest.mark.parametrize("consistent", [True, False])
def test_a_consistent_read_is_one_of_the_table_and_not_of_an_index(consistent):
    jobs = some(range(3), JobName="nightly")
    paged = Paged(*jobs, numbered(5, JobName="weekly", JobStatus="FAILED"))
    name, status = {"name": "nightly"}, {"statuses": ("COMPLETED",)}
    for filters, index in (
        *(({}, None), ({"name_prefix": "nightly"}, None)),
        *((name, "ByName"), (status, "ByStatus"), (name | status, "ByNameAndStatus")),
    ):
        page = paged.page(replace(OLDEST_FIRST, **filters), 3, consistent=consistent)
        assert page.jobs == text(jobs)
        for query in paged.database.queries:
            assert query.get("IndexName") == index
            assert query.get("ConsistentRead", False) is (consistent and index is None)


def prefixed(numbers: Iterable[int], every: int) -> list[Job]:
    """Jobs of which one in so many has the prefix."""
    return [numbered(n, JobName="nightly" if n % every == 0 else "other") for n in numbers]


PREFIX = replace(OLDEST_FIRST, name_prefix="night")


@pytest.mark.parametrize(
    "numbers,every,jobs,limits,last,rest",
    [
        # Until the page is full, which ends at its last job and not at the last row read.
        (range(3_000), 100, 8, [500, 500], 700, 8),
        # The page ends short after 2,000 rows, and the next one begins there.
        (range(3_000), 2_500, 1, [500] * 4, 1_999, 1),
        # Without a job so far, rows are read until there is one.
        (range(1, 6_001), 2_500, 1, [500] * 5, 2_500, 1),
    ],
)
@pytest.mark.parametrize("begun", [None, rfc3339(NOW + MINUTE)])
def test_a_prefix_search_reads_500_rows_at_a_time(numbers, every, jobs, limits, last, rest, begun):
    paged = Paged(*prefixed(numbers, every))
    page = paged.page(PREFIX, 8, begun=begun)
    assert (len(page.jobs), paged.limits()) == (jobs, limits)
    assert (page.position, paged.database.rows_read) == (at(numbered(last)), sum(limits))
    following = paged.page(PREFIX, 8, page.position)
    assert (len(following.jobs), following.position is None) == (rest, limits == [500] * 4)


@pytest.mark.parametrize("order,last", [("ascending", 299), ("descending", 100)])
def test_a_prefix_page_without_jobs_ends_after_many_rows_of_all_families(order, last, monkeypatch):
    for name, rows in (("SEARCHED_ROWS", 600), ("_FILTERED_CHUNK", 50)):
        monkeypatch.setattr(pages, name, rows)
    jobs = [job for family in BOTH for job in some(range(400), family, JobName="other")]
    paged, query = Paged(*jobs), replace(PREFIX, families=BOTH, order=order)
    page = paged.page(query, 8)
    # Both families' rows up to there were read once.
    assert (page.jobs, paged.database.rows_read) == ([], 600)
    assert page.position
    assert page.position.sort_key == numbered(last).sort_key
    # The next page finds that no job has the prefix; it reads the others once, and a row of the same time again.
    following = paged.page(query, 8, page.position)
    assert (following, paged.database.rows_read) == (JobsPage([], None), 201)


def test_a_prefix_page_ends_when_no_time_is_left():
    paged = Paged(*some(range(3_000), JobName="other"))
    left = iter([True, True, False])
    page = paged.page(PREFIX, 8, time_left=lambda: next(left))
    assert page == JobsPage([], at(numbered(1_499)))
    assert paged.database.rows_read == 1_500


def test_rows_that_came_later_are_left_out_and_a_page_that_begins_again_is_the_same():
    known, later = some(range(0, 400, 4)), some(n for n in range(400) if n % 4)
    paged = Paged(*known)
    first, began = paged.page(OLDEST_FIRST, 10), rfc3339(paged.now)
    paged.add_later(*later)
    second = paged.page(OLDEST_FIRST, 10, first.position)
    assert second == JobsPage(text(known[10:20]), at(known[19]))
    # Ten rows are mostly later ones, so the next are read in a large chunk.
    assert paged.limits() == [10, 500]
    paged.now += MINUTE
    assert paged.page(OLDEST_FIRST, 10, begun=began) == first
    assert paged.page(OLDEST_FIRST, 10) != first


def test_a_full_page_has_a_position_even_when_only_later_rows_follow():
    known = some(range(20))
    paged = Paged(*known)
    first = paged.page(OLDEST_FIRST, 10)
    assert paged.page(OLDEST_FIRST, 10, first.position).position == at(known[19])
    paged.add_later(*some(range(20, 25)))
    assert paged.page(OLDEST_FIRST, 10, first.position).position == at(known[19])
    for size in (10, 20):
        page = paged.page(BOTH_OLDEST_FIRST, size, begun=rfc3339(NOW))
        assert page.position == at(known[size - 1], NOW)


@pytest.mark.parametrize(
    "most,limits", [(1_000, [9, 500, 500]), (1_008, [9, 500, 500]), (1_009, [9, 500, 500, 500])]
)
def test_a_page_that_would_leave_out_too_many_rows_ends_short(most, limits, monkeypatch):
    monkeypatch.setattr(pages, "LATER_ROWS", most)
    known = [*some(range(10)), numbered(9_000)]
    paged = Paged(*known)
    first = paged.page(OLDEST_FIRST, 9)
    paged.add_later(*some(range(1_000, 4_000)))
    second = paged.page(OLDEST_FIRST, 9, first.position)
    # Nine rows with one known job, and then 500 later ones at a time until there are as many.
    assert paged.limits() == limits
    assert second == JobsPage(text(known[9:10]), at(numbered(1_007 + sum(limits[1:]))))
    third = paged.page(OLDEST_FIRST, 9, second.position)
    assert (third.jobs, third.position is None) == ([], False)


def test_a_traversal_can_carry_an_as_of_for_each_family():
    paged = Paged(*some(range(3)), *some(range(3), Family.SNOMEDCT))
    paged.record(*some(range(3, 6)), *some(range(3, 6), Family.SNOMEDCT))
    begun = f"{rfc3339(paged.now)},{rfc3339(NOW)}"  # SNOMEDCT, PHI
    page = paged.page(BOTH_OLDEST_FIRST, 20, begun=begun)
    listed = [*some(range(3)), *some(range(6), Family.SNOMEDCT)]
    assert sorted(page.jobs) == sorted(text(listed))


def with_size(number: int, size: int) -> Job:
    """A job whose JSON has so many bytes in a response, in which quotes and backslashes are escaped once more."""
    text = numbered(number, Message='"é').json
    size -= len(text.encode()) + text.count('"') + text.count("\\")
    return numbered(number, Message='"é' + "m" * size)


@pytest.mark.parametrize("sizes,jobs", [((1_000, 1_000), 2), ((1_000, 1_001), 1), ((2_001, 0), 1)])
def test_a_page_has_up_to_five_megabytes_and_at_least_one_job(sizes, jobs, monkeypatch):
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 2_000)
    paged = Paged(*(with_size(*of) for of in enumerate(sizes, 1)), numbered(3))
    page = paged.page(OLDEST_FIRST, 10)
    assert (len(page.jobs), page.position) == (jobs, at(numbered(jobs)))
