"""AsOf in memory: for five seconds, for each ledger apart, and never where it must be current."""

from datetime import timedelta

import pytest

from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import running_api
from testing.builders import NOW, SCOPE, full_job


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(full_job(1))
        running.mark_synced()
        yield running


def synced_by_another_function(api):
    """Write a new AsOf as the sync function does, which shares no memory with the API's."""
    other = Ledger(Table(api.database, "ledger"), SCOPE, api.its_time)
    for family in Family:
        synced = SyncState(as_of=rfc3339(api.now), version=other.state(family).version)
        assert other.save_state(family, synced)


def queries_of(api, path, **query):
    before = api.database.calls["query"]
    assert api.get(path, **query).status == 200
    return api.database.calls["query"] - before


@pytest.mark.parametrize("path", ["/jobs", "/jobs/" + f"{1:032x}"])
def test_a_second_request_within_five_seconds_makes_one_query(api, path):
    assert queries_of(api, path) == 2
    api.now += timedelta(seconds=4.999)
    assert queries_of(api, path) == 1
    api.now += timedelta(milliseconds=1)
    assert queries_of(api, path) == 2


def test_as_of_is_at_most_five_seconds_behind_the_table_whatever_was_asked_since(api):
    assert api.get("/jobs").json["AsOf"] == rfc3339(NOW)
    api.now += timedelta(seconds=1)
    synced_by_another_function(api)
    api.now += timedelta(seconds=3.999)
    assert api.get("/jobs").json["AsOf"] == rfc3339(NOW)
    api.now += timedelta(milliseconds=1)
    assert api.get("/jobs").json["AsOf"] == rfc3339(NOW + timedelta(seconds=1))


def test_a_consistent_read_reads_as_of_and_so_does_the_request_after_it(api):
    api.get("/jobs")
    api.now += timedelta(seconds=1)
    synced_by_another_function(api)
    consistent = api.get("/jobs", ConsistentRead="true").json["AsOf"]
    assert consistent == rfc3339(api.now)
    assert api.get("/jobs").json["AsOf"] >= consistent


def test_health_reads_the_states_each_time(api):
    api.get("/jobs")
    api.now += timedelta(seconds=1)
    assert api.get("/health").json["Families"]["PHI"]["AgeSeconds"] == 1
    synced_by_another_function(api)
    assert api.get("/health").json["Families"]["PHI"]["AgeSeconds"] == 0


def test_each_ledger_has_its_own(api):
    others = Ledger(Table(api.database, "ledger"), "999/eu-west-1", lambda: api.now)
    five_seconds = timedelta(seconds=5)
    assert api.ledger.as_of(five_seconds)[Family.PHI] == rfc3339(NOW)
    assert others.as_of(five_seconds) == {}
    assert api.ledger.as_of(five_seconds)[Family.PHI] == rfc3339(NOW)


def test_an_error_is_not_kept(api):
    def fail(operation: str) -> None:
        raise RuntimeError(operation)

    api.now += timedelta(minutes=1)
    api.database.before = fail
    assert api.get("/jobs").status == 500
    api.database.before = lambda operation: None
    assert api.get("/jobs").status == 200
