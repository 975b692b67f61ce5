"""Recounts: what they read and write, and what they leave to others."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from jobledger.errors import LedgerUnavailable
from jobledger.ledger.counts import LAYOUT
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.recount import months_to_recount, recount_all, recount_month
from testing.builders import DAY, HOUR, NOW, SCOPE, SECOND, a_job
from testing.counted import TODAY, Counted
from testing.recounted import stored_counters

SNOMEDCT = Family.SNOMEDCT


def of_months(*months: str) -> Counted:
    world = Counted()
    for month in months:
        at = datetime.fromisoformat(f"{month}-15T08:00Z")
        world.record(a_job(month, submitted=at), a_job(f"{month}b", submitted=at))
    world.database.forget()
    return world


def bounds(world: Counted) -> Iterator[tuple[str, str]]:
    """The stretch of rows of each query."""
    for query in world.database.queries:
        values = query["ExpressionAttributeValues"]
        yield values[":low"]["S"], values[":high"]["S"]


def recount(world: Counted, month: str = "2026-11") -> int:
    return recount_month(world.ledger, SNOMEDCT, month, TODAY)


def test_months_with_jobs_are_recounted_from_the_oldest_on_and_new_ones_too():
    world, months = of_months("2026-09", "2025-12", "2026-11"), ["2025-12", "2026-09", "2026-11"]
    world.record(a_job("a", submitted=NOW - 150 * DAY, family=Family.PHI))
    for after, left in (("", months), ("2025-12", months[1:]), ("2026-10", months[2:])):
        assert list(months_to_recount(world.ledger, SNOMEDCT, after)) == left
    assert list(months_to_recount(world.ledger, SNOMEDCT, "2026-11")) == []
    assert list(months_to_recount(world.ledger, Family.PHI, "")) == ["2026-06"]
    # A month gets its first job during the recount.
    recounted = months_to_recount(world.ledger, SNOMEDCT, "2026-10")
    assert next(recounted) == "2026-11"
    world.record(a_job("new", submitted=NOW + 30 * DAY))
    assert list(recounted) == ["2026-12"]
    # A month is found by its counters alone, too: a day and a month each, and all jobs.
    for key in [key for key in world.database.items if key[0] == world.ledger.partition(SNOMEDCT)]:
        world.database._remove(key)
    assert world.recount() == 4 * 2 + 1
    world.agree()


def test_a_resumed_recount_reads_one_job_row_and_no_earlier_counter_row():
    world = of_months("2026-08", "2026-09", "2026-10")
    months = months_to_recount(world.ledger, SNOMEDCT, "2026-09")
    assert next(months) == "2026-10"
    assert list(bounds(world)) == [("month#2026-09", "month#~#~"), ("2026-09~", "~")]
    assert world.database.rows_read == 2 + 1
    assert list(months) == []
    assert list(bounds(world))[2:] == [("2026-10~", "~")]


def uncounted(count: int) -> Counted:
    world = Counted(*(a_job(f"{n:03}", submitted=NOW - n * SECOND) for n in range(count)))
    world.forget_counters()
    return world


@pytest.mark.parametrize("count,transactions", [(1, 1), (33, 1), (34, 2), (66, 2), (67, 3)])
def test_thirty_three_rows_are_counted_in_one_transaction(count, transactions):
    world = uncounted(count)
    before = world.row("000")
    assert world.recount() == 0
    assert world.database.calls["transact_write_items"] == transactions
    assert world.row("000") == before | {"Counted": LAYOUT, "Version": 2}
    world.agree()


def test_only_the_row_that_another_writes_is_counted_again_and_after_six_attempts_none(slept):
    world = uncounted(3)
    world.refuse_writes(1, 3)
    assert recount(world) == 0
    # All three, then each of them, of which the second is refused, then that one.
    reads = [read["Keys"] for read in world.database.reads if "Keys" in read]
    assert [len(keys) for keys in reads[:3]] == [3, 3, 1]
    assert world.database.calls["transact_write_items"] == 2 + 1
    world.agree()
    world = uncounted(1)
    world.refuse_writes()
    with pytest.raises(LedgerUnavailable, match=r"^other writers keep changing the rows$"):
        recount(world)
    assert slept == pytest.approx([0.2] * (2 + 5))


def test_a_recount_of_counters_that_are_right_reads_each_row_once_and_writes_nothing():
    world = Counted(
        *(a_job(f"{n}", submitted=NOW - n * HOUR / 2, ExpirationTime=NOW + DAY) for n in range(30)),
        a_job("of another month", submitted=NOW - 40 * DAY, ExpirationTime=NOW + 2 * DAY),
    )
    assert recount(world) == 0
    # The jobs of the month, and the expiration days from today on.
    jobs, expirations = ("2026-11", "2026-11~"), (f"expires#{TODAY}#", "expires#~~~")
    assert list(bounds(world)) == [jobs, expirations]
    # The days of the month at once, the row of the month, and its days again to add them up.
    days, month, again = world.database.reads
    assert len(days["Keys"]) == 31
    assert month["Key"]["SK"] == {"S": "month#2026-11#SNOMEDCT"}
    assert again["Keys"] == days["Keys"]
    assert world.database.calls["transact_write_items"] == 0


def test_what_is_compared_with_a_counter_row_is_read_consistently():
    world = Counted(a_job(ExpirationTime=NOW + DAY))
    world.falsify("day#2026-11-23#SNOMEDCT", {"Jobs#COMPLETED": 7})
    world.falsify("expires#2026-11-24~2026-11-23#SNOMEDCT", {"12#2026-11-23T11#COMPLETED": 7})
    world.falsify("month#2026-11#SNOMEDCT", {"Jobs#COMPLETED": 7})
    assert recount(world) == 3
    assert recount_all(world.ledger, SNOMEDCT) == 0
    asked = [
        (query["ExpressionAttributeValues"][":low"]["S"], query.get("ConsistentRead", False))
        for query in world.database.queries
    ]
    # What is found twice is replaced.
    first, twice = [("2026-11", False), (f"expires#{TODAY}#", False)], ("2026-11-23", "2026-11-23")
    assert asked == [*first, *((low, True) for low in twice for _ in range(2)), ("month#", True)]
    assert all(read["ConsistentRead"] for read in world.database.reads)


def test_a_replaced_counter_row_leaves_out_rows_not_yet_counted():
    """A function of an older version writes a row while the recount runs."""
    world = Counted(a_job(ExpirationTime=NOW + DAY))
    day, expires = "day#2026-11-23#SNOMEDCT", "expires#2026-11-24~2026-11-23#SNOMEDCT"
    world.falsify(day, {"Jobs#COMPLETED": 7})
    world.falsify(expires, {"12#2026-11-23T11#COMPLETED": 7})
    other = Counted(a_job("uncounted", ExpirationTime=NOW + DAY))
    other.forget_counters()
    (item,) = [i for (pk, _), i in other.database.items.items() if pk.endswith("/SNOMEDCT")]

    def write(operation: str) -> None:
        world.database.after = lambda operation: None  # the month's rows were read
        world.database._put(item)

    world.database.after = write
    assert recount(world) == 2
    found = stored_counters(world.database.items, SCOPE)
    assert found[day] == {"Jobs#COMPLETED": 1, "Hour#11": 1}
    assert found[expires] == {"12#2026-11-23T11#COMPLETED": 1}
    assert world.recount() == 0
    world.agree()


def test_an_expiration_day_of_today_is_compared_and_one_of_yesterday_is_not():
    world = Counted()
    for day in (TODAY, "2026-11-22"):
        at = datetime.fromisoformat(f"{day}T12:00Z")
        world.record(a_job(day, submitted=at - 120 * DAY, ExpirationTime=at))
        world.falsify(f"expires#{day}~{at - 120 * DAY:%Y-%m-%d}#SNOMEDCT", None)
    assert recount(world, "2026-07") == 1
    assert f"expires#{TODAY}~2026-07-26#SNOMEDCT" in stored_counters(world.database.items, SCOPE)


def test_a_counter_row_that_changes_at_each_look_is_left_to_the_next_recount(slept):
    """Each time the row has been read, another writer adds to it."""
    world, versions = Counted(a_job()), itertools.count(2)
    wrong = {"Jobs#COMPLETED": 7}
    world.falsify("all#SNOMEDCT", wrong)

    def write(operation: str) -> None:
        if operation == "get_item":
            world.falsify("all#SNOMEDCT", {"Version": next(versions)})

    world.database.after = write
    assert (recount_all(world.ledger, SNOMEDCT), slept) == (0, pytest.approx([0.2] * 5))
    assert stored_counters(world.database.items, SCOPE)["all#SNOMEDCT"] == wrong


def test_rows_of_other_families_are_neither_compared_nor_added():
    jobs = (a_job(family=family, ExpirationTime=NOW + DAY) for family in (SNOMEDCT, Family.PHI))
    world = Counted(*jobs)
    for key in ("expires#2026-11-24~2026-11-23#PHI", "month#2026-11#PHI", "all#PHI"):
        world.falsify(key, {"12#2026-11-23T11#LOST": 1, "Jobs#COMPLETED": 7})
    assert recount(world) + recount_all(world.ledger, SNOMEDCT) == 0


def test_after_a_first_fill_a_job_that_is_counted_meanwhile_hides_none_that_is_not():
    """The counters lack the one job, and the rows that were read the other; their numbers are the same."""
    world = Counted()
    expires: Any = {"ExpirationTime": NOW + DAY}
    filled = [a_job("filled", **expires)]
    world.ledger.record(SNOMEDCT, filled, rfc3339(NOW), announce_new=False, counted=False)
    later = [a_job("meanwhile", **expires)]

    def write(operation: str) -> None:
        if operation == "query" and later:
            world.record(later.pop())

    world.database.after = write
    recount_month(world.ledger, SNOMEDCT, "2026-11", TODAY, verifies=False)
    recount_all(world.ledger, SNOMEDCT)
    world.agree()
