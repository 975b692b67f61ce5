"""The jobs that the service deletes soon: how many, and which are the first."""

import random
from datetime import datetime, timedelta

import pytest

from jobledger.jobs import Job
from jobledger.ledger.counters import CounterRow
from jobledger.ledger.job_facts import JobFacts, facts_of_job
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.expirations import count_expiring, first_to_expire, read_expiring
from testing.builders import DAY, HOUR, MINUTE, NOW, a_job
from testing.counted import Counted

KEPT = 120 * DAY
# Jobs are submitted in the hour that begins then, and those of one minute expire together.
SUBMITTED = NOW.replace(minute=0) - 100 * DAY
BOTH = (Family.SNOMEDCT, Family.PHI)


def submitted(
    name: str, at: datetime, kept: timedelta = KEPT, family: Family = Family.SNOMEDCT, **more: str
) -> Job:
    return a_job(name, more.get("status", "COMPLETED"), at, family, ExpirationTime=at + kept)


def expiring(world: Counted, start: datetime, end: datetime) -> list[CounterRow]:
    """The rows of the hours from one time to another."""
    rows = list(read_expiring(world.ledger, BOTH, rfc3339(start), rfc3339(end)))
    world.database.forget()
    return rows


def ids(world: Counted, most: int, start: datetime, end: datetime) -> list[str]:
    """The ids of the first jobs that expire from one time to another."""
    found = first_to_expire(world.ledger, expiring(world, start, end), most)
    return [job.job_id for job in found]


def each_minute(count: int, start: datetime = SUBMITTED, name: str = "") -> list[Job]:
    return [submitted(f"{name}{n:03}", start + n * MINUTE) for n in range(count)]


ROWS = [
    CounterRow(Family.SNOMEDCT, "2027-03-01", {"00#2026-11-01T00#COMPLETED": 1}),
    CounterRow(Family.SNOMEDCT, "2027-03-01", {"00#2026-11-01T05#FAILED": 2}),
    CounterRow(Family.SNOMEDCT, "2027-03-01", {"01#2026-11-02T00#COMPLETED": 4}),
    CounterRow(Family.PHI, "2027-03-02", {"01#2026-11-03T23#A#B": 8}),
]


@pytest.mark.parametrize(
    "statuses,first,last,number",
    [
        *((("COMPLETED",), None, None, 5), (("FAILED", "A#B"), None, None, 10)),
        *((("STOPPED",), None, None, 0), ((), None, None, 15), ((), "2026-11-01", None, 15)),
        *(((), "2026-11-02", None, 12), ((), "2026-11-03", None, 8), ((), "2026-11-04", None, 0)),
        *(((), None, "2026-10-31", 0), ((), None, "2026-11-01", 3), ((), None, "2026-11-02", 7)),
        *(((), "2026-11-02", "2026-11-02", 4), (("COMPLETED",), "2026-11-02", "2026-11-03", 4)),
        (("FAILED",), "2026-11-02", "2026-11-03", 0),
    ],
)
def test_they_are_counted_by_status_and_submit_day(statuses, first, last, number):
    assert count_expiring(ROWS, statuses, first, last) == number


@pytest.mark.parametrize("seed", range(40))
def test_the_first_to_expire_are_in_the_order_of_their_hours(seed):
    """Within an hour, those of one submit hour and family come in the order of their submission."""

    def place(job: JobFacts) -> tuple[object, ...]:
        expires, at = str(job.expiration_time), str(job.submit_time)
        return expires[:13], at[:13], job.family, at, job.job_id

    source, start = random.Random(seed), SUBMITTED + KEPT
    jobs = [
        submitted(
            f"{number:03}",
            SUBMITTED + source.randrange(2_000) * MINUTE,
            KEPT + source.choice([0, 0, 0, -5, 1, 240]) * HOUR,
            source.choice(BOTH),
        )
        for number in range(source.randint(1, 80))
    ]
    world, most = Counted(*jobs), source.randint(1, 90)
    rows = expiring(world, start - DAY, start + 30 * DAY)
    expected = sorted(map(facts_of_job, jobs), key=place)
    assert list(first_to_expire(world.ledger, rows, most)) == expected[:most]


def test_a_request_for_jobs_of_one_time_reads_at_most_twice_its_rows():
    world = Counted(*each_minute(60), *each_minute(60, SUBMITTED + HOUR, "later-"))
    start = SUBMITTED + KEPT
    assert len(ids(world, 10, start, start + 7 * DAY)) == 10
    (query,) = world.database.queries
    assert query["Limit"] == world.database.rows_read == 20
    assert query["ExpressionAttributeValues"][":low"] == {"S": rfc3339(SUBMITTED)[:13]}
    # Nothing is read for counts that are zero.
    zero = CounterRow(Family.SNOMEDCT, "2027-03-01", {"00#2026-11-01T00#FAILED": 0})
    assert list(first_to_expire(world.ledger, [zero], 5)) == []
    assert len(world.database.queries) == 1
    apart = Counted(*(submitted(f"{n}", SUBMITTED + n * 5 * HOUR) for n in range(10)))
    assert ids(apart, 10, start, start + 7 * DAY) == [f"{n}" for n in range(10)]
    assert len(apart.database.queries) == 1


def test_an_hour_larger_than_a_request_is_read_to_its_end_and_no_further():
    """Of the jobs of one hour, the last ones expire first."""
    late = [submitted(f"late-{n}", SUBMITTED + (50 + n) * MINUTE, KEPT - DAY) for n in range(5)]
    world = Counted(*each_minute(50), *late, *each_minute(60, SUBMITTED + HOUR, "next-"))
    start = SUBMITTED + KEPT - DAY
    assert ids(world, 5, start, start + HOUR) == [f"late-{n}" for n in range(5)]
    assert (len(world.database.queries), world.database.rows_read) == (2, 55)
