"""The sync against the hostile stand-in, on a ledger in memory and a clock of its own."""

from datetime import timedelta
from itertools import pairwise

import pytest

from jobledger.errors import DeadlineReached
from jobledger.jobs import Family, job_from_service
from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.sync.walk import MAX_EMPTY_PAGES
from jobledger.times import parse
from tests.full import in_full
from tests.memory_dynamodb import cancelled
from tests.memory_dynamodb import error as error_of
from tests.world import START, World, a_job

MANY = in_full(10_000, 100_000)

MINUTE, DAY = 60, 86_400


def many(count: int, apart: float = 600) -> list[dict]:
    return [a_job(f"{number:032x}", DAY + number * apart, JobName="n") for number in range(count)]


def test_a_first_fill_has_every_job_once_and_no_change():
    with World(many(1_234)) as world:
        done = world.sync_until_current()
        assert world.truth() == world.statuses()
        assert (done.changed, done.transitions) == (1_234, 0)
        assert world.changes() == []


def test_a_sync_when_nothing_happened_is_one_call_and_writes_nothing_but_its_state():
    with World(many(100), hostile=False) as world:
        world.sync()
        world.clock.forward(MINUTE)
        writes = world.database.calls["transact_write_items"]
        done = world.sync()
        assert (done.upstream_calls, done.changed) == (1, 0)
        assert world.database.calls["transact_write_items"] - writes == 1


@pytest.mark.full
@pytest.mark.parametrize("count", [10, 1_000, pytest.param(MANY, marks=pytest.mark.slow)])
def test_the_cost_of_a_sync_does_not_grow_with_the_jobs_of_the_past(count):
    with World(many(count), hostile=False) as world:
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
        world.put(a_job("a", 10, "SUBMITTED"))
        world.sync()
        world.clock.forward(-30)  # another function's clock
        world.put(a_job("a", 10, "IN_PROGRESS"))
        world.sync()
        times = [change.observed_at for change in world.changes()]
        assert len(times) == 2
        assert times == sorted(set(times))


def test_a_job_that_the_service_lists_late_is_found():
    with World(hostile=False) as world:
        world.put(a_job("old", 1_000))
        world.sync()
        world.put(a_job("newer", 10))
        world.sync()
        world.put(a_job("late", 600))
        world.sync()
        assert {"old", "newer", "late"} == world.statuses().keys()


def test_a_job_that_was_listed_far_too_late_is_found_by_the_daily_walk():
    with World(hostile=False) as world:
        world.put(a_job("newer", 10))
        world.sync()
        world.put(a_job("far too late", 50_000))
        world.sync()
        assert {"newer"} == world.statuses().keys()
        world.clock.forward(DAY)
        world.sync()
        assert {"newer", "far too late"} == world.statuses().keys()


def test_an_old_job_that_is_still_active_is_followed_to_its_end():
    with World([a_job("slow", 30 * DAY, "IN_PROGRESS"), *many(2_000)], hostile=False) as world:
        world.sync()
        world.put(a_job("slow", 30 * DAY, "FAILED", Message="why"))
        world.sync()
        assert world.statuses()["slow"] == "FAILED"
        assert world.sync().upstream_calls == 1


@pytest.mark.row(11, count="1")
def test_a_job_that_the_service_has_deleted_stays():
    with World(many(20), hostile=False) as world:
        world.sync()
        world.delete(f"{3:032x}")
        world.clock.forward(DAY)
        world.sync()
        assert len(world.statuses()) == 20


def test_an_active_job_that_vanished_is_kept_marked_and_asked_for_once():
    with World([a_job("gone", 5_000, "IN_PROGRESS")], hostile=False) as world:
        world.sync()
        world.delete("gone")
        assert world.sync().upstream_calls == 2  # List, Describe
        assert world.sync().upstream_calls == 1
        row = world.ledger.find("gone")
        assert row is not None
        assert (row["JobStatus"], row["ExpiredUpstream"]) == ("IN_PROGRESS", True)


def test_an_active_job_that_is_only_not_listed_is_described_and_stays_active():
    with World(hostile=False) as world:
        world.sync()
        world.put(a_job("shy", 5, "SUBMITTED"))
        world.sync()
        world.server.change(late_jobs=True, late_seconds=3_600)
        world.put(a_job("shy", 5, "IN_PROGRESS"))
        world.sync()
        assert world.statuses()["shy"] == "IN_PROGRESS"
        assert {"shy"} == world.ledger.state(world.family).active.keys()


@pytest.mark.row(11, count="1")
def test_a_status_and_a_property_of_tomorrow_pass_through():
    tomorrow = a_job("new", 50, "PAUSED", Priority={"Level": 3})
    with World([tomorrow], hostile=False) as world:
        world.sync()
        world.sync()
        job = world.ledger_jobs()["new"]
        assert (job["JobStatus"], job["Priority"]) == ("PAUSED", {"Level": 3})
        world.put(a_job("new", 50, "IN_PROGRESS"))
        world.sync()
        world.put(a_job("new", 50, "PAUSED"))
        world.sync()
        world.put(a_job("new", 50))
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
    with World([a_job("done", 50)], hostile=False) as world:
        world.sync()
        world.put(a_job("done", 50, stale))
        world.clock.forward(DAY)
        world.sync()
        assert world.statuses()["done"] == "COMPLETED"
        assert world.changes() == []


def test_a_message_that_comes_later_is_taken_up_without_a_transition():
    with World([a_job("done", 50, "FAILED")], hostile=False) as world:
        world.sync()
        world.put(a_job("done", 50, "FAILED", Message="why"))
        assert world.sync().changed == 1
        assert world.ledger_jobs()["done"]["Message"] == "why"
        assert world.changes() == []


@pytest.mark.row(5, count="1 stop in a walk of 10 pages")
def test_a_sync_resumes_an_interrupted_walk_without_requesting_a_page_twice():
    with World(many(5_000), hostile=False) as world:
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


# What it does at each page of them is in tests/unit/sync/test_walk.py.
@pytest.mark.slow
@pytest.mark.row(4, count="a cycle of tokens, and 1,000 empty pages")
@pytest.mark.parametrize("fault", [{"TokenCycle": True}, {"EmptyPages": 1_000}])
def test_pages_that_do_not_end_are_given_up_after_one_restart(fault):
    with World(many(3_000), hostile=False) as world:
        world.server.fault(**fault)
        world.upstream._client.meta.events.register(
            "after-call.comprehendmedical", lambda **_: world.server.fault(**fault)
        )
        done = world.sync()
        assert (done.error, done.as_of) == ("WalkEndless", None)
        assert done.upstream_calls <= 2 * (MAX_EMPTY_PAGES + 10)
        state = world.ledger.state(world.family)
        assert state.last_error is not None
        assert (state.last_error.name, state.walk) == ("WalkEndless", None)
        world.upstream = Upstream(world.client())
        world.server.reset()
        assert world.sync_until_current().error is None
        assert world.truth() == world.statuses()


@pytest.mark.row(4, count="1 and 100 refused tokens")
def test_a_refused_token_restarts_the_walk_once():
    with World(many(3_000), hostile=False) as world:
        world.server.fault(RefuseTokens=1)
        assert world.sync().error is None
        assert world.truth() == world.statuses()
        world.clock.forward(DAY)
        world.server.fault(RefuseTokens=100)
        assert world.sync().error == "InvalidRequestException"


@pytest.mark.row(1, count="0 to 7 throttles in a row, 2 errors, 2 statuses")
@pytest.mark.parametrize("error", ["TooManyRequestsException", "ThrottlingException"])
@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize("throttles", range(8))
def test_throttles_are_retried_a_bounded_number_of_times(throttles, status, error, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.time.sleep", lambda seconds: None)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with World(many(10), hostile=False, client_config=CONFIG) as world:
        if throttles:
            world.server.fault(
                Operation="List*",
                Error=error,
                HttpStatus=status,
                Count=throttles,
            )
        done = world.sync()
        attempts = min(throttles + 1, 4)
        assert (attempts, attempts) == (done.upstream_calls, _received(world))
        assert (None if throttles < 4 else error) == done.error
        assert min(throttles, 4) == done.throttles


@pytest.mark.row(2, count="60 throttles, 20 syncs")
def test_a_storm_of_throttles_ends_in_bounded_calls_and_the_next_minute_recovers(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with World(many(10), hostile=False, client_config=CONFIG) as world:
        world.server.fault(Operation="List*", Error="TooManyRequestsException", Count=60)
        before = [world.sync() for _ in range(20)]
        assert {"TooManyRequestsException"} == {done.error for done in before[:10]}
        assert _received(world) <= 80
        for _ in range(60):
            world.sync()
        assert world.sync().error is None
        assert world.truth() == world.statuses()


@pytest.mark.row(1, count="2 errors")
@pytest.mark.parametrize("error", ["InternalServerException", "AccessDeniedException"])
def test_a_failed_sync_leaves_as_of_where_it_was_and_says_why(error):
    with World(many(10), hostile=False) as world:
        first = world.sync()
        world.server.fault(Operation="List*", Error=error, HttpStatus=500, Count=10)
        failed = world.sync()
        assert (error, first.as_of) == (failed.error, failed.as_of)
        last_error = world.ledger.state(world.family).last_error
        assert last_error is not None
        assert error == last_error.name
        world.server.reset()
        recovered = world.sync()
        assert recovered.as_of is not None
        assert recovered.as_of > str(first.as_of)
        assert world.ledger.state(world.family).last_error is None


@pytest.mark.row(10, count="1")
def test_a_slow_sync_that_ends_last_does_not_turn_the_ledger_back():
    with World([a_job("job", 50, "IN_PROGRESS")], hostile=False) as world:
        world.sync()
        stale = job_from_service(Family.SNOMEDCT, a_job("job", 50, "IN_PROGRESS", Message="old"))
        assert stale is not None
        listed_at = "2026-11-23T12:00:01.500Z"
        world.clock.forward(5)
        world.put(a_job("job", 50, "COMPLETED"))
        world.sync()
        recorded = world.ledger.record(Family.SNOMEDCT, [stale], listed_at, announce_new=True)
        assert (recorded.changed, world.statuses()["job"]) == (0, "COMPLETED")


def test_of_two_listings_of_one_status_the_later_wins():
    with World([a_job("job", 50, "FAILED", Message="new")], hostile=False) as world:
        world.sync()
        stale = job_from_service(Family.SNOMEDCT, a_job("job", 50, "FAILED", Message="old"))
        assert stale is not None
        recorded = world.ledger.record(
            Family.SNOMEDCT, [stale], "2026-11-23T12:00:00.500Z", announce_new=True
        )
        assert (recorded.changed, world.ledger_jobs()["job"]["Message"]) == (0, "new")


def test_a_row_that_another_sync_has_written_between_is_read_again():
    with World([a_job("job", 50, "SUBMITTED")], hostile=False) as world:
        world.sync()
        other = job_from_service(Family.SNOMEDCT, a_job("job", 50, "IN_PROGRESS"))
        assert other is not None

        def come_between(operation: str) -> None:
            if operation == "transact_write_items":
                world.database.before = lambda operation: None
                world.ledger.record(
                    Family.SNOMEDCT, [other], "2026-11-23T12:00:01.500Z", announce_new=True
                )

        world.put(a_job("job", 50))
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


def test_as_of_is_when_the_walk_began_and_not_when_it_ended():
    with World(many(10), hostile=False) as world:
        world.upstream = Upstream(world.client(), lambda: world.clock.forward(100))
        assert world.sync().as_of == "2026-11-23T12:00:01.000Z"


def test_a_submit_time_in_the_future_does_not_close_the_window_on_others():
    with World([a_job("tomorrow", -DAY)], hostile=False) as world:
        world.sync()
        world.put(a_job("today", 0))
        world.sync()
        assert {"tomorrow", "today"} == world.statuses().keys()


def test_a_job_that_is_listed_again_is_not_expired_any_more():
    with World([a_job("job", 5_000, "IN_PROGRESS")], hostile=False) as world:
        world.sync()
        world.delete("job")
        world.sync()
        world.put(a_job("job", 5_000, "IN_PROGRESS"))
        world.clock.forward(DAY)
        world.sync()
        row = world.ledger.find("job")
        assert row is not None
        assert "ExpiredUpstream" not in row


def test_a_daily_walk_that_fails_does_not_hold_up_the_others():
    with World(many(2_000), hostile=False) as world:
        world.sync()
        world.clock.forward(DAY)
        world.server.fault(RefuseTokens=1_000_000)
        failed = world.sync()
        assert failed.error == "InvalidRequestException"
        assert world.clock.now() - parse(str(failed.as_of)) < timedelta(seconds=5)
        world.put(a_job("new", -DAY - 10, "SUBMITTED"))
        done = world.sync()  # the daily walk waits an hour before it tries again
        assert (done.error, done.upstream_calls) == (None, 1)
        assert "new" in world.statuses()
        world.server.reset()
        world.clock.forward(3_600)
        assert world.sync().upstream_calls > 2


@pytest.mark.parametrize("error", ["InternalServerException", "ResourceNotFoundException"])
def test_a_walk_whose_token_always_fails_restarts_after_an_hour(error):
    with World(many(2_000), hostile=False) as world:
        world.server.fault(Operation="List*", Error=error, HttpStatus=500, Skip=1, Count=100)
        for _ in range(5):
            assert error == world.sync().error
        token = world.ledger.state(world.family).walk
        assert token is not None
        world.clock.forward(3_700)
        world.sync()
        assert world.ledger.state(world.family).walk is None


def test_one_job_that_cannot_be_described_does_not_hold_up_the_family():
    with World([a_job("gone", 5_000, "IN_PROGRESS")], hostile=False) as world:
        first = world.sync()
        world.delete("gone")
        world.server.fault(Operation="Describe*", Error="InvalidRequestException", Count=1)
        done = world.sync()
        assert done.error == "InvalidRequestException"
        assert str(done.as_of) > str(first.as_of)
        last_error = world.ledger.state(world.family).last_error
        assert last_error is not None
        assert world.sync().error is None
        row = world.ledger.find("gone")
        assert row is not None
        assert row["ExpiredUpstream"]


@pytest.mark.parametrize("throttled", [1, 3, 4])
def test_a_transaction_that_is_throttled_is_tried_four_times(throttled, monkeypatch):
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", lambda seconds: None)
    with World(many(10), hostile=False) as world:
        left = throttled

        def throttle(operation: str) -> None:
            nonlocal left
            if operation == "transact_write_items" and left:
                left -= 1
                raise cancelled("None", "ThrottlingError")

        world.database.before = throttle
        assert (None if throttled < 4 else "LedgerUnavailable") == world.sync().error
        assert world.sync().error is None
        assert world.truth() == world.statuses()


def test_an_unreachable_ledger_is_reported_and_not_raised():
    with World(many(10), hostile=False) as world:

        def fail(operation: str) -> None:
            raise error_of("InternalServerError", 500)

        world.database.before = fail
        assert world.sync().error == "LedgerUnavailable"


def test_the_newest_state_wins_when_two_syncs_end_in_the_wrong_order():
    with World(hostile=False) as world:
        times = []
        for _ in range(3):
            done = world.sync()
            times.append(str(done.as_of))
        assert all(early < late for early, late in pairwise(times))
        assert world.clock.seconds > START


def _received(world: World) -> int:
    return sum(world.server.calls()["Counts"].values())
