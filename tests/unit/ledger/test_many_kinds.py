"""What the service returns can be as various as it likes: counter rows stay small, and right."""

import pytest

from jobledger.totals.read import read_summary
from jobledger.totals.summary import Summary
from testing.builders import SCOPE, START, listed_job
from testing.dynamodb_limits import size_of
from testing.full import in_full
from testing.recounted import recounted, stored_counters
from testing.world import DAY, World

MANY = in_full(600, 5_000)


def largest_counter_row(world: World) -> int:
    rows = world.database.items.items()
    return max(size_of(item) for (pk, _), item in rows if "#totals#" in pk)


def check_counters(world: World) -> None:
    items = world.database.items
    assert recounted(items, SCOPE) == stored_counters(items, SCOPE)


def summary_of(world: World) -> Summary:
    states = world.ledger.states()
    return read_summary(world.ledger, world.query(), states, world.clock.now())


@pytest.mark.full
def test_of_very_many_unknown_statuses_some_are_counted_by_name_and_the_others_together():
    times = ({"EndTime": START + n**2, "ExpirationTime": START + 120 * DAY} for n in range(MANY))
    jobs = [
        listed_job(f"{n:032x}", 100 + n, f"{n:05}{'S' * 90}", **more)
        for n, more in enumerate(times)
    ]
    with World(jobs, hostile=False) as world:
        assert world.sync().error is None
        assert world.truth() == world.statuses()
        check_counters(world)
        assert largest_counter_row(world) < 20_000  # most of it are durations
        summary = summary_of(world)
        assert summary.total == MANY
        by_status = {name: number for name, number in summary.by_status.items() if number}
        assert (len(by_status), by_status["OTHER"]) == (21, MANY - 20)


def test_a_status_outside_the_model_that_is_counted_by_name_stays_so():
    jobs = [listed_job(f"{n}", n, f"S{n:02}") for n in range(20)]
    with World(jobs, hostile=False) as world:
        world.sync()
        world.put(
            listed_job("20", -1, "S20"), listed_job("21", -1, "S19"), listed_job("0", 0, "S20")
        )
        world.sync()
        counted = stored_counters(world.database.items, SCOPE)["all#SNOMEDCT"]
        assert (counted["Jobs#S19"], counted["Jobs#OTHER"]) == (2, 2)
        assert not {"Jobs#S20", "Jobs#S00"} & counted.keys()
        check_counters(world)


def test_a_job_that_changes_between_very_many_statuses_is_counted_once():
    with World(hostile=False) as world:
        for n in range(100):
            world.put(listed_job("one", 0, f"{n:03}{'S' * 90}"))
            world.sync()
        check_counters(world)
        assert stored_counters(world.database.items, SCOPE)["all#SNOMEDCT"] == {"Jobs#OTHER": 1}
        assert largest_counter_row(world) < 3_000


def test_jobs_that_expire_on_one_day_have_a_counter_row_for_each_submit_day():
    """Their submit hours would be names in one row, without end."""
    apart = 30 * DAY / MANY
    jobs = [
        listed_job(f"{n:032x}", n * apart, "IN_PROGRESS", ExpirationTime=START + DAY)
        for n in range(MANY)
    ]
    with World(jobs, hostile=False) as world:
        assert world.sync().error is None
        check_counters(world)
        assert largest_counter_row(world) < 1_000
        summary = summary_of(world)
        assert summary.expiring_soon == MANY
