"""Callers that ask for a sync at the same time share one."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from jobledger.errors import FunctionRefused
from jobledger.ledger.table import Row, Table
from jobledger.service import Family
from jobledger.sync.shared import SharedSyncs
from jobledger.times import rfc3339
from testing.builders import NOW, SCOPE
from testing.memory_dynamodb import MemoryDynamoDB


def shared(database: MemoryDynamoDB) -> SharedSyncs:
    """One function's view: each has a table of its own."""
    return SharedSyncs(Table(database, "ledger"), SCOPE, lambda: datetime.now(UTC))


def test_fifty_callers_at_once_share_one_sync():
    database = MemoryDynamoDB()
    runs, answers = [], []

    def sync():
        runs.append(1)
        time.sleep(0.3)
        return {"AsOf": "now", "UpstreamCalls": 3, "Changed": 2}

    def call():
        answers.append(shared(database).run(Family.PHI, 2, sync))

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(runs), len(answers)) == (1, 50)
    assert {answer["AsOf"] for answer in answers} == {"now"}
    assert sum(answer["UpstreamCalls"] for answer in answers) == 3


def test_a_failed_sync_is_shared_and_repeated_after_two_seconds():
    syncs, runs = Stepped(), []

    def fail():
        runs.append(1)
        return {"AsOf": None, "Error": "TooManyRequestsException"}

    for _ in range(5):
        assert syncs.run(fail)["Error"] == "TooManyRequestsException"
    assert len(runs) == 1
    syncs.now += timedelta(seconds=2)
    syncs.run(fail)
    assert len(runs) == 2


class Stepped:
    """Syncs on a clock that moves when the test sets it, or when a sync waits."""

    def __init__(self) -> None:
        self.now = NOW
        self.database = MemoryDynamoDB()
        self.table = Table(self.database, "ledger")
        self.syncs = SharedSyncs(self.table, SCOPE, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def run(self, sync):
        return self.syncs.run(Family.PHI, 2, sync)

    def row(self) -> Row:
        row = self.table.get({"PK": "claim", "SK": f"{SCOPE}/PHI"})
        assert row is not None
        return row


def test_a_killed_sync_is_awaited_for_a_minute_and_then_repeated():
    syncs = Stepped()

    assert syncs.syncs._claim({"PK": "claim", "SK": f"{SCOPE}/PHI"}, None)
    assert syncs.run(lambda: {"AsOf": "now"}) == {"AsOf": "now"}
    assert timedelta(seconds=60) <= syncs.now - NOW < timedelta(seconds=61)


def test_a_sync_that_raises_leaves_word_for_those_who_wait():
    syncs = Stepped()

    def fail():
        raise FunctionRefused("x")

    with pytest.raises(FunctionRefused):
        syncs.run(fail)
    assert syncs.run(fail)["Error"] == "SyncBrokenOff"


def test_of_two_callers_that_find_no_sync_one_syncs_and_both_get_its_result():
    syncs, runs = Stepped(), []

    def sync():
        runs.append(1)
        return {"AsOf": "now"}

    def overtake(operation):
        if operation == "transact_write_items":
            syncs.database.before = lambda operation: None
            assert syncs.run(sync)["AsOf"] == "now"

    syncs.database.before = overtake
    assert syncs.run(sync)["AsOf"] == "now"
    assert len(runs) == 1


def test_a_sync_that_was_given_up_leaves_the_claim_of_the_next_one():
    syncs, key = Stepped(), {"PK": "claim", "SK": f"{SCOPE}/PHI"}

    def slow():
        syncs.now += timedelta(seconds=61)
        assert syncs.syncs._claim(key, syncs.table.get(key))
        return {"AsOf": "slow"}

    assert syncs.run(slow) == {"AsOf": "slow"}
    row = syncs.table.get(key)
    assert row is not None
    assert "Answer" not in row


def test_families_are_synced_apart():
    syncs, runs = Stepped(), []

    def sync():
        runs.append(1)
        return {}

    for family in (Family.PHI, Family.RXNORM, Family.PHI):
        syncs.syncs.run(family, 2, sync)
    assert len(runs) == 2


@pytest.mark.parametrize("seconds", [0.5, 2, 3_600])
def test_a_result_is_shared_until_it_is_as_old_as_asked_for(seconds):
    syncs, runs = Stepped(), []

    def sync():
        runs.append(1)
        syncs.now += timedelta(seconds=0.1)  # the age is that of its beginning
        return {"AsOf": "now", "UpstreamCalls": 3, "Changed": 2}

    own = {"AsOf": "now", "UpstreamCalls": 3, "Changed": 2}
    shared = own | {"UpstreamCalls": 0, "Changed": 0}
    assert syncs.syncs.run(Family.PHI, seconds, sync) == own
    syncs.now = NOW + timedelta(seconds=seconds) - timedelta(milliseconds=1)
    assert syncs.syncs.run(Family.PHI, seconds, sync) == shared
    syncs.now += timedelta(milliseconds=1)
    assert syncs.syncs.run(Family.PHI, seconds, sync) == own
    assert len(runs) == 2


def test_a_waiting_request_polls_five_times_a_second_and_takes_the_result_however_long_it_takes():
    syncs = Stepped()
    key = {"PK": "claim", "SK": f"{SCOPE}/PHI"}
    claimed = syncs.syncs._claim(key, None)
    assert claimed
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        syncs.now += timedelta(seconds=seconds)
        if len(slept) == 200:  # forty seconds
            assert syncs.syncs._finish(claimed, lambda: {"AsOf": "slow"}) == {"AsOf": "slow"}

    syncs.syncs._sleep = sleep
    assert syncs.run(dict) == {"AsOf": "slow", "UpstreamCalls": 0, "Changed": 0}
    assert slept == [0.2] * 200


@pytest.mark.parametrize("age,runs", [(1.999, 0), (2, 1), (30, 1)])
def test_a_sync_that_began_before_the_request_is_awaited_and_followed_by_another(age, runs):
    syncs, own = Stepped(), []
    claimed = syncs.syncs._claim({"PK": "claim", "SK": f"{SCOPE}/PHI"}, None)
    assert claimed
    syncs.now += timedelta(seconds=age)

    def sleep(seconds: float) -> None:
        syncs.now += timedelta(seconds=seconds)
        syncs.syncs._finish(claimed, lambda: {"AsOf": "old"})

    def sync():
        own.append(1)
        return {"AsOf": "new"}

    syncs.syncs._sleep = sleep
    assert syncs.run(sync)["AsOf"] == ("new" if runs else "old")
    assert len(own) == runs


def test_each_claim_and_each_result_is_the_next_version_of_one_row():
    syncs = Stepped()
    versions = []

    def sync():
        row = syncs.row()
        versions.append((row["Version"], "Answer" in row, row["Since"]))
        return {"AsOf": "now"}

    for _ in range(2):
        syncs.run(sync)
        syncs.now += timedelta(minutes=1)
    assert versions == [
        (1, False, rfc3339(NOW)),
        (3, False, rfc3339(NOW + timedelta(minutes=1))),
    ]
    row = syncs.row()
    assert (row["Version"], row["Answer"]) == (4, '{"AsOf": "now"}')


@pytest.mark.parametrize("passed,runs", [(59.999, 0), (60, 1)])
def test_a_claim_is_given_up_after_a_minute(passed, runs):
    syncs, ran = Stepped(), []
    syncs.syncs._claim({"PK": "claim", "SK": f"{SCOPE}/PHI"}, None)
    syncs.now += timedelta(seconds=passed)

    def sync():
        ran.append(1)
        return {"AsOf": "now"}

    class Waited(Exception):
        pass

    def wait(seconds):
        raise Waited

    syncs.syncs._sleep = wait
    if runs:
        assert syncs.run(sync) == {"AsOf": "now"}
    else:
        with pytest.raises(Waited):
            syncs.run(sync)
    assert len(ran) == runs
