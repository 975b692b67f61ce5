"""How far back a sync lists, and how many calls it takes when nothing is new."""

import random
from datetime import timedelta
from math import ceil

import pytest
from msgspec.structs import replace

from jobledger.errors import DeadlineReached
from jobledger.jobs import job_from_service
from jobledger.ledger import counters
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.states import Walk
from jobledger.service import Family
from jobledger.sync.walk import Sync
from jobledger.sync.window import window_start
from jobledger.times import rfc3339
from testing.builders import SCOPE, listed_job
from testing.world import World

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def spread(number: int, days: float, active: set[int]) -> list[dict]:
    """Jobs at even distances; those in `active` have not ended."""
    return [
        listed_job(
            f"{n:05}",
            HOUR + n * days * DAY / number,
            "IN_PROGRESS" if n in active else "COMPLETED",
        )
        for n in range(number)
    ]


def fewest(active: set[int]) -> int:
    """The calls of the best cut: pages of 500 up to one of the active jobs, and one call for each older one."""
    cuts = [0, *(n + 1 for n in active)]
    return min(max(ceil(cut / 500), 1) + sum(n >= max(cut, 1) for n in active) for cut in cuts)


# The choice alone, for more and smaller ledgers, is in tests/unit/sync/test_window_start.py.
@pytest.mark.parametrize(
    "number,days,active",
    [
        # 6 pages, or 26 calls for those after the first page
        pytest.param(3_000, 100, set(range(99, 3_000, 100)), marks=pytest.mark.slow),
        (3_000, 100, {2_999}),
        pytest.param(3_000, 100, {400, 2_999}, marks=pytest.mark.slow),
        (3_000, 100, {2_700, 2_800, 2_999}),
        pytest.param(3_000, 1, {2_999}, marks=pytest.mark.slow),
        pytest.param(3_000, 1, set(range(2_900, 3_000)), marks=pytest.mark.slow),
        pytest.param(3_000, 100, set(range(1_000, 1_005)) | {2_999}, marks=pytest.mark.slow),
        (100, 100, set(range(0, 100, 7))),
        (600, 0.01, {599}),
    ],
    ids=str,
)
def test_a_sync_at_rest_takes_the_fewest_calls(number, days, active):
    with World(spread(number, days, active), hostile=False) as world:
        world.sync()
        calls = [world.sync().upstream_calls for _ in range(2)]
        # The hour in which the walk begins counts in full: that can be a page.
        most = fewest(active) + (1 if number / days / 24 > 50 else 0)
        assert all(number <= most for number in calls)
        assert all(number <= 1 + len(active) for number in calls)
        assert world.active().keys() == {f"{n:05}" for n in active}


@pytest.mark.parametrize("seed", range(10))
def test_a_sync_at_rest_makes_at_most_one_call_and_one_for_each_active_job(seed):
    chosen = random.Random(seed)
    number = chosen.choice([10, 700, 2_500])
    active = set(chosen.sample(range(number), chosen.randint(0, 8)))
    with World(spread(number, chosen.choice([0.5, 5, 120]), active), hostile=False) as world:
        world.sync()
        assert world.sync().upstream_calls <= 1 + len(active)


def test_a_described_job_that_ends_is_recorded_and_followed_no_longer():
    with World(spread(2_000, 60, {1_500}), hostile=False) as world:
        world.sync()
        job = next(job for job in spread(2_000, 60, set()) if job["JobId"] == "01500")
        world.put(job | {"JobStatus": "FAILED"})
        done = world.sync()
        assert (done.upstream_calls, done.transitions) == (2, 1)
        assert world.statuses()["01500"] == "FAILED"
        assert world.sync().upstream_calls == 1


def test_without_complete_counters_a_walk_lists_back_to_the_oldest_active_job():
    with World(spread(2_000, 60, {1_500}), hostile=False) as world:
        world.sync()
        state = world.ledger.state(world.family)
        active = world.active().values()
        oldest = min(job.submit_time for job in active)
        assert window_start(world.ledger, world.family, state, active) > oldest
        uncounted = replace(state, counted=0)
        assert window_start(world.ledger, world.family, uncounted, active) < oldest


def test_deciding_reads_nothing_when_every_active_job_is_listed_anyway():
    with World(
        [listed_job("new", 30, "IN_PROGRESS"), listed_job("old", DAY)], hostile=False
    ) as world:
        world.sync()
        state = world.ledger.state(world.family)
        active = world.active().values()
        reads = world.database.calls["query"]
        window_start(world.ledger, world.family, state, active)
        assert world.database.calls["query"] == reads


def test_deciding_reads_few_counters_however_long_a_job_has_been_active():
    with World(spread(3_000, 1_000, {2_999}), hostile=False) as world:
        world.sync()
        world.database._largest_answer = 10
        active, state = world.active().values(), world.ledger.state(world.family)
        reads = world.database.calls["query"]
        start = window_start(world.ledger, world.family, state, active)
        assert start > rfc3339(world.clock.now() - timedelta(hours=2))
        # 1,000 jobs are two pages, which is as much as one page and one call: 334 days in answers of 10 rows.
        assert world.database.calls["query"] - reads <= 35


# What else a run leaves to others, or keeps for them.


def test_pages_without_an_end_are_given_up_at_a_limit(monkeypatch):
    monkeypatch.setattr("jobledger.sync.walk.MAX_PAGES", 3)
    with World(spread(3_000, 10, set()), hostile=False) as world:
        assert world.sync().error == "WalkEndless"


def test_active_jobs_that_another_sync_found_meanwhile_stay_active():
    with World([listed_job("job", 50, "IN_PROGRESS")], hostile=False) as world:
        world.sync()
        found = job_from_service(world.family, listed_job("other", 0, "SUBMITTED"))
        assert found is not None

        def another_sync() -> None:
            world.upstream._before_call = lambda: None
            world.ledger.record(
                world.family, [found], rfc3339(world.clock.now()), announce_new=True
            )

        world.upstream._before_call = another_sync
        assert world.sync().error is None
        assert world.active().keys() == {"job", "other"}


def test_a_walk_that_another_sync_has_advanced_is_left_to_it():
    with World(spread(3_000, 10, set()), hostile=False) as world:
        ahead = Walk(started_at=rfc3339(world.clock.now()), next_token="other", pages=4)
        pages = 0

        def another_sync() -> None:
            nonlocal pages
            pages += 1
            if pages == 2:
                state = world.ledger.state(world.family)
                world.ledger.save_state(world.family, replace(state, walk=ahead))

        world.upstream._before_call = another_sync
        assert world.sync().error == "WalkOvertaken"
        assert world.ledger.state(world.family).walk == ahead
        assert pages == 2


# The counters of a family, and the state that says whether they are complete.


@pytest.mark.parametrize("older_layout", [None, LAYOUT - 1])
def test_an_upgraded_ledger_is_counted_by_the_first_sync_and_verified_each_day(older_layout):
    with World(spread(300, 100, {250}), hostile=False) as world:
        world.sync()
        partition, totals = world.ledger.partition(Family.SNOMEDCT), counters.partition(SCOPE)
        for key, item in list(world.database.items.items()):
            if key[0] == totals:
                del world.database.items[key]
                world.database._order[None, key[0]].clear()
            if item.pop("Counted", None) and older_layout:
                item["Counted"] = {"N": str(older_layout)}
        state = world.ledger.state(world.family)
        world.ledger.save_state(world.family, replace(state, counted=older_layout or 0))
        assert not world.ledger.state(world.family).counters_complete
        done = world.sync()
        assert (done.error, done.counters_repaired) == (None, 0)
        assert world.ledger.state(world.family).counters_complete
        rows = [item for (pk, _), item in world.database.items.items() if pk == partition]
        assert {item["Counted"]["N"] for item in rows} == {str(LAYOUT)}
        key = next(key for key in world.database.items if key[1].startswith("month#2026-10"))
        world.database.items[key]["Jobs#COMPLETED"] = {"N": "1"}
        assert world.sync().counters_repaired == 0
        world.clock.forward(DAY)
        assert world.sync().counters_repaired == 1
        world.clock.forward(DAY)
        assert world.sync().counters_repaired == 0


def recount_due(world: World, after: str) -> None:
    state = world.ledger.state(world.family)
    assert world.ledger.save_state(world.family, replace(state, counted=0, recounted=after))


def test_a_recount_is_resumed_after_the_month_where_it_stopped():
    with World(spread(300, 100, set()), hostile=False) as world:
        world.sync()
        for key, item in world.database.items.items():
            if key[1].startswith(("month#2026-09", "month#2026-10")):
                item["Jobs#COMPLETED"] = {"N": "1"}
        # One month each time, and all jobs, which are the sum of the months.
        recount_due(world, "2026-09")
        assert world.sync().counters_repaired == 2
        recount_due(world, "")
        assert world.sync().counters_repaired == 2


def test_a_recount_that_another_sync_has_advanced_is_left_to_it():
    with World(spread(300, 100, set()), hostile=False) as world:
        for _ in range(3):  # then it reads no active jobs
            world.sync()
        recount_due(world, "2026-08")

        def another_sync(operation: str) -> None:
            if operation == "query":  # the first one of this run
                world.database.before = lambda operation: None
                recount_due(world, "2026-11")

        world.database.before = another_sync
        assert world.sync().error == "WalkOvertaken"
        assert world.ledger.state(world.family).recounted == "2026-11"


def test_a_recount_stops_when_its_time_is_over_and_the_next_run_completes_it():
    with World(spread(300, 100, set()), hostile=False) as world:
        world.sync()
        recount_due(world, "")
        left = 2

        def check() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise DeadlineReached

        sync = Sync(
            world.family, world.upstream, world.ledger, world.clock.now, check_deadline=check
        )
        assert sync.run().error == "DeadlineReached"
        assert world.ledger.state(world.family).recounted == "2026-09"
        assert world.sync().error is None
        assert world.ledger.state(world.family).recounted is None
