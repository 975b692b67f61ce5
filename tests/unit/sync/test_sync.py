"""The sync against the hostile stand-in, on a ledger in memory and a clock of its own."""

from itertools import pairwise

import pytest

from jobledger.errors import DeadlineReached
from jobledger.jobs import job_from_service
from jobledger.service import Family
from testing.builders import listed_job
from testing.full import in_full
from testing.world import DAY, World, old_jobs

MANY = in_full(10_000, 100_000)


@pytest.mark.full
@pytest.mark.parametrize("count", [10, 1_000, pytest.param(MANY, marks=pytest.mark.slow)])
def test_the_cost_of_a_sync_does_not_grow_with_the_jobs_of_the_past(count):
    with World(old_jobs(count), hostile=False) as world:
        world.sync()
        calls = [world.sync().upstream_calls for _ in range(5)]
        assert calls == [1] * 5


def test_a_job_that_the_service_has_deleted_stays():
    with World(old_jobs(20), hostile=False) as world:
        world.sync()
        world.delete(f"{3:032x}")
        world.clock.forward(DAY)
        world.sync()
        assert len(world.statuses()) == 20


def test_a_status_and_a_property_of_tomorrow_pass_through():
    tomorrow = listed_job("new", 50, "PAUSED", Priority={"Level": 3})
    with World([tomorrow], hostile=False) as world:
        world.sync()
        assert world.ledger_jobs()["new"]["Priority"] == {"Level": 3}
        later = ["IN_PROGRESS", "PAUSED", "COMPLETED"]
        for status in later:
            world.put(listed_job("new", 50, status))
            world.sync()
        moves = [(change.previous, change.status) for change in world.changes()]
        assert moves == list(pairwise(["PAUSED", *later]))


def test_a_job_with_nothing_but_an_id_is_kept():
    job = job_from_service(Family.PHI, {"JobId": "bare"})
    assert job is not None
    with World(family=Family.PHI) as world:
        for _ in range(2):
            world.ledger.record(Family.PHI, [job], "2026-11-23T12:00:00.000Z", announce_new=True)
        assert world.ledger_jobs() == {"bare": {"JobId": "bare", "Family": "PHI"}}
        assert len(world.changes()) == 1


def test_a_sync_resumes_an_interrupted_walk_without_requesting_a_page_twice():
    with World(old_jobs(5_000), hostile=False) as world:
        calls_left = 4

        def stop_after_four() -> None:
            nonlocal calls_left
            if calls_left == 0:
                raise DeadlineReached
            calls_left -= 1

        world.upstream._before_call = stop_after_four
        first = world.sync()
        assert (first.error, first.as_of) == ("DeadlineReached", None)
        calls_left = 100
        second = world.sync()
        assert second.error is None
        assert first.upstream_calls + second.upstream_calls == 10
        assert world.truth() == world.statuses()
