"""Facts: what is read of each job, and how a large partition is divided for parallel reads."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from jobledger.errors import LedgerUnavailable, TooMuchToSummarise
from jobledger.jobs import Job
from jobledger.ledger.job_facts import JobFacts, facts_of_job
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.scan import read_facts
from testing.builders import DAY, MILLISECOND, MINUTE, NOW, SECOND, MemoryLedger, a_job, matches
from testing.memory_dynamodb import RecordingDynamoDB, error

PHI = Family.PHI
QUERY = JobQuery(families=(PHI,))


def a_ledger(*jobs: Job, largest_answer: int = 1_000_000) -> tuple[Ledger, RecordingDynamoDB]:
    database = RecordingDynamoDB(largest_answer)
    return MemoryLedger(*jobs, database=database).ledger, database


def every_minute(count: int, largest_answer: int) -> tuple[Ledger, RecordingDynamoDB]:
    """Jobs from midnight on, a minute apart; an answer has so many."""
    midnight = NOW.replace(hour=0)
    jobs = (a_job(f"{n:03}", None, midnight + n * MINUTE, PHI) for n in range(count))
    return a_ledger(*jobs, largest_answer=largest_answer)


def read(ledger: Ledger, query: JobQuery = QUERY) -> list[str]:
    return sorted(job.job_id for job in read_facts(ledger, query))


def numbers(count: int) -> list[str]:
    return [f"{n:03}" for n in range(count)]


def test_the_facts_of_a_job_are_its_times_and_its_status():
    end, expiration = NOW + MINUTE, NOW + 120 * DAY
    known = a_job("known", "FAILED", NOW, PHI, EndTime=end, ExpirationTime=expiration)
    ledger, database = a_ledger(known, a_job("bare", None, None, PHI))
    ledger.mark_expired(PHI, "bare", None)
    database.forget()
    facts = sorted(read_facts(ledger, QUERY), key=lambda job: job.job_id)
    assert facts == [
        JobFacts(PHI, "bare", None, None, None, None, expired=True),
        JobFacts(PHI, "known", "FAILED", rfc3339(NOW), rfc3339(end), rfc3339(expiration)),
    ]
    assert facts[1] == facts_of_job(known)
    (query,) = database.queries
    assert query["ProjectionExpression"] == "SK, Job, ExpiredUpstream, CountedAs, JobOutput"


def test_the_rest_of_a_large_partition_is_read_in_eight_equal_time_ranges():
    ledger, database = every_minute(81, largest_answer=20)
    assert read(ledger) == numbers(81)
    first, last, *ranges = database.queries
    assert "Limit" not in first
    assert (last["ScanIndexForward"], last["Limit"]) == (False, 1)
    assert all(asked["ScanIndexForward"] for asked in (first, *ranges))
    bounds = sorted(
        (values[":low"]["S"], values[":high"]["S"])
        for values in (asked["ExpressionAttributeValues"] for asked in ranges)
    )
    # From the end of the first page, at 00:19, to the last job, at 01:20: 457.5 seconds each.
    begin = NOW.replace(hour=0) + 19 * MINUTE
    cuts = [rfc3339(begin + n * 457.5 * SECOND) for n in range(1, 8)]
    after_the_page = f"{rfc3339(begin)}#019"
    assert bounds == list(zip([after_the_page, *cuts], [*cuts, ":"], strict=True))
    starts = [asked.get("ExclusiveStartKey") for asked in ranges]
    assert [start["SK"]["S"] for start in starts if start] == [after_the_page]
    # Each row of the first page and of a range once, and the last row once more.
    assert database.rows_read == 81 + 1


def test_a_range_larger_than_a_page_is_not_divided_again_and_one_page_is_one_query():
    ledger, database = every_minute(81, largest_answer=3)
    assert read(ledger) == numbers(81)
    assert [query.get("Limit") for query in database.queries].count(1) == 1
    # A first page, the last row, and eight ranges of nine or ten jobs in pages of three.
    assert 1 + 1 + 8 * 3 <= len(database.queries) <= 1 + 1 + 8 * 4
    for count in (0, 20):
        ledger, database = every_minute(count, largest_answer=20)
        assert (read(ledger), len(database.queries)) == (numbers(count), 1)


def test_a_partition_whose_last_row_is_not_found_is_still_read():
    """DynamoDB gives a LastEvaluatedKey with each page of a Limit, but does not promise it."""
    ledger, database = every_minute(30, largest_answer=5)
    query = database.query

    def without_a_key(**asked: Any) -> dict[str, Any]:
        answer = query(**asked)
        return {"Items": answer["Items"]} if asked.get("Limit") == 1 else answer

    with mock.patch.object(database, "query", without_a_key):
        assert read(ledger) == numbers(30)


def test_a_reader_is_asked_after_each_page_and_may_stop():
    ledger, database = every_minute(60, largest_answer=3)
    asked = mock.Mock(side_effect=[None, None, None, TooMuchToSummarise])
    with pytest.raises(TooMuchToSummarise):
        list(read_facts(ledger, QUERY, asked))
    # The first page, the last row, eight ranges, and what follows the three pages before the stop.
    assert len(database.queries) <= 2 + 8 + 3
    database.forget()
    list(read_facts(ledger, QUERY, asked := mock.Mock()))
    assert asked.call_count == len(database.queries) - 1  # the last row is not a page
    # An error in one range is an error of the read.
    database.forget()

    def fail(operation: str) -> None:
        if len(database.queries) == 6:
            raise error("ThrottlingException")

    database.before = fail
    with pytest.raises(LedgerUnavailable):
        read(ledger)


def test_four_readers_and_no_more_read_at_the_same_time():
    ledger, database = every_minute(60, largest_answer=30)
    barrier = threading.Barrier(4, timeout=10)
    ranges: list[int] = []

    def meet(operation: str) -> None:
        if len(database.queries) > 2:  # after the first page and the last row
            ranges.append(barrier.wait())

    database.before = meet
    with mock.patch("concurrent.futures.ThreadPoolExecutor", wraps=ThreadPoolExecutor) as pool:
        assert read(ledger) == numbers(60)
    assert (len(ranges), pool.mock_calls) == (8, [mock.call(4)])


@pytest.mark.parametrize("seed", range(20))
def test_jobs_of_any_time_and_without_one_are_each_read_once_by_any_filter(seed):
    """Their ids may have what separates them from the time in a key."""
    source = random.Random(seed)
    bounds = {"after": rfc3339(NOW - DAY + 10 * MINUTE), "before": rfc3339(NOW)}
    filters: Any = source.choice([{}, {"name": "a"}, {"statuses": ("FAILED", "COMPLETED")}, bounds])
    apart = [timedelta(0), MILLISECOND, MINUTE, 50 * DAY]
    jobs = [a_job(f"bare-{n}", None, None, PHI) for n in range(source.randint(0, 12))]
    for number in range(source.randint(0, 60)):
        submitted = NOW - DAY + source.choice(apart) * number
        status = source.choice(["FAILED", "COMPLETED", "STOPPED"])
        jobs.append(a_job(f"#{number}#", status, submitted, PHI, JobName=source.choice("ab")))
    ledger, _ = a_ledger(*jobs, largest_answer=4)
    query = JobQuery((PHI,), **filters)
    assert read(ledger, query) == sorted(job.job_id for job in jobs if matches(job, query))
