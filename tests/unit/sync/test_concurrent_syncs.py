"""Two syncs of one family at the same time: neither undoes what the other has written."""

from itertools import pairwise

import pytest

from jobledger.jobs import job_from_service
from jobledger.service import Family
from testing.builders import START, listed_job
from testing.world import World


@pytest.mark.row(10, count="1")
def test_a_slow_sync_that_ends_last_does_not_turn_the_ledger_back():
    with World([listed_job("job", 50, "IN_PROGRESS")], hostile=False) as world:
        world.sync()
        stale = job_from_service(
            Family.SNOMEDCT, listed_job("job", 50, "IN_PROGRESS", Message="old")
        )
        assert stale is not None
        listed_at = "2026-11-23T12:00:01.500Z"
        world.clock.forward(5)
        world.put(listed_job("job", 50, "COMPLETED"))
        world.sync()
        recorded = world.ledger.record(Family.SNOMEDCT, [stale], listed_at, announce_new=True)
        assert (recorded.changed, world.statuses()["job"]) == (0, "COMPLETED")


def test_of_two_listings_of_one_status_the_later_wins():
    with World([listed_job("job", 50, "FAILED", Message="new")], hostile=False) as world:
        world.sync()
        stale = job_from_service(Family.SNOMEDCT, listed_job("job", 50, "FAILED", Message="old"))
        assert stale is not None
        recorded = world.ledger.record(
            Family.SNOMEDCT, [stale], "2026-11-23T12:00:00.500Z", announce_new=True
        )
        assert (recorded.changed, world.ledger_jobs()["job"]["Message"]) == (0, "new")


def test_a_row_that_another_sync_has_written_between_is_read_again():
    with World([listed_job("job", 50, "SUBMITTED")], hostile=False) as world:
        world.sync()
        other = job_from_service(Family.SNOMEDCT, listed_job("job", 50, "IN_PROGRESS"))
        assert other is not None

        def come_between(operation: str) -> None:
            if operation == "transact_write_items":
                world.database.before = lambda operation: None
                world.ledger.record(
                    Family.SNOMEDCT, [other], "2026-11-23T12:00:01.500Z", announce_new=True
                )

        world.put(listed_job("job", 50))
        world.database.before = come_between
        assert world.sync().transitions == 1
        moves = [(change.previous, change.status) for change in world.changes()]
        assert moves == [("SUBMITTED", "IN_PROGRESS"), ("IN_PROGRESS", "COMPLETED")]


def test_a_state_that_another_sync_has_written_since_is_not_overwritten():
    with World(hostile=False) as world:
        world.sync()
        state = world.ledger.state(world.family)
        assert world.ledger.save_state(world.family, state) is not None
        assert world.ledger.save_state(world.family, state) is None


def test_the_newest_state_wins_when_two_syncs_end_in_the_wrong_order():
    with World(hostile=False) as world:
        times = []
        for _ in range(3):
            done = world.sync()
            times.append(str(done.as_of))
        assert all(early < late for early, late in pairwise(times))
        assert world.clock.seconds > START
