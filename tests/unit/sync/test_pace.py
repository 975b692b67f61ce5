"""The pace that all syncs of a deployment keep together."""

import random
import threading

import pytest

from jobledger.errors import DeadlineReached
from jobledger.ledger.table import Table
from jobledger.sync.pace import Pace
from tests.memory_dynamodb import MemoryDynamoDB
from tests.world import SCOPE, START, Clock


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


def test_calls_of_one_sync_are_a_quarter_of_a_second_apart():
    timeline = Timeline()
    pace, clock = timeline.pace()
    for _ in range(5):
        timeline.call(pace, clock)
    assert timeline.calls == [0, 0.25, 0.5, 0.75, 1.0]


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


def test_a_call_does_not_wait_when_the_last_was_long_ago():
    timeline = Timeline()
    pace, clock = timeline.pace()
    timeline.call(pace, clock)
    clock.forward(60)
    timeline.call(pace, clock)
    assert timeline.calls == [0, 60]


def test_a_reservation_from_a_wrong_clock_is_not_waited_for():
    timeline = Timeline()
    ahead, clock = timeline.pace()
    clock.forward(86_400)
    ahead()
    timeline.call(*timeline.pace())
    assert timeline.calls == [0]


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


@pytest.mark.parametrize("late,at", [(0.2, 0.45), (0.25, 1.0)])
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


def test_no_call_begins_whose_turn_is_after_the_deadline():
    timeline = Timeline()
    pace, _ = timeline.pace()
    pace.deadline = START + 0.3
    pace()
    other, _ = timeline.pace()
    other.deadline = START + 0.1
    with pytest.raises(DeadlineReached):
        other()
