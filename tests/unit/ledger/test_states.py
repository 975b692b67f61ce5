"""The state of each sync: its versions, and the time after which new jobs are stamped."""

import pytest
from msgspec.structs import replace

from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import LastError, Round, SyncState, Walk
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MILLISECOND, NOW, SECOND, MemoryLedger, a_job

PHI = Family.PHI
ELEVEN = rfc3339(NOW - HOUR)


@pytest.fixture
def states():
    return MemoryLedger()


def test_a_family_that_was_never_synced_has_an_empty_state(states):
    assert states.ledger.state(PHI) == SyncState()
    assert states.ledger.states() == {}
    assert not SyncState().counters_complete


def test_a_state_is_read_as_it_was_saved_with_the_next_version(states):
    ten = "2026-11-23T10:00:00.000Z"
    state = SyncState(
        as_of=ELEVEN,
        full_walk=Walk(ten, pages=3, unconfirmed=2),
        full_walk_after="2026-11-24T00:00:00.000Z",
        high_water_mark="2026-11-23T10:30:00.000Z",
        round=Round(ten, "job", failed=True),
        describe_refused_at=ten,
        idle=True,
        quiet=7,
        walk=Walk(ten, "2026-11-22T00:00:00.000Z", "token"),
        last_error=LastError("Throttled", ten),
        counted=LAYOUT,
        recounted="2026-10",
    )
    saved = states.ledger.save_state(PHI, state)
    assert saved == replace(state, version=1, settled_at=rfc3339(NOW))
    assert states.ledger.state(PHI) == saved
    assert states.ledger.states() == {PHI: saved}
    assert saved.counters_complete
    assert states.ledger.save_state(PHI, saved).version == 2


def test_of_two_syncs_that_read_one_state_the_second_saves_nothing(states):
    read = states.save(PHI, as_of=ELEVEN)
    first = states.ledger.save_state(PHI, replace(read, as_of=rfc3339(NOW)))
    assert states.ledger.save_state(PHI, replace(read, as_of=ELEVEN)) is None
    assert states.ledger.state(PHI) == first


def test_states_are_of_one_account_and_region_and_each_family_has_its_own(states):
    other = Ledger(states.ledger.table, "999/eu-west-1", states.time)
    assert other.save_state(PHI, SyncState(as_of="2000-01-01T00:00:00.000Z"))
    saved = {family: states.save(family, as_of=rfc3339(NOW)) for family in Family}
    assert states.ledger.states() == saved
    assert [states.ledger.state(family) for family in Family] == [*saved.values()]


def test_all_states_are_read_consistently_when_that_is_asked_for(states):
    for more in ({"consistent": True}, {"consistent": False}, {}):
        states.ledger.states(**more)
    read = [query["ConsistentRead"] for query in states.database.queries]
    assert read == [True, False, False]


# Settled: new jobs are stamped later than every state that was saved before them.


@pytest.mark.parametrize("behind", [0 * SECOND, MILLISECOND, 30 * SECOND])
def test_each_saved_state_is_settled_later_than_the_one_before_whatever_the_clock_says(
    states, behind
):
    first = states.save()
    states.now -= behind
    second = states.save()
    assert (first.settled_at, second.settled_at) == (rfc3339(NOW), rfc3339(NOW + MILLISECOND))


@pytest.mark.parametrize(
    "ahead,after",
    [
        *((0 * SECOND, MILLISECOND), (-HOUR, 0 * SECOND), (60 * SECOND, 60 * SECOND + MILLISECOND)),
        # Such a state was written by a clock that was wrong.
        *((60 * SECOND + MILLISECOND, 0 * SECOND), (365 * DAY, 0 * SECOND)),
    ],
)
def test_a_new_job_is_stamped_after_a_state_up_to_a_minute_ahead(states, ahead, after):
    states.now += ahead
    states.save()
    states.now = NOW
    states.record(a_job())
    assert states.row()["FirstObservedAt"] == rfc3339(NOW + after)


def test_only_a_new_job_is_written_on_condition_of_the_state(states):
    states.save()
    states.record(a_job("known", "SUBMITTED"))
    states.database.forget()
    states.record(a_job("new", "SUBMITTED"))
    states.record(a_job("known", "FAILED"))
    assert states.database.calls["get_item"] == 1
