"""Missed runs: the next digest covers their windows and says so."""

import json

import pytest
from botocore.exceptions import ReadTimeoutError

from jobledger.digest.claims import DigestState
from jobledger.errors import PublishUncertain
from testing.digests import sent


def gaps(world):
    return [digest["CoversGap"] for digest in sent(world)]


def test_a_digest_after_missed_runs_covers_them_and_says_so(world):
    for _ in range(4):
        world.run()
        world.forward(days=1)
    world.forward(days=2)
    world.run()
    world.forward(days=1)
    world.run()
    assert gaps(world) == [False] * 4 + [True, False]
    text = json.loads(world.topic.taken[4]["Message"])["email"]
    assert "no digest was sent since 2026-11-26 08:58" in text


def test_a_run_that_the_next_one_completes_counts_as_a_run(world):
    for _ in range(3):
        world.run()
        world.forward(days=1)
    world.topic.failures = [ReadTimeoutError(endpoint_url="https://sns")]
    with pytest.raises(PublishUncertain):
        world.run()
    world.forward(days=1)
    world.run()
    assert gaps(world) == [False] * 5


def test_a_run_whose_window_a_digest_on_demand_has_covered_counts_as_one(world):
    world.run({"IdempotencyKey": "by hand"})
    assert not world.run()["Published"]
    world.forward(days=1)
    assert world.run()["Published"]
    world.forward(hours=4)
    world.run({})  # that it was between two runs is no reason to expect another so soon
    world.forward(hours=20)
    world.run()
    world.forward(days=2)
    world.run()
    assert gaps(world) == [False, False, False, False, True]


def test_a_weekday_schedule_learns_that_weekends_are_not_gaps(world):
    for _ in range(3):
        for _ in range(5):
            world.run()
            world.forward(days=1)
        world.forward(days=2)
    assert gaps(world) == [False] * 5 + [True] + [False] * 9


def test_another_schedule_has_to_run_twice_before_its_missed_runs_are_noticed():
    state = DigestState()
    for day in (1, 8, 15):
        state = state.after_run("weekly", f"2026-11-{day:02}T08:00:00.000Z")
    assert state.is_gap("weekly", "2026-11-29T08:00:00.000Z")
    assert not state.is_gap("daily", "2026-11-29T08:00:00.000Z")
    state = state.after_run("daily", "2026-11-16T08:00:00.000Z")
    assert not state.is_gap("daily", "2026-11-29T08:00:00.000Z")
    state = state.after_run("daily", "2026-11-17T08:00:00.000Z")
    assert state.is_gap("daily", "2026-11-19T08:00:00.000Z")
