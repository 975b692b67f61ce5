"""Callers that ask for a sync at the same time share one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobledger.errors import FunctionRefused
from jobledger.ledger.table import Row
from jobledger.service import Family
from jobledger.sync.shared import SharedSyncs
from jobledger.times import rfc3339
from testing.builders import MILLISECOND, MINUTE, NOW, SCOPE, SECOND, MemoryLedger

KEY = {"PK": "claim", "SK": f"{SCOPE}/PHI"}
OWN = {"AsOf": "now", "UpstreamCalls": 3, "Changed": 2}
SHARED = OWN | {"UpstreamCalls": 0, "Changed": 0}


class Stepped(MemoryLedger):
    """Syncs on a clock that moves when the test sets it, or when a sync waits; `runs` counts those that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0
        self.slept: list[float] = []
        self.while_waiting: Callable[[], object] = lambda: None
        self.table = self.ledger.table
        self.syncs = SharedSyncs(self.table, SCOPE, self.time, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.slept.append(seconds)
        self.while_waiting()

    def run(
        self,
        sync: Callable[[], dict[str, Any]] = lambda: OWN,
        seconds: float = 2,
        family: Family = Family.PHI,
    ) -> dict[str, Any]:
        def counted() -> dict[str, Any]:
            self.runs += 1
            return sync()

        return self.syncs.run(family, seconds, counted)

    def claim(self) -> Row:
        """Claim the family's sync, as another function does."""
        claimed = self.syncs._claim(KEY, self.table.get(KEY))
        assert claimed
        return claimed

    def finish(self, claimed: Row, answer: dict[str, Any]) -> None:
        self.syncs._finish(claimed, lambda: answer)

    @property
    def claimed(self) -> Row:
        row = self.table.get(KEY)
        assert row is not None
        return row


@pytest.fixture
def syncs():
    return Stepped()


@pytest.mark.parametrize("seconds", [0.5, 2, 3_600])
@pytest.mark.parametrize("more", [{}, {"Error": "TooManyRequestsException"}])
def test_a_result_is_shared_until_it_is_as_old_as_asked_for(seconds, more, syncs):
    def sync():
        syncs.now += 100 * MILLISECOND  # the age is that of its beginning
        return OWN | more

    assert syncs.run(sync, seconds) == OWN | more
    syncs.now = NOW + timedelta(seconds=seconds) - MILLISECOND
    assert syncs.run(sync, seconds) == SHARED | more
    syncs.now += MILLISECOND
    assert syncs.run(sync, seconds) == OWN | more
    # Families are synced apart.
    assert syncs.run(sync, seconds, Family.RXNORM) == OWN | more
    assert syncs.runs == 3


def test_a_sync_that_raises_leaves_word_for_those_who_wait(syncs):
    def fail():
        raise FunctionRefused("x")

    with pytest.raises(FunctionRefused):
        syncs.run(fail)
    assert syncs.run(fail)["Error"] == "SyncBrokenOff"


def test_of_two_callers_that_find_no_sync_one_syncs_and_both_get_its_result():
    syncs, first = Stepped(), []
    syncs.before_a_write(lambda: first.append(syncs.run()))
    assert (syncs.run(), first, syncs.runs) == (SHARED, [OWN], 1)


def test_a_sync_that_was_given_up_leaves_the_claim_of_the_next_one():
    syncs = Stepped()

    def slow():
        syncs.now += MINUTE + SECOND
        syncs.claim()
        return {"AsOf": "slow"}

    assert syncs.run(slow) == {"AsOf": "slow"}
    assert "Answer" not in syncs.claimed


def test_a_caller_polls_five_times_a_second_and_takes_the_result_however_long_it_takes(syncs):
    claimed = syncs.claim()

    def finish():
        if len(syncs.slept) == 200:  # forty seconds
            syncs.finish(claimed, OWN)

    syncs.while_waiting = finish
    assert syncs.run() == SHARED
    assert (syncs.slept, syncs.runs) == ([0.2] * 200, 0)


@pytest.mark.parametrize("age,runs", [(1.999, 0), (2, 1), (30, 1)])
def test_a_sync_that_began_before_the_request_is_awaited_and_followed_by_another(age, runs, syncs):
    claimed = syncs.claim()
    syncs.now += timedelta(seconds=age)
    syncs.while_waiting = lambda: syncs.finish(claimed, {"AsOf": "old"})
    assert syncs.run(lambda: {"AsOf": "new"})["AsOf"] == ("new" if runs else "old")
    assert syncs.runs == runs


@pytest.mark.parametrize("passed,waits", [(59.999, 1), (60, 0)])
def test_the_claim_of_a_killed_sync_is_given_up_after_a_minute(passed, waits, syncs):
    syncs.claim()
    syncs.now += timedelta(seconds=passed)
    assert syncs.run() == OWN
    assert (len(syncs.slept), syncs.runs) == (waits, 1)


def test_each_claim_and_each_result_is_the_next_version_of_one_row(syncs):
    versions = []

    def sync():
        row = syncs.claimed
        versions.append((row["Version"], "Answer" in row, row["Since"]))
        return {"AsOf": "now"}

    for _ in range(2):
        syncs.run(sync)
        syncs.now += MINUTE
    assert versions == [(1, False, rfc3339(NOW)), (3, False, rfc3339(NOW + MINUTE))]
    assert (syncs.claimed["Version"], syncs.claimed["Answer"]) == (4, '{"AsOf": "now"}')
