"""A sync that fails: throttles, tokens, pages without end, an unreachable ledger."""

from datetime import timedelta

import pytest

from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.sync.walk import MAX_EMPTY_PAGES
from jobledger.times import parse
from testing.builders import listed_job
from testing.memory_dynamodb import cancelled
from testing.memory_dynamodb import error as error_of
from testing.world import DAY, World, old_jobs


# What it does at each page of them is in tests/unit/sync/test_walk.py.
@pytest.mark.slow
@pytest.mark.row(4, count="a cycle of tokens, and 1,000 empty pages")
@pytest.mark.parametrize("fault", [{"TokenCycle": True}, {"EmptyPages": 1_000}])
def test_pages_that_do_not_end_are_given_up_after_one_restart(fault):
    with World(old_jobs(3_000), hostile=False) as world:
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
    with World(old_jobs(3_000), hostile=False) as world:
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
    with World(old_jobs(10), hostile=False, client_config=CONFIG) as world:
        if throttles:
            world.server.fault(
                Operation="List*",
                Error=error,
                HttpStatus=status,
                Count=throttles,
            )
        done = world.sync()
        attempts = min(throttles + 1, 4)
        assert (attempts, attempts) == (done.upstream_calls, world.calls_received())
        assert (None if throttles < 4 else error) == done.error
        assert min(throttles, 4) == done.throttles


@pytest.mark.row(2, count="60 throttles, 20 syncs")
def test_a_storm_of_throttles_ends_in_bounded_calls_and_the_next_minute_recovers(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with World(old_jobs(10), hostile=False, client_config=CONFIG) as world:
        world.server.fault(Operation="List*", Error="TooManyRequestsException", Count=60)
        before = [world.sync() for _ in range(20)]
        assert {"TooManyRequestsException"} == {done.error for done in before[:10]}
        assert world.calls_received() <= 80
        for _ in range(60):
            world.sync()
        assert world.sync().error is None
        assert world.truth() == world.statuses()


@pytest.mark.row(1, count="2 errors")
@pytest.mark.parametrize("error", ["InternalServerException", "AccessDeniedException"])
def test_a_failed_sync_leaves_as_of_where_it_was_and_says_why(error):
    with World(old_jobs(10), hostile=False) as world:
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


def test_a_daily_walk_that_fails_does_not_hold_up_the_others():
    with World(old_jobs(2_000), hostile=False) as world:
        world.sync()
        world.clock.forward(DAY)
        world.server.fault(RefuseTokens=1_000_000)
        failed = world.sync()
        assert failed.error == "InvalidRequestException"
        assert world.clock.now() - parse(str(failed.as_of)) < timedelta(seconds=5)
        world.put(listed_job("new", -DAY - 10, "SUBMITTED"))
        done = world.sync()  # the daily walk waits an hour before it tries again
        assert (done.error, done.upstream_calls) == (None, 1)
        assert "new" in world.statuses()
        world.server.reset()
        world.clock.forward(3_600)
        assert world.sync().upstream_calls > 2


@pytest.mark.parametrize("error", ["InternalServerException", "ResourceNotFoundException"])
def test_a_walk_whose_token_always_fails_restarts_after_an_hour(error):
    with World(old_jobs(2_000), hostile=False) as world:
        world.server.fault(Operation="List*", Error=error, HttpStatus=500, Skip=1, Count=100)
        for _ in range(5):
            assert error == world.sync().error
        token = world.ledger.state(world.family).walk
        assert token is not None
        world.clock.forward(3_700)
        world.sync()
        assert world.ledger.state(world.family).walk is None


def test_one_job_that_cannot_be_described_stops_no_other_and_as_of_says_since_when():
    with World([listed_job("gone", 5_000, "IN_PROGRESS")], hostile=False) as world:
        first = world.sync()
        world.delete("gone")
        world.put(listed_job("new", 10))
        world.server.fault(Operation="Describe*", Error="InvalidRequestException", Count=1)
        done = world.sync()
        assert (done.error, done.as_of) == ("InvalidRequestException", first.as_of)
        assert world.statuses()["new"] == "COMPLETED"
        last_error = world.ledger.state(world.family).last_error
        assert last_error is not None
        assert world.sync().error == "JobsUnconfirmed"
        assert str(world.sync().as_of) > str(first.as_of)
        row = world.ledger.find("gone")
        assert row is not None
        assert row["ExpiredUpstream"]


@pytest.mark.parametrize("throttled", [1, 3, 4])
def test_a_transaction_that_is_throttled_is_tried_four_times(throttled, monkeypatch):
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", lambda seconds: None)
    with World(old_jobs(10), hostile=False) as world:
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
    with World(old_jobs(10), hostile=False) as world:

        def fail(operation: str) -> None:
            raise error_of("InternalServerError", 500)

        world.database.before = fail
        assert world.sync().error == "LedgerUnavailable"
