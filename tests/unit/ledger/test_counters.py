"""The counters: what a transaction adds to them, how they are read by hour, and how they are verified."""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
from testing.counted import TODAY, Counted
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


def test_a_row_is_taken_from_where_it_was_unless_it_is_not_counted():
    job, row = a_job(Message="new"), row_of(a_job())
    del row["Counted"]
    new = increments_of(SCOPE, SNOMEDCT, writes([job]))
    for counted, added in (({}, new), ({"Counted": LAYOUT - 1}, new), ({"Counted": LAYOUT}, [])):
        rows = {job.sort_key: row | counted}
        assert increments_of(SCOPE, SNOMEDCT, writes([job], rows)) == added


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
    jobs, fill = of_one_day(60), {"announce_new": False}
    with_output = {key: row | {"JobOutput": "o" * 10_000} for key, row in rows_of(jobs).items()}
    last = datetime(2026, 11, 30, tzinfo=UTC)
    for found, expected in (
        # One row of a job and of its change, of three counters and of a check.
        (sizes(of_one_day(100)), [48, 48, 4]),
        # Without changes, the counters' names are the limit.
        *((sizes(of_one_day(51), **fill), [50, 1]), (sizes([]), [])),
        (sizes(of_one_day(3), one_by_one=True), [1, 1, 1]),
        # A fill that counts nothing writes a hundred rows, or a hundred kilobytes.
        (sizes(of_one_day(200), counted=False, **fill), [98, 98, 4]),
        (sizes(of_one_day(100, JobStatus="IN_PROGRESS"), counted=False, **fill), [49, 49, 2]),
        (sizes(of_one_day(20, Message="m" * 20_000), counted=False, **fill), [4] * 5),
        (sizes(jobs[:20], with_output, **fill), [9, 9, 2]),
        # Room for the change of a known job, and for each day and month.
        (sizes(jobs, rows_of(jobs), **fill), [48, 12]),
        (sizes(jobs, rows_of(jobs[:10]), **fill), [50, 10]),
        # 2 + 3n + the months: 32 jobs of 32 days and two months are 2 + 64 + 32 + 2 rows.
        (sizes([a_job(f"{n}", submitted=last - n * DAY) for n in range(60)]), [32, 28]),
    ):
        assert found == expected


def test_each_expiration_day_is_a_row_more_and_so_is_the_one_before():
    days = range(60)
    jobs = [
        a_job(f"{n:03}", submitted=NOW - n * SECOND, ExpirationTime=NOW + n * DAY) for n in days
    ]

    def before(*times: datetime) -> dict[str, Row]:
        times_of_jobs = zip(jobs, itertools.cycle(times), strict=False)
        rows = (
            row_of(job, ExpirationTime=rfc3339(at), JobStatus="FAILED") for job, at in times_of_jobs
        )
        return {str(row["SK"]): row for row in rows}

    assert sizes(jobs) == [32, 28]
    assert sizes(jobs, before(NOW)) == [31, 29]
    assert sizes(jobs, before(*(NOW - (n + 1) * DAY for n in days))) == [24, 24, 12]
    assert sizes(of_one_day(60, ExpirationTime=NOW)) == [47, 13]


def test_jobs_by_hour_are_one_family_s_from_the_newest_hour_backwards_as_far_as_asked_for():
    hours = {"2026-11-23T05": 1, "2026-11-21T10": 3, "2026-11-21T09": 1, "2026-11-21T00": 2}
    other = a_job("other", submitted=NOW - DAY, family=PHI)
    world = Counted(other, database=RecordingDynamoDB(largest_answer=1))
    for hour, number in (hours | {"2026-11-20T23": 1}).items():
        at = datetime.fromisoformat(f"{hour}:30Z")
        world.record(*(a_job(f"{hour}-{n}", submitted=at) for n in range(number)))
    world.database.forget()
    found = counters.jobs_by_hour(world.ledger.table, SCOPE, SNOMEDCT, "2026-11-21")
    assert (next(found), world.database.calls["query"]) == (("2026-11-23T05", 1), 1)
    assert list(found) == list(hours.items())[1:]


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


def test_a_recount_skips_rows_that_another_writer_changes_and_counts_the_rest():
    world = Counted(*(a_job(f"{n}", "IN_PROGRESS") for n in range(5)))
    world.forget_counters()
    world.before_a_write(lambda: world.record(a_job("0", EndTime=NOW)))
    assert world.recount() == 0
    world.agree()
    assert world.expected()["all#SNOMEDCT"]["Jobs#IN_PROGRESS"] == 4


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
