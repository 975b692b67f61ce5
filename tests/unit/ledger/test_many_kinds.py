"""What the service returns can be as various as it likes: counter rows stay small, and right."""

import pytest

from jobledger.totals.read import read_summary
from testing.builders import NOW, SCOPE, START, listed_job
from testing.dynamodb_limits import size_of
from testing.full import in_full
from testing.recounted import check_rows, stored_counters
from testing.world import DAY, World

MANY = in_full(600, 5_000)


def largest_counter_row(world: World) -> int:
    """Its size, when all counters are right."""
    check_rows(world.database.items, SCOPE, world.family)
    rows = world.database.items.items()
    return max(size_of(item) for (pk, _), item in rows if "#totals#" in pk)


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
        assert largest_counter_row(world) < 20_000  # most of it are durations
        summary = read_summary(world.ledger, world.query(), world.ledger.states(), NOW)
        by_status = {name: number for name, number in summary.by_status.items() if number}
        assert (summary.total, len(by_status), by_status["OTHER"]) == (MANY, 21, MANY - 20)


def test_a_status_outside_the_model_that_is_counted_by_name_stays_so():
    jobs = [listed_job(f"{n}", n, f"S{n:02}") for n in range(20)]
    with World(jobs, hostile=False) as world:
        world.sync()
        changed = ("20", "S20"), ("21", "S19"), ("0", "S20")
        world.put(*(listed_job(job_id, 0, status) for job_id, status in changed))
        world.sync()
        counts = stored_counters(world.database.items, SCOPE)["all#SNOMEDCT"]
        assert (counts["Jobs#S19"], counts["Jobs#OTHER"]) == (2, 2)
        assert not {"Jobs#S20", "Jobs#S00"} & counts.keys()
        assert largest_counter_row(world)


def test_a_job_that_changes_between_very_many_statuses_is_counted_once():
    with World(hostile=False) as world:
        for n in range(100):
            world.put(listed_job("one", 0, f"{n:03}{'S' * 90}"))
            world.sync()
        counts = stored_counters(world.database.items, SCOPE)["all#SNOMEDCT"]
        assert counts == {"Jobs#OTHER": 1}
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
        assert largest_counter_row(world) < 1_000
        summary = read_summary(world.ledger, world.query(), world.ledger.states(), NOW)
        assert summary.expiring_soon == MANY
