"""The counters: what a write changes in them, and how they are verified."""

from datetime import timedelta
from typing import Any

import pytest

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Family
from jobledger.ledger import counters
from jobledger.ledger.job_facts import facts_of_job
from jobledger.ledger.job_query import JobQuery
from jobledger.totals.read import read_summary
from jobledger.totals.recount import recount_month
from tests.counted import DAY, EXPIRED, HOUR, NOW, SCOPE, TODAY, Counted, a_job
from tests.memory_dynamodb import cancelled
from tests.recounted import stored_counters

# Written with the jobs.


def test_a_job_is_counted_in_its_day_month_total_and_expiration_day():
    world = Counted()
    end, expiration = NOW - HOUR + timedelta(seconds=600), NOW + 120 * DAY
    world.record(a_job(EndTime=end, ExpirationTime=expiration))
    counts = {"Jobs#COMPLETED": 1, "D#1338#COMPLETED": 1}
    assert stored_counters(world.database.items, SCOPE) == {
        "all#SNOMEDCT": counts,
        "month#2026-11#SNOMEDCT": counts,
        "day#2026-11-23#SNOMEDCT": counts | {"Hour#11": 1},
        "expires#2027-03-23~2026-11-23#SNOMEDCT": {"12#2026-11-23T11#COMPLETED": 1},
    }


def test_only_a_status_change_moves_the_job_between_counters():
    world = Counted()
    for status, more in (
        ("SUBMITTED", {}),
        ("SUBMITTED", {}),
        ("IN_PROGRESS", {}),
        ("COMPLETED", {"EndTime": NOW}),
        ("COMPLETED", {"EndTime": NOW, "Message": "done"}),
    ):
        world.record(a_job(status=status, **more))
        world.agree()
    assert (
        stored_counters(world.database.items, SCOPE)["month#2026-11#SNOMEDCT"]["Jobs#COMPLETED"]
        == 1
    )


def test_a_batch_of_one_day_is_one_transaction_with_one_write_of_each_counter_row():
    world = Counted()
    world.record(*(a_job(f"{n}", submitted=NOW - n * timedelta(seconds=1)) for n in range(48)))
    assert world.database.calls["transact_write_items"] == 1
    (key,) = [key for key in world.database.items if key[1].startswith("day#")]
    assert world.database.items[key]["Version"] == {"N": "1"}
    world.agree()


@pytest.mark.parametrize("announce_new", [True, False])
def test_jobs_of_as_many_days_as_there_are_jobs_fit_into_transactions(announce_new):
    world = Counted()  # its database refuses more than 100 actions, and two of one row
    jobs = [
        a_job(f"{n}", submitted=NOW - n * DAY, ExpirationTime=NOW + n * HOUR) for n in range(150)
    ]
    world.record(*jobs, announce_new=announce_new)
    world.agree()
    moved = [
        a_job(
            f"{n}",
            "FAILED" if n % 2 else "COMPLETED",
            NOW - n * DAY,
            EndTime=NOW,
            ExpirationTime=NOW + n * DAY,
        )
        for n in range(150)
    ]
    world.record(*moved, announce_new=announce_new)
    world.agree()


def test_a_write_that_did_not_happen_is_not_counted():
    world = Counted()

    def fail(operation: str) -> None:
        if operation == "transact_write_items":
            raise cancelled("None", "ConditionalCheckFailed")

    world.database.before = fail
    with pytest.raises(LedgerUnavailable):
        world.record(a_job())
    world.database.before = lambda operation: None
    assert stored_counters(world.database.items, SCOPE) == {}


def test_a_counter_row_that_another_transaction_holds_is_waited_for(monkeypatch):
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", lambda seconds: None)
    world, left = Counted(), 3

    def busy(operation: str) -> None:
        nonlocal left
        if operation == "transact_write_items" and left:
            left -= 1
            raise cancelled("None", "TransactionConflict")

    world.database.before = busy
    world.record(a_job(), a_job("other"))
    world.agree()
    # The batch was sent again as it was: nothing was read a second time, and nothing written one by one.
    calls = {"batch_get_item": 1, "query": 2, "get_item": 1, "transact_write_items": 1}
    assert world.database.calls == calls


# Counted and verified afterwards.


def test_rows_of_an_older_version_are_counted_by_a_recount_and_not_twice():
    world = Counted()
    world.record(*(a_job(f"{n}", submitted=NOW - n * 5 * HOUR, EndTime=NOW) for n in range(150)))
    world.forget_counters()
    world.record(a_job("new", "IN_PROGRESS"))
    assert world.recount() == 0
    world.agree()
    assert len(world.expected()) > 30
    written = world.database.calls["transact_write_items"]
    assert world.recount() == 0
    assert world.database.calls["transact_write_items"] == written


def test_a_row_of_an_older_version_that_moves_is_counted_where_it_is():
    world = Counted()
    world.record(a_job(status="IN_PROGRESS"))
    world.forget_counters()
    world.record(a_job(status="COMPLETED", EndTime=NOW))
    world.agree()


@pytest.mark.parametrize("kind", ["day#2026-11-2", "month#2026-11", "all"])
@pytest.mark.parametrize("wrong", [{"Jobs#COMPLETED": 7}, {"Jobs#LOST": 1}, None])
def test_a_counter_row_that_is_wrong_is_replaced(kind, wrong):
    world = Counted()
    world.record(*(a_job(f"{n}", submitted=NOW - n * DAY) for n in range(60)))
    key = next(key for _, key in world.database.items if key.startswith(kind))
    world.falsify(key, wrong)
    assert world.recount() == 1
    world.agree()
    assert world.recount() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"12#2026-11-13T12#COMPLETED": 7},
        {"12#2026-10-13T12#COMPLETED": 1},  # of another month
        {"08#2026-11-13T12#LOST": 1},
        None,
    ],
)
def test_a_counter_row_of_an_expiration_day_that_is_wrong_is_replaced(wrong):
    world = Counted()
    jobs = (
        a_job(f"{n}", submitted=NOW - n * DAY, ExpirationTime=EXPIRED[n % 2]) for n in range(60)
    )
    world.record(*jobs)
    world.falsify("expires#2027-02-01~2026-11-23#SNOMEDCT", wrong)
    assert world.recount() >= 1
    world.agree()
    assert world.recount() == 0


def test_a_row_of_an_expiration_day_without_jobs_is_replaced():
    world = Counted()
    world.record(a_job())
    more = Counted()
    more.record(a_job(), a_job("other", ExpirationTime=EXPIRED[0]))
    key = counters.partition(SCOPE), "expires#2027-02-01~2026-11-23#SNOMEDCT"
    world.database._put(more.database.items[key])
    assert world.recount() == 1
    world.agree()


def test_rows_of_past_expiration_days_are_not_compared():
    world = Counted()
    world.record(a_job(submitted=NOW - 121 * DAY, ExpirationTime=NOW - DAY))
    world.falsify("expires#2026-11-22~2026-07-25#SNOMEDCT", {"12#2026-07-16T12#COMPLETED": 7})
    assert world.recount() == 0


def test_a_month_with_counters_and_no_jobs_is_verified_too():
    world = Counted()
    changes = counters.Changes(SCOPE, Family.SNOMEDCT)
    changes.add("2025-01-01", facts_of_job(a_job()))
    assert world.ledger.table.transact(changes.increments())
    assert world.recount() == 3
    assert stored_counters(world.database.items, SCOPE) == {}


def test_a_recount_skips_rows_that_another_writer_changes_and_counts_the_rest():
    world = Counted()
    world.record(*(a_job(f"{n}", "IN_PROGRESS") for n in range(5)))
    world.forget_counters()

    def write(operation: str) -> None:
        if operation == "transact_write_items":
            world.database.before = lambda operation: None
            world.record(a_job("0", "COMPLETED", EndTime=NOW))

    world.database.before = write
    assert world.recount() == 0
    world.agree()
    summary = read_summary(world.ledger, JobQuery(), world.states(), NOW)
    assert (summary.by_status["COMPLETED"], summary.by_status["IN_PROGRESS"]) == (1, 4)


@pytest.mark.parametrize("call", range(1, 9))
def test_a_recount_beside_a_writer_replaces_nothing_that_is_right(call):
    world = Counted()
    world.record(*(a_job(f"{n}") for n in range(5)))
    left = call

    def write(operation: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            world.record(a_job("0", "COMPLETED", EndTime=NOW), a_job("new"))

    world.database.before = write
    assert world.recount() == 0
    world.agree()


def test_a_wrong_row_that_is_written_while_it_is_compared_is_right_afterwards():
    world = Counted()
    world.record(a_job())
    key = counters.partition(SCOPE), "day#2026-11-23#SNOMEDCT"
    world.database.items[key]["Jobs#COMPLETED"] = {"N": "5"}
    written = False

    def write(operation: str) -> None:
        nonlocal written
        if operation == "transact_write_items" and not written:
            written = True
            world.record(a_job("new"))

    world.database.before = write
    assert world.recount() == 1
    world.agree()


def test_a_recount_that_sees_a_transaction_in_part_replaces_nothing(monkeypatch):
    world = Counted()
    world.record(a_job())
    query = world.database.query

    def jobs_of_the_day(**asked: Any) -> bool:
        return asked["ExpressionAttributeValues"].get(":low", {}).get("S", "")[:7] == "2026-11"

    old: list[Any] = []

    def remember(**asked: Any) -> Any:
        answer = query(**asked)
        if jobs_of_the_day(**asked):
            old.append(answer)
        return answer

    monkeypatch.setattr(world.database, "query", remember)
    recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY)
    world.record(a_job("new"))
    # The counter row is the new one; the job rows of the month, and then of the day, are still the old ones.
    left = [old[0], old[0]]

    def lagging(**asked: Any) -> Any:
        return left.pop() if left and jobs_of_the_day(**asked) else query(**asked)

    monkeypatch.setattr(world.database, "query", lagging)
    assert recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY) == 0
    assert not left
    world.agree()
