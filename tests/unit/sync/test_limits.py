"""What a sync survives: any mix of hostility, throttles, a failing ledger, too little time; and what it costs."""

import itertools
import random
from itertools import pairwise

import pytest

from jobledger.errors import DeadlineReached
from jobledger.ledger.table import Table
from jobledger.service import JobStatus
from jobledger.sync.pace import Pace
from jobledger.sync.upstream import ATTEMPT_SECONDS, CONFIG, Upstream
from testing.builders import SCOPE, a_job, listed_job
from testing.memory_dynamodb import error
from testing.world import DAY, World, old_jobs

SWITCHES = (
    *("single_filter", "shuffle", "short_pages", "empty_pages", "expiring_tokens"),
    *("expire_jobs", "late_jobs", "repeat_jobs", "stop_refusals"),
)
ALL = ["+".join(mix) for n in range(10) for mix in itertools.combinations(SWITCHES, n)]
# All, none, each alone, all but one, and some others: every one of the 512 takes minutes.
SIMPLE = [mix for mix in ALL if mix.count("+") in (0, 7, 8)]
MIXES = sorted({*SIMPLE, *random.Random(2026).sample(ALL, 10)})
FORWARD = list(JobStatus)


@pytest.mark.parametrize("mix", MIXES)
def test_the_ledger_converges_to_what_the_service_holds_under_any_mix_of_hostility(mix):
    jobs = [listed_job(f"old-{number:03}", 5_000 + number) for number in range(700)]
    with World(jobs) as world:
        world.server.change(**{switch: switch in mix.split("+") for switch in SWITCHES})
        world.sync_until_current()
        active = [listed_job(f"new-{number}", -2 - number, "SUBMITTED") for number in range(8)]
        for status in ("SUBMITTED", "IN_PROGRESS", "COMPLETED"):
            world.put(*(job | {"JobStatus": status} for job in active))
            world.clock.forward(20)
            world.sync_until_current()
        world.clock.forward(60)
        world.sync_until_current()
        assert world.truth() == world.statuses()
        for job in active:
            seen = [change for change in world.changes() if change.job_id == job["JobId"]]
            statuses = [FORWARD.index(JobStatus(str(change.status))) for change in seen]
            assert statuses == sorted(set(statuses))
            assert seen[-1].status == "COMPLETED"


def test_what_the_service_deletes_adds_and_omits_is_kept():
    tomorrow = listed_job("new", 50, "PAUSED", Priority={"Level": 3})
    with World([*old_jobs(20), tomorrow], hostile=False) as world:
        world.sync()
        assert world.ledger_jobs()["new"]["Priority"] == {"Level": 3}
        world.delete(f"{3:032x}")
        later = ["IN_PROGRESS", "PAUSED", "COMPLETED"]
        for status in later:
            world.put(listed_job("new", 50, status))
            world.clock.forward(DAY)
            world.sync()
        moves = [(change.previous, change.status) for change in world.changes()]
        assert moves == list(pairwise(["PAUSED", *later]))
        bare = a_job("bare", None, None)
        for _ in range(2):
            world.ledger.record(world.family, [bare], "2026-11-23T12:00:00.000Z", announce_new=True)
        assert world.ledger_jobs()["bare"] == {"JobId": "bare", "Family": "SNOMEDCT"}
        assert (len(world.ledger_jobs()), len(world.changes())) == (22, 4)


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


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "ResourceInUse"])
@pytest.mark.parametrize("operation", ["get_item", "batch_get_item", "transact_write_items"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_failure_at_any_call_leaves_the_ledger_whole_and_the_next_run_completes_it(
    operation, code, call
):
    with World([listed_job(f"{n:03}", 5_000 + n) for n in range(300)], hostile=False) as world:
        calls = 0

        def fail_once(name: str) -> None:
            nonlocal calls
            calls += name == operation
            if name == operation and calls == call:
                raise error(code, 400)

        world.database.before = fail_once
        done = world.sync()
        if calls >= call:
            # Or a state could not be read at the very end, when all was written.
            assert done.error == "LedgerUnavailable" or done.as_of
        world.database.before = lambda name: None
        assert world.sync_until_current().error is None
        assert world.truth() == world.statuses()
        assert world.changes() == []


@pytest.mark.parametrize("remaining", range(0, 31, 3))
def test_a_sync_with_too_little_time_stops_before_its_deadline_and_loses_nothing(remaining):
    with World([listed_job(f"{n:05}", 5_000 + n) for n in range(2_000)], hostile=False) as world:
        clock = world.clock
        pace = Pace(Table(world.database, "ledger"), SCOPE, clock.time, clock.forward)
        last_start = clock.time() + remaining - ATTEMPT_SECONDS
        pace.deadline = last_start
        begun = []

        def before_call() -> None:
            pace()
            begun.append(clock.time())
            clock.forward(3)  # how long the service takes

        world.upstream = Upstream(world.client(), before_call)
        done = world.sync()
        assert all(time <= last_start + 1 for time in begun)
        assert (done.error is None) == (done.as_of is not None)
        if done.error:
            assert DeadlineReached.__name__ == done.error
        pace.deadline = float("inf")
        assert world.sync_until_current().error is None
        assert world.truth() == world.statuses()
