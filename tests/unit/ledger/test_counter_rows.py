"""Counter rows: their keys, what a transaction adds to them, and how they are read."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

import pytest

from jobledger.jobs import Job, job_from_json
from jobledger.ledger import counters
from jobledger.ledger.counters import Changes, CounterRow, counts_of
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.job_facts import facts_of_job
from jobledger.ledger.job_write import JobWrite, Known, RecordCall, increments_of
from jobledger.ledger.recording import batches
from jobledger.ledger.rows import job_row
from jobledger.ledger.table import Increment, Row, Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import DAY, NOW, SCOPE, SECOND, a_job
from testing.counted import Counted
from testing.memory_dynamodb import RecordingDynamoDB

PHI, SNOMEDCT = Family.PHI, Family.SNOMEDCT


def row_of(job: Job, **properties: Any) -> Row:
    before = job_from_json(job.family, json.dumps(json.loads(job.json) | properties))
    assert before is not None
    return job_row(f"{SCOPE}/{job.family}", before, None, rfc3339(NOW), rfc3339(NOW))


def writes(jobs: Sequence[Job], rows: Mapping[str, Row] | None = None) -> list[JobWrite]:
    return [JobWrite(job, Known((rows or {}).get(job.sort_key)), replaces=True) for job in jobs]


def by_key(increments: Sequence[Increment]) -> dict[str, dict[str, int]]:
    assert {increment.key["PK"] for increment in increments} == {f"{SCOPE}#totals#{LAYOUT}"}
    found = {increment.key["SK"]: dict(increment.amounts) for increment in increments}
    assert len(found) == len(increments)
    return found


# What is added.


def test_jobs_of_two_days_are_added_to_their_days_their_month_and_all():
    at = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
    jobs = [
        a_job("a", "FAILED", at, EndTime=at + 5 * SECOND, ExpirationTime=at + 120 * DAY),
        a_job("b", "FAILED", at + DAY, ExpirationTime=at + 120 * DAY),
        a_job("c", "IN_PROGRESS", at - DAY),
    ]
    one = {"Jobs#FAILED": 1, "Hour#07": 1, "Version": 1}
    month = {"Jobs#FAILED": 2, "D#856#FAILED": 1, "Version": 1}
    assert by_key(increments_of(SCOPE, SNOMEDCT, writes(jobs))) == {
        "all#SNOMEDCT": month | {"Jobs#IN_PROGRESS": 1},
        "month#2026-11#SNOMEDCT": month,
        "month#2026-10#SNOMEDCT": {"Jobs#IN_PROGRESS": 1, "Version": 1},
        "day#2026-11-01#SNOMEDCT": one | {"D#856#FAILED": 1},
        "day#2026-11-02#SNOMEDCT": one,
        "day#2026-10-31#SNOMEDCT": {"Jobs#IN_PROGRESS": 1, "Hour#07": 1, "Version": 1},
        "expires#2027-03-01~2026-11-01#SNOMEDCT": {"07#2026-11-01T07#FAILED": 1, "Version": 1},
        "expires#2027-03-01~2026-11-02#SNOMEDCT": {"07#2026-11-02T07#FAILED": 1, "Version": 1},
    }


def test_a_job_that_moves_is_taken_from_where_its_row_had_it():
    before = a_job(status="IN_PROGRESS", ExpirationTime=NOW + 10 * DAY)
    after = a_job(status="STOPPED", ExpirationTime=NOW + 11 * DAY)
    rows = {before.sort_key: row_of(before)}
    moved = {"Jobs#IN_PROGRESS": -1, "Jobs#STOPPED": 1, "Version": 1}
    left, came = "12#2026-11-23T11#IN_PROGRESS", "12#2026-11-23T11#STOPPED"
    assert by_key(increments_of(SCOPE, SNOMEDCT, writes([after], rows))) == {
        "all#SNOMEDCT": moved,
        "month#2026-11#SNOMEDCT": moved,
        "day#2026-11-23#SNOMEDCT": moved,
        "expires#2026-12-03~2026-11-23#SNOMEDCT": {left: -1, "Version": 1},
        "expires#2026-12-04~2026-11-23#SNOMEDCT": {came: 1, "Version": 1},
    }


@pytest.mark.parametrize("counted,taken", [(None, False), (LAYOUT - 1, False), (LAYOUT, True)])
def test_a_row_is_taken_from_where_it_was_unless_it_is_not_counted(counted, taken):
    job, row = a_job(Message="new"), row_of(a_job())
    del row["Counted"]
    rows = {job.sort_key: row if counted is None else row | {"Counted": counted}}
    added = increments_of(SCOPE, SNOMEDCT, writes([job], rows))
    assert added == ([] if taken else increments_of(SCOPE, SNOMEDCT, writes([job])))


def test_a_job_without_a_submit_time_is_counted_in_1970():
    found = by_key(increments_of(SCOPE, PHI, writes([a_job(submitted=None, family=PHI)])))
    assert found.keys() == {"all#PHI", "month#1970-01#PHI", "day#1970-01-01#PHI"}
    assert found["day#1970-01-01#PHI"] == {"Jobs#COMPLETED": 1, "Hour#00": 1, "Version": 1}


# Transactions.


def sizes(jobs, rows=None, *, announce_new=True, **more: bool) -> list[int]:
    options = {"counted": True, "one_by_one": False} | more
    unseen_since = None if announce_new else "2030"
    call = RecordCall(SNOMEDCT, SCOPE, rfc3339(NOW), unseen_since, options["counted"])
    found = list(batches(call, writes(jobs, rows), one_by_one=options["one_by_one"]))
    in_order = sorted(jobs, key=lambda job: job.sort_key)
    assert [write.job for batch in found for write in batch] == in_order
    return [len(batch) for batch in found]


def of_one_day(count: int, **more: Any) -> list[Job]:
    return [a_job(f"{n:03}", submitted=NOW - n * SECOND, **more) for n in range(count)]


def rows_of(jobs: Sequence[Job]) -> dict[str, Row]:
    return {job.sort_key: row_of(job, JobStatus="FAILED") for job in jobs}


def test_a_transaction_has_up_to_a_hundred_rows_and_fifty_jobs_or_a_single_one():
    # Two rows of each job, its day, its month, all jobs and a check: 48 * 2 + 4.
    assert sizes(of_one_day(97)) == [48, 48, 1]
    # One row of each job: the counters' names are the limit.
    assert sizes(of_one_day(51), announce_new=False) == [50, 1]
    assert sizes(of_one_day(3), one_by_one=True) == [1, 1, 1]
    assert sizes([]) == []


def test_a_fill_counts_nothing_and_writes_a_hundred_rows_or_a_hundred_kilobytes():
    for count, more, expected in (
        (200, {}, [98, 98, 4]),
        (100, {"JobStatus": "IN_PROGRESS"}, [49, 49, 2]),
        (20, {"Message": "m" * 20_000}, [4] * 5),
    ):
        jobs = of_one_day(count, **more)
        assert sizes(jobs, announce_new=False, counted=False) == expected


def test_transactions_leave_room_for_the_change_of_a_known_job_and_for_each_day_and_month():
    jobs = of_one_day(60)
    assert sizes(jobs, rows_of(jobs), announce_new=False) == [48, 12]
    assert sizes(jobs, rows_of(jobs[:10]), announce_new=False) == [50, 10]
    # 2 + 3n + the months: 32 jobs of 32 days and two months are 2 + 64 + 32 + 2 rows.
    last = datetime(2026, 11, 30, tzinfo=UTC)
    assert sizes([a_job(f"{n}", submitted=last - n * DAY) for n in range(60)]) == [32, 28]


def test_each_expiration_day_is_a_row_more_and_so_is_the_one_before():
    def expiring(number: int) -> Job:
        at, expires = NOW - number * SECOND, NOW + number * DAY
        return a_job(f"{number:03}", submitted=at, ExpirationTime=expires)

    def before(time: Callable[[int], str]) -> dict[str, Row]:
        failed = {"JobStatus": "FAILED"}
        rows = (row_of(job, ExpirationTime=time(n), **failed) for n, job in enumerate(jobs))
        return {str(row["SK"]): row for row in rows}

    jobs = [expiring(n) for n in range(60)]
    assert sizes(jobs) == [32, 28]
    assert sizes(jobs, before(lambda n: "2025-01-01T00:00:00.000Z")) == [31, 29]
    assert sizes(jobs, before(lambda n: rfc3339(NOW - (n + 1) * DAY))) == [24, 24, 12]
    assert sizes(of_one_day(60, ExpirationTime=NOW)) == [47, 13]


# Reads.

DAYS = ["2026-09-30", "2026-10-01", "2026-10-31", "2026-11-01", "2026-11-02"]


@pytest.fixture
def stored() -> Table:
    """Counter rows in memory, of these days for two families; the count is the day's number."""
    table = Table(RecordingDynamoDB(), "ledger")
    for number, day in enumerate(DAYS, 1):
        for family in (SNOMEDCT, PHI):
            changes = Changes(SCOPE, family)
            at = datetime.fromisoformat(f"{day}T08:00Z")
            job = a_job(submitted=at, family=family, ExpirationTime=at)
            changes.add(day, facts_of_job(job), number)
            assert table.transact(changes.increments())
    return table


def completed_jobs(rows: Any) -> list[tuple[str, str, int]]:
    return [(row.period, row.family.value, row.counts["Jobs#COMPLETED"]) for row in rows]


@pytest.mark.parametrize(
    "first,last,expected",
    [
        *(("2026-10-01", "2026-11-01", [2, 3, 4]), ("2026-10-02", "2026-10-31", [3])),
        *(("2026-11-02", "2026-11-02", [5]), ("2026-11-03", "2026-12-01", [])),
    ],
)
def test_days_are_read_from_the_first_to_the_last_of_all_families(stored, first, last, expected):
    found = completed_jobs(counters.days(stored, SCOPE, first, last))
    assert found == [(DAYS[n - 1], family, n) for n in expected for family in ("PHI", "SNOMEDCT")]
    expirations = counters.expirations(stored, SCOPE, first, last)
    assert [(row.period, row.family) for row in expirations] == [
        (f"{day}~{day}", family) for day, family, _ in found
    ]
    assert list(counters.days(stored, "other", first, last)) == []


def test_expirations_without_a_last_day_are_all_from_the_first_on(stored):
    rows = list(counters.expirations(stored, SCOPE, "2026-10-31"))
    assert rows[0] == CounterRow(PHI, "2026-10-31~2026-10-31", {"08#2026-10-31T08#COMPLETED": 3})
    assert [row.period[:10] for row in rows] == [day for day in DAYS[2:] for _ in range(2)]
    everything, counts = counters.all_jobs(stored, SCOPE), {"Jobs#COMPLETED": 15}
    assert list(everything) == [CounterRow(family, "", counts) for family in (PHI, SNOMEDCT)]


@pytest.mark.parametrize(
    "bounds,expected",
    [
        *(((), [1, 5, 9]), (("2026-10",), [5, 9]), (("2026-10", "2026-10"), [5])),
        *((("", "2026-10"), [1, 5]), (("2026-12", "2027-01"), [])),
    ],
)
def test_months_are_read_from_the_first_to_the_last_and_consistently_on_demand(
    stored, bounds, expected
):
    for months in (
        partial(counters.months, consistent=True),
        partial(counters.months, consistent=False),
        counters.months,
    ):
        rows = months(stored, SCOPE, *bounds)
        assert [row.counts["Jobs#COMPLETED"] for row in rows if row.family is PHI] == expected
    read = [query["ConsistentRead"] for query in stored._client.queries]
    assert read == [True, False, False]


def test_chosen_days_are_those_of_one_family_that_have_a_row(stored):
    chosen = [DAYS[4], DAYS[1], "2026-12-24"]
    rows = completed_jobs(counters.chosen_days(stored, SCOPE, PHI, chosen))
    assert sorted(rows) == [(DAYS[1], "PHI", 2), (DAYS[4], "PHI", 5)]


def test_jobs_by_hour_are_one_family_s_from_the_newest_hour_backwards():
    hours = {"2026-11-23T05": 1, "2026-11-21T10": 3, "2026-11-21T09": 1, "2026-11-21T00": 2}
    world = Counted(a_job("other", submitted=NOW - DAY, family=PHI))
    for hour, number in (hours | {"2026-11-20T23": 1}).items():
        at = datetime.fromisoformat(f"{hour}:30Z")
        world.record(*(a_job(f"{hour}-{n}", submitted=at) for n in range(number)))
    found = counters.jobs_by_hour(world.ledger.table, SCOPE, SNOMEDCT, "2026-11-21")
    assert list(found) == list(hours.items())


def test_jobs_by_hour_are_read_no_further_than_they_are_asked_for():
    jobs = (a_job(f"{n}", submitted=NOW - n * DAY) for n in range(60))
    world = Counted(*jobs, database=RecordingDynamoDB(largest_answer=10))
    hours = counters.jobs_by_hour(world.ledger.table, SCOPE, SNOMEDCT, "2026-01-01")
    assert list(islice(hours, 10)) == [(f"{NOW - n * DAY:%Y-%m-%dT%H}", 1) for n in range(10)]
    assert world.database.calls["query"] == 1


def test_the_counts_of_a_row_are_its_numbers_without_zeros_and_without_its_version():
    row: Row = {"SK": "all#PHI", "Version": 7, "Jobs#FAILED": 2, "Jobs#STOPPED": 0, "Note": "x"}
    assert counts_of(row) == Counter({"Jobs#FAILED": 2})
    assert counts_of(None) == Counter()
