"""The counters: what a write changes in them, and how they are verified."""

import itertools
import random
from typing import Any

import pytest

from jobledger.jobs import Job
from jobledger.ledger import counters
from jobledger.service import Family
from jobledger.totals.recount import recount_month
from testing.builders import DAY, HOUR, NOW, SCOPE, a_job
from testing.counted import EXPIRED, TODAY, Counted

# Written with the jobs.


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


def of_two_months(*more: Job) -> Counted:
    """Jobs of October and November, some of which expire."""
    return Counted(
        *(
            a_job(f"{n}", submitted=NOW - n * DAY, ExpirationTime=expires)
            for n, expires in zip(range(50), itertools.cycle([*EXPIRED, None]), strict=False)
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
    recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY)
    world.record(a_job("new"))
    lags += [old[0], old[0]]
    assert recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY) == 0
    assert not lags
    world.agree()
