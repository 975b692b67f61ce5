"""A sync that fails: throttles, tokens, pages without end, an unreachable ledger."""

import pytest

from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.sync.walk import MAX_EMPTY_PAGES
from testing.world import DAY, World, old_jobs


# What it does at each page of them is in tests/unit/sync/test_walk.py.
@pytest.mark.slow
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


def test_a_refused_token_restarts_the_walk_once():
    with World(old_jobs(3_000), hostile=False) as world:
        world.server.fault(RefuseTokens=1)
        assert world.sync().error is None
        assert world.truth() == world.statuses()
        world.clock.forward(DAY)
        world.server.fault(RefuseTokens=100)
        assert world.sync().error == "InvalidRequestException"


@pytest.mark.parametrize("error", ["TooManyRequestsException", "ThrottlingException"])
@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize("throttles", range(8))
def test_throttles_are_retried_a_bounded_number_of_times(throttles, status, error, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.time.sleep", lambda seconds: None)
    with World(old_jobs(10), hostile=False, client_config=CONFIG) as world:
        if throttles:
            world.server.fault(Operation="List*", Error=error, HttpStatus=status, Count=throttles)
        done = world.sync()
        attempts = min(throttles + 1, 4)
        assert done.upstream_calls == world.calls_received() == attempts
        assert done.error == (None if throttles < 4 else error)
        assert done.throttles == min(throttles, 4)


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


@pytest.mark.parametrize("error", ["InternalServerException", "AccessDeniedException"])
def test_a_failed_sync_leaves_as_of_where_it_was_and_says_why(error):
    with World(old_jobs(10), hostile=False) as world:
        first = world.sync()
        world.server.fault(Operation="List*", Error=error, HttpStatus=500, Count=10)
        failed = world.sync()
        assert (failed.error, failed.as_of) == (error, first.as_of)
        last_error = world.ledger.state(world.family).last_error
        assert last_error is not None
        assert last_error.name == error
        world.server.reset()
        assert str(world.sync().as_of) > str(first.as_of)
        assert world.ledger.state(world.family).last_error is None
