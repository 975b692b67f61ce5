"""The pace that all syncs of a deployment keep together."""

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
