"""What a sync survives: any mix of hostility, a failing ledger, too little time."""

import itertools
import random

import pytest

from jobledger.errors import DeadlineReached
from jobledger.ledger.table import Table
from jobledger.service import JobStatus
from jobledger.sync.pace import Pace
from jobledger.sync.upstream import ATTEMPT_SECONDS, Upstream
from testing.builders import SCOPE, listed_job
from testing.memory_dynamodb import error
from testing.world import World

SWITCHES = (
    *("single_filter", "shuffle", "short_pages", "empty_pages", "expiring_tokens"),
    *("expire_jobs", "late_jobs", "repeat_jobs", "stop_refusals"),
)
ALL = ["+".join(mix) for n in range(10) for mix in itertools.combinations(SWITCHES, n)]
# All, none, each alone, all but one, and forty others: every one of the 512 takes minutes.
SIMPLE = {mix for mix in ALL if mix.count("+") in (0, 7, 8)}
OTHERS = {*random.Random(2026).sample(ALL, 40)} - SIMPLE
MIXES = [*sorted(SIMPLE), *(pytest.param(mix, marks=pytest.mark.slow) for mix in sorted(OTHERS))]
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
            # A state that could not be read at the very end: all was written by then.
            assert done.error == "LedgerUnavailable" or done.as_of
        world.database.before = lambda name: None
        assert world.sync_until_current().error is None
        assert world.truth() == world.statuses()
        assert world.changes() == []


# Every fifth second finds where a sync stops; the others, that it stops well wherever that is.
SECONDS = [
    second if second % 5 == 0 else pytest.param(second, marks=pytest.mark.slow)
    for second in range(31)
]


@pytest.mark.parametrize("remaining", SECONDS)
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
