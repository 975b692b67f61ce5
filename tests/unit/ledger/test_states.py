"""The state of each sync: its versions, and the time after which new jobs are stamped."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from jobledger.jobs import Family, Job, job_from_service
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import LastError, Round, SyncState, Walk
from jobledger.ledger.table import Table
from jobledger.times import rfc3339
from tests.memory_dynamodb import RecordingDynamoDB

SCOPE = "111122223333/us-east-1"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
FIVE_SECONDS = timedelta(seconds=5)


class States:
    """A ledger in memory whose clock stands still."""

    def __init__(self) -> None:
        self.database = RecordingDynamoDB()
        self.now = NOW
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now)

    def save(self, family: Family = Family.PHI, **changed: object) -> SyncState:
        saved = self.ledger.save_state(family, replace(self.ledger.state(family), **changed))
        assert saved is not None
        return saved

    def record(self, job_id: str) -> str:
        """Record a new job; return when it was observed."""
        self.ledger.record(Family.PHI, [a_job(job_id)], rfc3339(self.now), announce_new=True)
        row = self.ledger.find(job_id)
        assert row is not None
        return str(row["FirstObservedAt"])


def a_job(job_id: str) -> Job:
    job = job_from_service(Family.PHI, {"JobId": job_id, "JobStatus": "SUBMITTED"})
    assert job is not None
    return job


@pytest.fixture
def states():
    return States()


def test_a_family_that_was_never_synced_has_an_empty_state(states):
    assert states.ledger.state(Family.PHI) == SyncState()
    assert states.ledger.states() == {}
    assert not SyncState().counters_complete


def test_a_state_is_read_as_it_was_saved_with_the_next_version(states):
    state = SyncState(
        as_of="2026-11-23T11:00:00.000Z",
        full_walk=Walk("2026-11-23T10:00:00.000Z", pages=3, unconfirmed=2),
        full_walk_after="2026-11-24T00:00:00.000Z",
        high_water_mark="2026-11-23T10:30:00.000Z",
        round=Round("2026-11-23T10:00:00.000Z", "job", failed=True),
        describe_refused_at="2026-11-23T10:00:00.000Z",
        idle=True,
        quiet=7,
        walk=Walk("2026-11-23T10:00:00.000Z", "2026-11-22T00:00:00.000Z", "token"),
        last_error=LastError("Throttled", "2026-11-23T10:00:00.000Z"),
        counted=LAYOUT,
        recounted="2026-10",
    )
    saved = states.ledger.save_state(Family.PHI, state)
    assert saved == replace(state, version=1, settled_at=rfc3339(NOW))
    assert states.ledger.state(Family.PHI) == saved
    assert states.ledger.states() == {Family.PHI: saved}
    assert saved.counters_complete
    again = states.ledger.save_state(Family.PHI, saved)
    assert again is not None
    assert again.version == 2


def test_of_two_syncs_that_read_one_state_the_second_saves_nothing(states):
    read = states.save(as_of="2026-11-23T11:00:00.000Z")
    first = states.ledger.save_state(Family.PHI, replace(read, as_of="2026-11-23T12:00:00.000Z"))
    second = states.ledger.save_state(Family.PHI, replace(read, as_of="2026-11-23T11:30:00.000Z"))
    assert second is None
    assert states.ledger.state(Family.PHI) == first


def test_states_are_of_one_account_and_region_and_each_family_has_its_own(states):
    other = Ledger(states.ledger.table, "999/eu-west-1", lambda: NOW)
    assert other.save_state(Family.PHI, SyncState(as_of="2000-01-01T00:00:00.000Z"))
    saved = {
        family: states.save(family, as_of=f"2026-11-23T0{n}:00:00.000Z")
        for n, family in enumerate(Family)
    }
    states.database.forget()
    assert states.ledger.states() == saved
    assert [states.ledger.state(family) for family in Family] == [*saved.values()]


@pytest.mark.parametrize("consistent", [True, False])
def test_all_states_are_read_consistently_when_that_is_asked_for(states, consistent):
    states.ledger.states(consistent=consistent)
    states.ledger.states()
    asked, default = states.database.queries
    assert asked["ConsistentRead"] is consistent
    assert default["ConsistentRead"] is False


# Settled: new jobs are stamped later than every state that was saved before them.


@pytest.mark.parametrize("behind", [timedelta(0), MILLISECOND, timedelta(seconds=30)])
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
        (timedelta(0), MILLISECOND),
        (-timedelta(hours=1), timedelta(0)),
        (timedelta(seconds=60), timedelta(seconds=60.001)),
        # Such a state was written by a clock that was wrong.
        (timedelta(seconds=60.001), timedelta(0)),
        (timedelta(days=365), timedelta(0)),
    ],
)
def test_a_new_job_is_stamped_after_a_state_up_to_a_minute_ahead(states, ahead, after):
    states.now += ahead
    states.save()
    states.now = NOW
    assert states.record("job") == rfc3339(NOW + after)


def test_only_a_new_job_is_written_on_condition_of_the_state(states):
    states.save()
    states.record("known")
    states.database.forget()
    states.ledger.record(Family.PHI, [a_job("new")], rfc3339(NOW), announce_new=True)
    assert states.database.calls["get_item"] == 1
    moved = job_from_service(Family.PHI, {"JobId": "known", "JobStatus": "FAILED"})
    assert moved is not None
    states.ledger.record(Family.PHI, [moved], rfc3339(NOW), announce_new=True)
    assert states.database.calls["get_item"] == 1


# AsOf in memory; tests/unit/ledger/test_as_of.py has it behind the API.


def queries(states: States, within: timedelta) -> int:
    before = len(states.database.queries)
    states.ledger.as_of(within)
    return len(states.database.queries) - before


@pytest.mark.parametrize(
    "passed,read",
    [
        (timedelta(0), 0),
        (FIVE_SECONDS - MILLISECOND, 0),
        (FIVE_SECONDS, 1),
        (-MILLISECOND, 1),
    ],
)
def test_a_value_in_memory_is_used_for_less_than_the_time_that_is_given(states, passed, read):
    states.ledger.as_of(FIVE_SECONDS)
    states.now += passed
    assert queries(states, FIVE_SECONDS) == read


def test_a_read_of_the_table_drops_the_value_in_memory(states):
    assert queries(states, FIVE_SECONDS) == 1
    assert queries(states, timedelta(0)) == 1
    assert queries(states, FIVE_SECONDS) == 1


def test_saving_a_state_drops_the_value_in_memory(states):
    states.ledger.as_of(FIVE_SECONDS)
    states.save(as_of="2026-11-23T11:00:00.000Z")
    assert states.ledger.as_of(FIVE_SECONDS) == {Family.PHI: "2026-11-23T11:00:00.000Z"}
