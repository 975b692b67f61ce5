"""Where a walk begins: at the last jobs, or further back where that takes fewer calls."""

import random
from datetime import datetime
from math import ceil

import pytest

from jobledger.ledger.active import ActiveJob
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.sync import window
from jobledger.sync.window import window_start
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MINUTE, NOW, SECOND, a_job
from testing.counted import Counted

OVERLAP = 10 * MINUTE
LATEST = NOW - OVERLAP
SNOMEDCT = Family.SNOMEDCT


def filled(jobs: dict[datetime, int]) -> Counted:
    """A ledger with so many jobs of each of these times, or within the minutes after it."""
    return Counted(
        *(
            a_job(f"{number}-{n}", submitted=at + n % 600 * SECOND)
            for number, (at, count) in enumerate(jobs.items())
            for n in range(count)
        )
    )


def start(
    world: Counted,
    *active: datetime | None,
    mark: datetime | None = NOW,
    counted: int = LAYOUT,
    describe: bool = True,
) -> datetime:
    """Where a walk begins while these jobs are active."""
    state = SyncState(
        rfc3339(NOW), high_water_mark=rfc3339(mark) if mark else None, counted=counted
    )
    jobs = [ActiveJob(f"{n}", a_job(f"{n}", submitted=at).sort_key) for n, at in enumerate(active)]
    begins = window_start(world.ledger, SNOMEDCT, state, jobs, describe=describe)
    return datetime.fromisoformat(begins)


@pytest.mark.parametrize(
    "mark,active,expected",
    [
        *((NOW, [], LATEST), (NOW - DAY, [], LATEST - DAY)),
        *((NOW + HOUR, [], LATEST + HOUR), (None, [], LATEST)),
        # Active jobs that are listed anyway, or have no time.
        (NOW, [None, NOW, LATEST + SECOND], LATEST),
    ],
)
def test_a_walk_begins_ten_minutes_before_the_newest_job(mark, active, expected):
    world = filled({NOW - 3 * DAY: 5})
    assert start(world, *active, mark=mark) == expected
    assert world.database.calls == {}


def test_without_complete_counters_a_walk_begins_before_the_oldest_active_job():
    old, older = NOW - DAY, NOW - 2 * DAY
    world = filled({older: 1, old: 1, NOW - HOUR: 2_000})
    for order in ([old, older], [older, old]):
        assert start(world, *order, None, NOW, counted=LAYOUT - 1) == older - OVERLAP
    assert world.database.calls == {}


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
        """The hour in which a walk begins counts in full."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        pages = max(ceil(sum(n for time, n in jobs.items() if time >= hour) / 20), 1)
        return pages + sum(time <= at for time in active)

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
