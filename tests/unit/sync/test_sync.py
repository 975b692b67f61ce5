"""The sync against the hostile stand-in, on a ledger in memory and a clock of its own."""

import pytest

from jobledger.errors import DeadlineReached
from jobledger.jobs import job_from_service
from jobledger.service import Family
from jobledger.sync.upstream import Upstream
from testing.builders import listed_job
from testing.full import in_full
from testing.world import DAY, MINUTE, World, old_jobs

MANY = in_full(10_000, 100_000)


def test_a_first_fill_has_every_job_once_and_no_change():
    with World(old_jobs(1_234)) as world:
        done = world.sync_until_current()
        assert world.truth() == world.statuses()
        assert (done.changed, done.transitions) == (1_234, 0)
        assert world.changes() == []


def test_a_sync_when_nothing_happened_is_one_call_and_writes_nothing_but_its_state():
    with World(old_jobs(100), hostile=False) as world:
        world.sync()
        world.clock.forward(MINUTE)
        writes = world.database.calls["transact_write_items"]
        done = world.sync()
        assert (done.upstream_calls, done.changed) == (1, 0)
        assert world.database.calls["transact_write_items"] - writes == 1


@pytest.mark.full
@pytest.mark.parametrize("count", [10, 1_000, pytest.param(MANY, marks=pytest.mark.slow)])
def test_the_cost_of_a_sync_does_not_grow_with_the_jobs_of_the_past(count):
    with World(old_jobs(count), hostile=False) as world:
        world.sync()
        calls = [world.sync().upstream_calls for _ in range(5)]
        assert calls == [1] * 5


def test_a_started_job_is_seen_in_each_status_once_and_in_order():
    with World(hostile=False) as world:
        world.sync()
        start = world.client().start_snomedct_inference_job(
            InputDataConfig={"S3Bucket": "notes-in"},
            OutputDataConfig={"S3Bucket": "notes-out"},
            DataAccessRoleArn="arn:aws:iam::111122223333:role/r",
            LanguageCode="en",
        )
        for _ in range(30):
            world.sync()
        seen = [(change.previous, change.status) for change in world.changes()]
        assert seen == [
            (None, "SUBMITTED"),
            ("SUBMITTED", "IN_PROGRESS"),
            ("IN_PROGRESS", "COMPLETED"),
        ]
        assert {start["JobId"]} == {change.job_id for change in world.changes()}


def test_changes_are_stamped_in_the_order_of_observation():
    with World(hostile=False) as world:
        world.sync()
        world.put(listed_job("a", 10, "SUBMITTED"))
        world.sync()
        world.clock.forward(-30)  # another function's clock
        world.put(listed_job("a", 10, "IN_PROGRESS"))
        world.sync()
        times = [change.observed_at for change in world.changes()]
        assert len(times) == 2
        assert times == sorted(set(times))


def test_a_job_that_the_service_lists_late_is_found():
    with World(hostile=False) as world:
        world.put(listed_job("old", 1_000))
        world.sync()
        world.put(listed_job("newer", 10))
        world.sync()
        world.put(listed_job("late", 600))
        world.sync()
        assert {"old", "newer", "late"} == world.statuses().keys()


def test_a_job_that_was_listed_far_too_late_is_found_by_the_daily_walk():
    with World(hostile=False) as world:
        world.put(listed_job("newer", 10))
        world.sync()
        world.put(listed_job("far too late", 50_000))
        world.sync()
        assert {"newer"} == world.statuses().keys()
        world.clock.forward(DAY)
        world.sync()
        assert {"newer", "far too late"} == world.statuses().keys()


def test_an_old_job_that_is_still_active_is_followed_to_its_end():
    with World(
        [listed_job("slow", 30 * DAY, "IN_PROGRESS"), *old_jobs(2_000)], hostile=False
    ) as world:
        world.sync()
        world.put(listed_job("slow", 30 * DAY, "FAILED", Message="why"))
        world.sync()
        assert world.statuses()["slow"] == "FAILED"
        assert world.sync().upstream_calls == 1


@pytest.mark.row(11, count="1")
def test_a_job_that_the_service_has_deleted_stays():
    with World(old_jobs(20), hostile=False) as world:
        world.sync()
        world.delete(f"{3:032x}")
        world.clock.forward(DAY)
        world.sync()
        assert len(world.statuses()) == 20


def test_an_active_job_that_vanished_is_kept_marked_and_asked_for_twice():
    with World([listed_job("gone", 5_000, "IN_PROGRESS")], hostile=False) as world:
        world.sync()
        world.delete("gone")
        assert [world.sync().upstream_calls for _ in range(3)] == [2, 2, 1]  # List, Describe
        row = world.ledger.find("gone")
        assert row is not None
        assert (row["JobStatus"], row["ExpiredUpstream"]) == ("IN_PROGRESS", True)


def test_an_active_job_that_is_only_not_listed_is_described_and_stays_active():
    with World(hostile=False) as world:
        world.sync()
        world.put(listed_job("shy", 5, "SUBMITTED"))
        world.sync()
        world.server.change(late_jobs=True, late_seconds=3_600)
        world.put(listed_job("shy", 5, "IN_PROGRESS"))
        world.sync()
        assert world.statuses()["shy"] == "IN_PROGRESS"
        assert {"shy"} == world.active().keys()


@pytest.mark.row(11, count="1")
def test_a_status_and_a_property_of_tomorrow_pass_through():
    tomorrow = listed_job("new", 50, "PAUSED", Priority={"Level": 3})
    with World([tomorrow], hostile=False) as world:
        world.sync()
        world.sync()
        job = world.ledger_jobs()["new"]
        assert (job["JobStatus"], job["Priority"]) == ("PAUSED", {"Level": 3})
        world.put(listed_job("new", 50, "IN_PROGRESS"))
        world.sync()
        world.put(listed_job("new", 50, "PAUSED"))
        world.sync()
        world.put(listed_job("new", 50))
        world.sync()
        assert [
            "PAUSED",
            *(change.status for change in world.changes()),
        ] == ["PAUSED", "IN_PROGRESS", "PAUSED", "COMPLETED"]


@pytest.mark.row(11, count="1")
def test_a_job_with_nothing_but_an_id_is_kept():
    job = job_from_service(Family.PHI, {"JobId": "bare"})
    assert job is not None
    with World(family=Family.PHI) as world:
        for _ in range(2):
            world.ledger.record(Family.PHI, [job], "2026-11-23T12:00:00.000Z", announce_new=True)
        assert world.ledger_jobs() == {"bare": {"JobId": "bare", "Family": "PHI"}}
        assert len(world.changes()) == 1


def test_an_entry_without_an_id_is_passed_over():
    assert job_from_service(Family.PHI, {"JobStatus": "COMPLETED"}) is None


@pytest.mark.parametrize("stale", ["SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED", "FAILED"])
def test_an_ended_job_never_moves_again(stale):
    with World([listed_job("done", 50)], hostile=False) as world:
        world.sync()
        world.put(listed_job("done", 50, stale))
        world.clock.forward(DAY)
        world.sync()
        assert world.statuses()["done"] == "COMPLETED"
        assert world.changes() == []


def test_a_message_that_comes_later_is_taken_up_without_a_transition():
    with World([listed_job("done", 50, "FAILED")], hostile=False) as world:
        world.sync()
        world.put(listed_job("done", 50, "FAILED", Message="why"))
        assert world.sync().changed == 1
        assert world.ledger_jobs()["done"]["Message"] == "why"
        assert world.changes() == []


@pytest.mark.row(5, count="1 stop in a walk of 10 pages")
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


def test_as_of_is_when_the_walk_began_and_not_when_it_ended():
    with World(old_jobs(10), hostile=False) as world:
        world.upstream = Upstream(world.client(), lambda: world.clock.forward(100))
        assert world.sync().as_of == "2026-11-23T12:00:01.000Z"


def test_a_submit_time_in_the_future_does_not_close_the_window_on_others():
    with World([listed_job("tomorrow", -DAY)], hostile=False) as world:
        world.sync()
        world.put(listed_job("today", 0))
        world.sync()
        assert {"tomorrow", "today"} == world.statuses().keys()


def test_a_job_that_is_listed_again_is_not_expired_any_more():
    with World([listed_job("job", 5_000, "IN_PROGRESS")], hostile=False) as world:
        world.sync()
        world.delete("job")
        world.sync()
        world.put(listed_job("job", 5_000, "IN_PROGRESS"))
        world.clock.forward(DAY)
        world.sync()
        row = world.ledger.find("job")
        assert row is not None
        assert "ExpiredUpstream" not in row
