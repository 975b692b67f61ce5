"""Where a walk begins: at the last jobs, or further back where that takes fewer calls."""

import random
from datetime import datetime
from math import ceil
from typing import Any

import pytest

from jobledger.jobs import Job
from jobledger.ledger.active import ActiveJob
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.sync import window
from jobledger.sync.window import window_start
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MINUTE, NOW, SECOND, a_job, listed_job
from testing.counted import Counted
from testing.world import World

OVERLAP = 10 * MINUTE
LATEST = NOW - OVERLAP
SNOMEDCT = Family.SNOMEDCT


def filled(jobs: dict[datetime, int]) -> Counted:
    """A ledger with so many jobs of each of these times, or within the minutes after it."""
    world = Counted()
    for number, (at, count) in enumerate(jobs.items()):
        world.record(
            *(a_job(f"{number}-{n}", submitted=at + n % 600 * SECOND) for n in range(count)),
            announce_new=False,
        )
    world.database.forget()
    return world


def start(
    world: Counted,
    *active: datetime | None,
    mark: datetime | None = NOW,
    counted: int = LAYOUT,
    describe: bool = True,
) -> datetime:
    """Return where a walk begins while these jobs are active."""
    state = SyncState(
        as_of=rfc3339(NOW),
        high_water_mark=rfc3339(mark) if mark else None,
        counted=counted,
    )
    jobs = [
        ActiveJob(f"{n}", Job.key_of(rfc3339(at) if at else None, f"{n}"))
        for n, at in enumerate(active)
    ]
    begins = window_start(world.ledger, SNOMEDCT, state, jobs, describe=describe)
    return datetime.fromisoformat(begins)


@pytest.mark.parametrize(
    "mark,expected",
    [(NOW, LATEST), (NOW - DAY, LATEST - DAY), (NOW + HOUR, LATEST + HOUR), (None, LATEST)],
)
def test_without_active_jobs_a_walk_begins_ten_minutes_before_the_newest_job(mark, expected):
    world = filled({})
    assert start(world, mark=mark) == expected
    assert world.database.calls == {}


@pytest.mark.parametrize("active", [None, NOW, LATEST + SECOND])
def test_active_jobs_that_are_listed_anyway_or_have_no_time_do_not_move_it(active):
    world = filled({NOW - 3 * DAY: 5})
    assert start(world, active) == LATEST
    assert world.database.calls == {}


def test_where_no_counter_row_has_a_job_a_walk_takes_one_page():
    assert start(filled({}), LATEST - DAY, LATEST - 2 * DAY) == LATEST - 2 * DAY - OVERLAP


def test_without_complete_counters_a_walk_begins_before_the_oldest_active_job():
    old, older = NOW - DAY, NOW - 2 * DAY
    world = filled({older: 1, old: 1, NOW - HOUR: 2_000})
    for order in ([old, older], [older, old]):
        assert start(world, *order, None, NOW, counted=LAYOUT - 1) == older - OVERLAP
    assert world.database.calls == {}


@pytest.mark.parametrize(
    "jobs,active,listed",
    [
        # A second page costs what the call for one job costs: the walk stays short.
        (500, 1, True),
        (501, 1, False),
        # It is less than the calls for two jobs.
        (501, 2, True),
        (1_000, 2, True),
        (1_001, 2, False),
        (1_500, 3, True),
        (1_501, 3, False),
    ],
)
def test_a_walk_lists_further_back_if_that_takes_fewer_calls(jobs, active, listed):
    """So many jobs are listed from some old ones on, which are active."""
    old = NOW - 2 * DAY
    world = filled({old: active, NOW - 5 * HOUR: jobs - active})
    times = [old + n * SECOND for n in range(active)]
    assert start(world, *times) == (times[-1] - OVERLAP if listed else LATEST)


@pytest.mark.parametrize("jobs,listed", [(20, True), (21, False)])
def test_jobs_that_cannot_be_described_are_listed_if_that_takes_few_pages(
    jobs, listed, monkeypatch
):
    monkeypatch.setattr(window, "PAGE_SIZE", 10)
    monkeypatch.setattr(window, "MOST_PAGES", 3)
    old = NOW - 2 * DAY
    world = filled({old: 1, NOW - 5 * HOUR: jobs - 1})
    assert start(world, old, describe=False) == (old - OVERLAP if listed else LATEST)


def test_a_job_that_was_submitted_when_the_walk_begins_is_described():
    """SubmitTimeAfter is exclusive: a walk that begins at the time of a job does not list it."""
    near = NOW - DAY
    world = filled({near - OVERLAP: 1, near: 1, NOW - HOUR: 10})
    assert start(world, near, near - OVERLAP) == near - 2 * OVERLAP


def test_jobs_of_other_families_are_in_no_page():
    old = NOW - DAY
    world = filled({old: 1})
    others = [a_job(f"{n}", submitted=NOW - HOUR, family=Family.PHI) for n in range(600)]
    world.record(*others, announce_new=False)
    assert start(world, old) == old - OVERLAP


def pages_after(jobs: dict[datetime, int], at: datetime) -> int:
    """Pages with the jobs after a time, whose hour counts in full."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return max(ceil(sum(n for time, n in jobs.items() if time >= hour) / 20), 1)


@pytest.mark.parametrize("seed", range(40))
def test_no_other_start_takes_fewer_calls(seed, monkeypatch):
    monkeypatch.setattr(window, "PAGE_SIZE", 20)
    source = random.Random(seed)
    jobs = {
        NOW.replace(minute=0) - n * HOUR: source.choice([1, 5, 30])
        for n in source.sample(range(1, 60), source.randint(1, 12))
    }
    active = source.sample(sorted(jobs), source.randint(1, len(jobs)))
    world = filled(jobs)

    def calls(at: datetime) -> int:
        return pages_after(jobs, at) + sum(time <= at for time in active)

    chosen = start(world, *active)
    assert chosen in [LATEST, *(time - OVERLAP for time in active)]
    assert calls(chosen) == min(map(calls, [LATEST, *(time - OVERLAP for time in active)]))


def test_counters_are_read_back_only_as_far_as_a_page_can_pay(monkeypatch):
    """Each day has a page of jobs; the oldest active jobs are a year old."""
    monkeypatch.setattr(window, "PAGE_SIZE", 10)
    world = filled({NOW - n * DAY: 10 for n in range(1, 30)})
    world.database._largest_answer = 1
    assert start(world, NOW - 365 * DAY, NOW - 364 * DAY) == LATEST
    # Three days of a page: one for the latest start, and two that could save the calls for two jobs.
    assert world.database.calls["query"] <= 4


# The same from end to end.


def spread(number: int, days: float, active: set[int]) -> list[dict[str, Any]]:
    """Jobs at even distances; those in `active` have not ended."""
    apart = days * 86_400 / number
    return [
        listed_job(f"{n:05}", 3_600 + n * apart, "IN_PROGRESS" if n in active else "COMPLETED")
        for n in range(number)
    ]


def fewest(active: set[int]) -> int:
    """The calls of the best cut: pages of 500 up to one of the active jobs, and one call for each older one."""
    cuts = [0, *(n + 1 for n in active)]
    return min(max(ceil(cut / 500), 1) + sum(n >= max(cut, 1) for n in active) for cut in cuts)


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
