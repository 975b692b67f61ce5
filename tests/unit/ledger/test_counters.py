"""The counters: what a transaction adds to them, how they are read by hour, and how they are verified."""

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from jobledger.jobs import Job, job_from_json
from jobledger.ledger import counters
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.job_write import JobWrite, Known, RecordCall, increments_of
from jobledger.ledger.recording import batches
from jobledger.ledger.rows import job_row
from jobledger.ledger.table import Increment, Row
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.recount import recount_month
from testing.builders import DAY, HOUR, NOW, SCOPE, SECOND, a_job
from testing.counted import EXPIRED, TODAY, Counted
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


def sizes(jobs, rows=None, *, announce_new=True, **more: bool) -> list[int]:
    options = {"counted": True, "one_by_one": False} | more
    unseen_since = None if announce_new else "2030"
    call = RecordCall(Family.SNOMEDCT, SCOPE, rfc3339(NOW), unseen_since, options["counted"])
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


def test_what_jobs_processed_counts_for_the_size_of_a_transaction():
    jobs = of_one_day(20)
    rows = {key: row | {"JobOutput": "o" * 10_000} for key, row in rows_of(jobs).items()}
    assert sizes(jobs, rows, announce_new=False) == [9, 9, 2]


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
    assert list(itertools.islice(hours, 10)) == [
        (f"{NOW - n * DAY:%Y-%m-%dT%H}", 1) for n in range(10)
    ]
    assert world.database.calls["query"] == 1


def test_the_counts_of_a_row_are_its_numbers_without_zeros_and_without_its_version():
    row: Row = {"SK": "all#PHI", "Version": 7, "Jobs#FAILED": 2, "Jobs#STOPPED": 0, "Note": "x"}
    assert counters.counts_of(row) == Counter({"Jobs#FAILED": 2})
    assert counters.counts_of(None) == Counter()


@pytest.mark.parametrize("announce_new", [True, False])
def test_jobs_of_as_many_days_as_there_are_jobs_fit_into_transactions(announce_new):
    world = Counted()  # its database refuses more than 100 actions, and two of one row
    for status, step in (("IN_PROGRESS", HOUR), ("COMPLETED", DAY)):
        jobs = (
            a_job(f"{n}", status, NOW - n * DAY, ExpirationTime=NOW + n * step) for n in range(150)
        )
        world.record(*jobs, announce_new=announce_new)
        world.agree()


def test_a_counter_row_that_another_transaction_holds_is_waited_for(slept):
    world = Counted()
    world.refuse_writes(1, 2, 3, reason="TransactionConflict")
    world.record(a_job(), a_job("other"))
    world.agree()
    # The batch was sent again as it was: nothing was read a second time, and nothing written one by one.
    calls = {"batch_get_item": 1, "query": 2, "get_item": 1, "transact_write_items": 1}
    assert world.database.calls == calls


def test_rows_of_an_older_version_are_counted_where_they_are_and_not_twice():
    world = Counted(a_job("moves", "IN_PROGRESS"))
    world.record(*(a_job(f"{n}", submitted=NOW - n * 5 * HOUR, EndTime=NOW) for n in range(150)))
    world.forget_counters()
    world.record(a_job("moves", EndTime=NOW), a_job("new", "IN_PROGRESS"))
    assert world.recount() == 0
    world.agree()
    assert len(world.expected()) > 30
    written = world.database.calls["transact_write_items"]
    assert world.recount() == 0
    assert world.database.calls["transact_write_items"] == written


@pytest.mark.parametrize("seed", range(40))
def test_each_counter_row_that_is_wrong_is_replaced_and_counted(seed):
    """Rows have wrong numbers or are missing, and others, of a day without jobs, are too many."""
    source, partition = random.Random(seed), counters.partition(SCOPE)
    expires = itertools.cycle([*EXPIRED, None])
    jobs = [a_job(f"{n}", submitted=NOW - n * DAY, ExpirationTime=next(expires)) for n in range(50)]
    later = a_job(submitted=NOW + 2 * DAY, ExpirationTime=EXPIRED[0])
    world, items = Counted(*jobs), Counted(*jobs, later).database.items
    others = {at: row for at, row in items.items() if at[0] == partition}
    wrong = source.sample(sorted(others), source.randint(1, 6))
    for at in wrong:
        if at not in world.database.items:
            world.database._put(others[at])
            continue
        name = source.choice(["Jobs#COMPLETED", "Jobs#LOST"])
        if at[1].startswith("expires"):
            name = f"{source.choice([8, 12]):02}#{at[1][19:29]}T12#LOST"
        world.falsify(at[1], source.choice([{name: 77}, None]))
    assert world.recount() == len(wrong)
    world.agree()
    assert world.recount() == 0


def test_a_recount_skips_rows_that_another_writer_changes_and_counts_the_rest():
    world = Counted(*(a_job(f"{n}", "IN_PROGRESS") for n in range(5)))
    world.forget_counters()
    world.before_a_write(lambda: world.record(a_job("0", EndTime=NOW)))
    assert world.recount() == 0
    world.agree()
    assert world.expected()["all#SNOMEDCT"]["Jobs#IN_PROGRESS"] == 4


@pytest.mark.parametrize("call", range(1, 9))
def test_a_recount_beside_a_writer_replaces_nothing_that_is_right(call):
    world, calls = Counted(*(a_job(f"{n}") for n in range(5))), itertools.count(1)

    def write(operation: str) -> None:
        if next(calls) == call:
            world.record(a_job("0", EndTime=NOW), a_job("new"))

    world.database.before = write
    assert world.recount() == 0
    world.agree()


def test_a_wrong_row_that_is_written_while_it_is_compared_is_right_afterwards():
    world = Counted(a_job())
    world.falsify("day#2026-11-23#SNOMEDCT", {"Jobs#COMPLETED": 5})
    world.before_a_write(lambda: world.record(a_job("new")))
    assert world.recount() == 1
    world.agree()


def test_a_recount_that_sees_a_transaction_in_part_replaces_nothing(monkeypatch):
    """The counter row is the new one; the job rows of the month, and then of the day, are still the old ones."""
    world = Counted(a_job())
    query, old = world.database.query, list[Any]()
    lags: list[Any] = []

    def lagging(**asked: Any) -> Any:
        if asked["ExpressionAttributeValues"].get(":low", {}).get("S", "")[:7] != "2026-11":
            return query(**asked)
        if lags:
            return lags.pop()
        old.append(query(**asked))
        return old[-1]

    monkeypatch.setattr(world.database, "query", lagging)
    recount_month(world.ledger, SNOMEDCT, "2026-11", TODAY)
    world.record(a_job("new"))
    lags += [old[0], old[0]]
    assert recount_month(world.ledger, SNOMEDCT, "2026-11", TODAY) == 0
    assert not lags
    world.agree()


def test_of_what_a_person_wrote_into_a_counter_row_only_whole_numbers_under_known_names_count():
    world = Counted()
    world.record(a_job())
    row = world.database.items[counters.partition(SCOPE), "all#SNOMEDCT"]
    row |= {"Jobs#FAILED": {"N": "-3"}, "Jobs#STOPPED": {"N": "0.5"}, "note": {"N": "7"}}
    row |= {"Jobs#LOST": {"S": "9"}, "D#1#FAILED": {"N": "1-"}}
    (read,) = counters.all_jobs(world.ledger.table, SCOPE)
    assert read.counts == {"Jobs#COMPLETED": 1, "Jobs#FAILED": -3}
