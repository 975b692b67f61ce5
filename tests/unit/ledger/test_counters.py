"""The counters: what a write changes in them, and how they are verified."""

import random
from itertools import cycle
from typing import Any

import pytest

from jobledger.jobs import Job
from jobledger.ledger import counters
from jobledger.ledger.job_facts import facts_of_job
from jobledger.ledger.job_query import JobQuery
from jobledger.service import Family
from jobledger.totals.read import read_summary
from jobledger.totals.recount import recount_month
from testing.builders import DAY, HOUR, NOW, SCOPE, a_job
from testing.counted import EXPIRED, TODAY, Counted
from testing.recounted import stored_counters

# Written with the jobs.


def test_only_a_status_change_moves_the_job_between_counters():
    world, ended = Counted(), {"EndTime": NOW}
    for status, more in (
        *(("SUBMITTED", {}), ("SUBMITTED", {}), ("IN_PROGRESS", {}), ("COMPLETED", ended)),
        ("COMPLETED", ended | {"Message": "done"}),
    ):
        world.record(a_job(status=status, **more))
        world.agree()
    counts = stored_counters(world.database.items, SCOPE)["month#2026-11#SNOMEDCT"]
    assert counts["Jobs#COMPLETED"] == 1


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


def of_two_months(*more: Job) -> Counted:
    """Jobs of October and November, some of which expire."""
    return Counted(
        *(
            a_job(f"{n}", submitted=NOW - n * DAY, ExpirationTime=expires)
            for n, expires in zip(range(50), cycle([*EXPIRED, None]), strict=False)
        ),
        *more,
    )


@pytest.mark.parametrize("seed", range(40))
def test_each_counter_row_that_is_wrong_is_replaced_and_counted(seed):
    """Rows have wrong numbers or are missing, and others, of a day without jobs, are too many."""
    source, partition = random.Random(seed), counters.partition(SCOPE)
    world, later = of_two_months(), a_job(submitted=NOW + 2 * DAY, ExpirationTime=EXPIRED[0])
    others = {
        at: row for at, row in of_two_months(later).database.items.items() if at[0] == partition
    }
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
    world.before_a_write(lambda: world.record(a_job("0", "COMPLETED", EndTime=NOW)))
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
    world.falsify("day#2026-11-23#SNOMEDCT", {"Jobs#COMPLETED": 5})
    world.before_a_write(lambda: world.record(a_job("new")))
    assert world.recount() == 1
    world.agree()


def test_a_recount_that_sees_a_transaction_in_part_replaces_nothing(monkeypatch):
    """The counter row is the new one; the job rows of the month, and then of the day, are still the old ones."""
    world, left = Counted(), 0
    old: list[Any] = []
    world.record(a_job())
    query = world.database.query

    def lagging(**asked: Any) -> Any:
        nonlocal left
        if asked["ExpressionAttributeValues"].get(":low", {}).get("S", "")[:7] != "2026-11":
            return query(**asked)
        if left:
            left -= 1
            return old[0]
        old.append(query(**asked))
        return old[-1]

    monkeypatch.setattr(world.database, "query", lagging)
    recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY)
    world.record(a_job("new"))
    left = 2
    assert recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY) == 0
    assert not left
    world.agree()
