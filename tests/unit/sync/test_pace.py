"""The pace that all syncs of a deployment keep together."""

import random
import threading
from contextlib import suppress

import pytest

from jobledger.errors import DeadlineReached, LedgerUnavailable
from jobledger.ledger.table import Table
from jobledger.sync.pace import Pace
from testing.builders import SCOPE, START, MemoryLedger
from testing.memory_dynamodb import MemoryDynamoDB
from testing.world import Clock


class Timeline:
    """Clocks that sleep by moving on; what each paced call is let through at."""

    def __init__(self):
        self.database = MemoryDynamoDB()
        self.calls = []

    def pace(self):
        clock = Clock()
        pace = Pace(Table(self.database, "ledger"), SCOPE, clock.time, clock.forward)
        return pace, clock

    def call(self, pace, clock):
        pace()
        self.calls.append(round(clock.time() - START, 3))


@pytest.mark.parametrize("passed,at", [(0, 0.25), (0.1, 0.25), (0.25, 0.25), (60, 60)])
def test_calls_of_one_sync_are_a_quarter_of_a_second_apart(passed, at):
    timeline = Timeline()
    pace, clock = timeline.pace()
    timeline.call(pace, clock)
    clock.forward(passed)
    timeline.call(pace, clock)
    # Another deployment has a pace of its own.
    other = Pace(Table(timeline.database, "ledger"), "999/eu-west-1", Clock().time, clock.forward)
    timeline.call(other, Clock())
    assert timeline.calls == [0, at, 0]


def test_calls_of_many_syncs_at_once_are_no_closer():
    timeline = Timeline()

    def sync():
        pace, clock = timeline.pace()
        for _ in range(5):
            timeline.call(pace, clock)

    threads = [threading.Thread(target=sync) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [round(number * 0.25, 3) for number in range(40)] == sorted(timeline.calls)


def test_a_call_that_another_overtakes_takes_a_slot_after_it():
    timeline = Timeline()

    def overtake(operation):
        if operation == "transact_write_items":
            timeline.database.before = lambda operation: None
            timeline.call(*timeline.pace())

    timeline.database.before = overtake
    timeline.call(*timeline.pace())
    assert timeline.calls == [0, 0.25]


def test_expected_calls_are_reserved_in_one_write_and_others_come_after_them():
    timeline = Timeline()
    pace, clock = timeline.pace()
    pace.expect(3)
    timeline.call(pace, clock)
    timeline.call(*timeline.pace())
    for _ in range(3):
        timeline.call(pace, clock)
    assert timeline.calls == [0, 0.75, 0.25, 0.5, 1.0]
    assert timeline.database.calls["transact_write_items"] == 3


@pytest.mark.parametrize("late,at", [(0.2, 0.45), (0.249_9, 0.5), (0.25, 1.0)])
def test_a_reserved_slot_is_used_until_the_next_one_begins(late, at):
    timeline = Timeline()
    pace, clock = timeline.pace()
    pace.expect(2)
    timeline.call(pace, clock)
    timeline.call(*timeline.pace())
    timeline.call(*timeline.pace())
    clock.forward(0.25 + late)
    timeline.call(pace, clock)
    assert timeline.calls == [0, 0.5, 0.75, at]


def test_no_second_has_more_than_five_calls_however_late_they_are():
    timeline = Timeline()
    chosen = random.Random(11)
    for _ in range(4):
        pace, clock = timeline.pace()
        pace.expect(5)
        for _ in range(20):
            timeline.call(pace, clock)
            clock.forward(chosen.choice([0, 0.1, 0.24, 0.6, 1.3]))
    starts = sorted(timeline.calls)
    assert all(later - first >= 1 for first, later in zip(starts, starts[5:], strict=False))


@pytest.mark.parametrize("remaining", [0, -1])
def test_no_call_begins_after_the_deadline(remaining):
    pace, clock = Timeline().pace()
    pace.deadline = clock.time() + remaining
    with pytest.raises(DeadlineReached):
        pace()


@pytest.mark.parametrize("left,calls", [(0.25, [0]), (0.251, [0, 0.25])])
def test_a_call_whose_turn_is_at_the_deadline_does_not_begin(left, calls):
    timeline = Timeline()
    timeline.call(*timeline.pace())
    pace, clock = timeline.pace()
    pace.deadline = START + left
    with suppress(DeadlineReached):
        timeline.call(pace, clock)
    assert timeline.calls == calls
    assert clock.time() - START == calls[-1]  # nor is its turn waited for


def test_a_call_does_not_begin_when_the_table_was_slower_than_the_deadline():
    timeline = Timeline()
    pace, clock = timeline.pace()
    pace.deadline = START + 1

    def slow(operation):
        if operation == "transact_write_items":
            clock.forward(1)

    timeline.database.before = slow
    with pytest.raises(DeadlineReached):
        pace()


@pytest.mark.parametrize("ahead,at", [(59.75, 59.75), (60, 0)])
def test_a_slot_of_a_minute_ahead_is_from_a_wrong_clock(ahead, at):
    timeline = Timeline()
    other, clock = timeline.pace()
    clock.forward(ahead - 0.25)
    other()
    timeline.call(*timeline.pace())
    assert timeline.calls == [at]


@pytest.mark.parametrize("calls,reserved", [(-1, 1), (0, 1), (1, 1), (4, 4)])
def test_at_least_the_slot_of_the_call_is_reserved_and_others_one_by_one(calls, reserved):
    timeline = Timeline()
    pace, clock = timeline.pace()
    pace.expect(calls)
    for more, version in ((0, "1"), (1, "2")):
        for _ in range(reserved if more else 1):
            timeline.call(pace, clock)
        row = timeline.database.items["pace", SCOPE]
        assert int(row["NextCall"]["N"]) == round((START + 0.25 * (reserved + more)) * 1000)
        assert row["Version"] == {"N": version}


@pytest.mark.parametrize("others", [49, 50])
def test_a_slot_that_others_take_fifty_times_makes_the_ledger_unavailable(others):
    world = MemoryLedger()
    pace = Pace(world.ledger.table, SCOPE, Clock().time)
    world.refuse_writes(*range(1, others + 1))
    if others < 50:
        pace()
    else:
        with pytest.raises(LedgerUnavailable, match=r"^other writers keep changing the pace row$"):
            pace()
