"""The pace that all syncs of a deployment keep together."""

import random
from contextlib import nullcontext, suppress

import pytest

from jobledger.errors import DeadlineReached, LedgerUnavailable
from jobledger.ledger.table import Table
from jobledger.sync.pace import Pace
from testing.builders import SCOPE, START, MemoryLedger
from testing.world import Clock


class Paced:
    """A sync with a clock that sleeps by moving on."""

    def __init__(
        self,
        timeline: "Timeline",
        scope: str = SCOPE,
        expected: int | None = None,
        **more: float,
    ) -> None:
        self.timeline = timeline
        self.clock = Clock()
        table = Table(timeline.database, "ledger")
        self.pace = Pace(table, scope, self.clock.time, self.clock.forward, **more)
        if expected is not None:
            self.pace.expect(expected)

    def call(self, number: int = 1) -> None:
        for _ in range(number):
            self.pace()
            self.timeline.calls.append(round(self.clock.time() - START, 3))


class Timeline(MemoryLedger):
    """Syncs on one table. `calls` has when each of their calls begins."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[float] = []


@pytest.fixture
def timeline():
    return Timeline()


@pytest.mark.parametrize("passed,at", [(0, 0.25), (0.1, 0.25), (0.25, 0.25), (60, 60)])
def test_calls_of_one_sync_are_a_quarter_of_a_second_apart(passed, at, timeline):
    one = Paced(timeline)
    one.call()
    one.clock.forward(passed)
    one.call()
    # Another deployment has a pace of its own.
    Paced(timeline, "999/eu-west-1").call()
    assert timeline.calls == [0, at, 0]


def test_a_call_that_another_overtakes_takes_a_slot_after_it():
    timeline = Timeline()
    timeline.before_a_write(Paced(timeline).call)
    Paced(timeline).call()
    assert timeline.calls == [0, 0.25]


def test_a_sync_that_may_be_late_keeps_its_slots_and_its_calls_stay_apart(timeline):
    one = Paced(timeline, expected=5, late=10)
    one.call()
    one.clock.forward(9)
    one.call(2)
    assert (timeline.calls, timeline.database.calls["transact_write_items"]) == ([0, 9, 9.25], 1)
    one.clock.forward(2)  # the slots were those of the first second
    one.call()
    assert (timeline.calls[-1], timeline.database.calls["transact_write_items"]) == (11.25, 2)


@pytest.mark.parametrize("late,at", [(0.2, 0.45), (0.249_9, 0.5), (0.25, 1.0)])
def test_a_reserved_slot_is_used_until_the_next_one_begins(late, at, timeline):
    one = Paced(timeline, expected=2)
    one.call()
    for _ in range(2):
        Paced(timeline).call()
    one.clock.forward(0.25 + late)
    one.call()
    assert timeline.calls == [0, 0.5, 0.75, at]


def test_no_second_has_more_than_five_calls_however_late_they_are(timeline):
    chosen = random.Random(11)
    for _ in range(4):
        one = Paced(timeline, expected=5)
        for _ in range(20):
            one.call()
            one.clock.forward(chosen.choice([0, 0.1, 0.24, 0.6, 1.3]))
    starts = sorted(timeline.calls)
    assert all(later - first >= 1 for first, later in zip(starts, starts[5:], strict=False))


@pytest.mark.parametrize("left,calls", [(-1, []), (0, []), (0.25, [0]), (0.251, [0, 0.25])])
def test_no_call_begins_or_waits_for_a_turn_at_the_deadline_or_later(left, calls, timeline):
    one = Paced(timeline)
    one.pace.deadline = START + left
    with suppress(DeadlineReached):
        one.call(2)
    assert timeline.calls == calls
    assert one.clock.time() - START == max(calls, default=0)


def test_a_call_does_not_begin_when_the_table_was_slower_than_the_deadline(timeline):
    one = Paced(timeline)
    one.pace.deadline = START + 1
    timeline.before_a_write(lambda: one.clock.forward(1))
    with pytest.raises(DeadlineReached):
        one.call()


@pytest.mark.parametrize("ahead,at", [(59.75, 59.75), (60, 0)])
def test_a_slot_of_a_minute_ahead_is_from_a_wrong_clock(ahead, at, timeline):
    other = Paced(timeline)
    other.clock.forward(ahead - 0.25)
    other.pace()
    Paced(timeline).call()
    assert timeline.calls == [at]


@pytest.mark.parametrize("calls,reserved", [(-1, 1), (0, 1), (1, 1), (4, 4)])
def test_at_least_the_slot_of_the_call_is_reserved_and_others_one_by_one(calls, reserved, timeline):
    one = Paced(timeline, expected=calls)
    for number, more, version in ((1, 0, "1"), (reserved, 1, "2")):
        one.call(number)
        row = timeline.database.items["pace", SCOPE]
        assert int(row["NextCall"]["N"]) == round((START + 0.25 * (reserved + more)) * 1000)
        assert row["Version"] == {"N": version}


@pytest.mark.parametrize("others", [49, 50])
def test_a_slot_that_others_take_fifty_times_makes_the_ledger_unavailable(others, timeline):
    timeline.refuse_writes(*range(1, others + 1))
    refused = pytest.raises(LedgerUnavailable, match=r"^other writers keep changing the pace row$")
    with nullcontext() if others < 50 else refused:
        Paced(timeline).call()
