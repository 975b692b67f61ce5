"""AsOf: how long readers keep it in memory, and ConsistentRead, which has the ledger synced first."""

import pytest

from jobledger.errors import FunctionRefused
from jobledger.ledger.as_of import as_of, oldest, recent_as_of, refreshed
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import running_api
from testing.builders import HOUR, MILLISECOND, MINUTE, NOW, SCOPE, SECOND, MemoryLedger, full_job

PHI, RXNORM = Family.PHI, Family.RXNORM
EARLY, LATE = rfc3339(NOW - HOUR), rfc3339(NOW - 30 * MINUTE)


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(*(full_job(number) for number in range(1, 4)))
        running.mark_synced()
        yield running


# In memory for five seconds, for each ledger apart.


@pytest.mark.parametrize("path", ["/jobs", "/jobs/" + f"{1:032x}"])
def test_a_second_request_within_five_seconds_makes_one_query(api, path):
    # What was asked since does not count, and the last one is of a clock that was set back.
    steps = (0 * SECOND, 2), (5 * SECOND - MILLISECOND, 1), (MILLISECOND, 2), (-HOUR, 2)
    for passed, queries in steps:
        api.now += passed
        before = api.database.calls["query"]
        assert api.get(path).status == 200
        assert api.database.calls["query"] - before == queries


def test_a_read_of_the_table_and_a_saved_state_drop_the_value_in_memory():
    states = MemoryLedger()
    for read in (recent_as_of, as_of, recent_as_of):
        assert read(states.ledger) == {}
    assert len(states.database.queries) == 3
    states.save(PHI, as_of=EARLY)
    assert recent_as_of(states.ledger) == {PHI: EARLY}
    # Another ledger has its own.
    assert recent_as_of(Ledger(states.ledger.table, "999/eu-west-1", states.time)) == {}


def test_health_and_a_consistent_read_read_it_and_so_does_the_request_after_them(api):
    api.get("/jobs")
    api.now += SECOND
    assert api.get("/health").json["Families"]["PHI"]["AgeSeconds"] == 1
    # The sync function shares no memory with the API's.
    other = Ledger(Table(api.database, "ledger"), SCOPE, api.its_time)
    for family in Family:
        synced = SyncState(as_of=rfc3339(api.now), version=other.state(family).version)
        assert other.save_state(family, synced)
    assert api.get("/health").json["Families"]["PHI"]["AgeSeconds"] == 0
    consistent = api.get("/jobs", ConsistentRead="true").json["AsOf"]
    assert consistent == rfc3339(api.now)
    assert api.get("/jobs").json["AsOf"] >= consistent


@pytest.mark.parametrize(
    "times,expected",
    [
        *(({PHI: EARLY, RXNORM: LATE}, EARLY), ({PHI: LATE, RXNORM: EARLY}, EARLY)),
        ({PHI: LATE, RXNORM: LATE, Family.SNOMEDCT: EARLY}, LATE),
        *(({PHI: LATE, RXNORM: None}, None), ({PHI: LATE}, None), ({}, None)),
    ],
)
def test_as_of_is_the_oldest_family_s_and_null_when_one_was_never_filled(times, expected):
    assert oldest(times, [PHI, RXNORM]) == expected
    assert oldest(times, []) is None


# ConsistentRead.


def consistent(api, **query):
    return api.get("/jobs", ConsistentRead="true", **query)


def answering(api):
    """A sync function that brings every family it is asked for up to date."""
    return lambda payload: {
        "Families": {family: {"AsOf": rfc3339(api.now)} for family in payload["Families"]}
    }


def test_the_families_of_the_query_are_synced_first_and_the_next_page_asks_for_no_sync(api):
    assert "Stale" not in api.get("/jobs").json
    assert "Stale" not in api.get("/jobs", ConsistentRead="false").json
    assert api.asked == []
    api.now += MINUTE
    api.answer_of_function = answering(api)
    answer = consistent(api, Family=["PHI", "RXNORM", "SNOMEDCT"], MaxResults=1)
    asked = {"Families": ["SNOMEDCT", "RXNORM", "PHI"], "IfOlderThanSeconds": 2}
    assert api.asked == [("SYNC_FUNCTION_NAME", asked)]
    assert (answer.json["AsOf"], "Stale" in answer.json) == (rfc3339(api.now), False)
    assert "ConsistentRead" not in answer.headers["Link"]


@pytest.mark.parametrize(
    "sync_result",
    [
        FunctionRefused("ReadTimeoutError"),
        {},
        {"Families": {}},
        {"Families": {"SNOMEDCT": {"AsOf": rfc3339(NOW), "Error": "TooManyRequestsException"}}},
        {"Families": {"SNOMEDCT": {"AsOf": None}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_list_that_cannot_be_synced_is_answered_as_stale(api, sync_result, form):
    api.now += MINUTE
    api.answer_of_function = sync_result
    answer = consistent(api, Format=form)
    assert (answer.headers["X-Stale"], answer.headers["X-As-Of"]) == ("true", rfc3339(NOW))
    if form == "json":
        assert (answer.json["Stale"], answer.json["AsOf"]) == (True, rfc3339(NOW))
        assert len(answer.jobs) == 3


def test_what_the_sync_found_is_on_every_page(api):
    def sync(payload):
        api.now += SECOND
        api.fill(full_job(10), full_job(-10))
        api.now += MILLISECOND
        return answering(api)(payload)

    api.now += MINUTE
    api.answer_of_function = sync
    first = consistent(api, MaxResults=1)
    rest = api.walk(MaxResults=1, NextToken=first.json["NextToken"])
    assert len([*first.jobs, *(job for page in rest for job in page)]) == 5


@pytest.mark.parametrize("age,asked", [(2, False), (2.001, True), (None, True)])
def test_a_family_is_synced_if_older_than_two_seconds_or_never_filled(age, asked):
    known = {PHI: rfc3339(NOW - age * SECOND) if age else None, RXNORM: rfc3339(NOW)}
    payloads = []

    def sync(payload):
        payloads.append(payload)
        return {"Families": {"PHI": {"AsOf": rfc3339(NOW)}}}

    times = known | {PHI: rfc3339(NOW)} if asked else known
    assert refreshed(known, [PHI, RXNORM], sync, NOW) == (times, False)
    assert payloads == ([{"Families": ["PHI"], "IfOlderThanSeconds": 2}] if asked else [])


@pytest.mark.parametrize(
    "phi",
    [None, {}, {"AsOf": None}, {"AsOf": LATE, "Error": "Throttled"}, {"AsOf": LATE, "Error": ""}],
)
def test_a_family_that_could_not_be_synced_is_stale_and_keeps_its_time(phi):
    answer = {"RXNORM": {"AsOf": LATE}} | ({} if phi is None else {"PHI": phi})
    known = {PHI: EARLY, RXNORM: EARLY}
    synced = refreshed(known, [PHI, RXNORM], lambda _: {"Families": answer}, NOW)
    assert synced == ({PHI: EARLY, RXNORM: LATE}, True)
    assert refreshed(known, [PHI, RXNORM], lambda _: {}, NOW) == (known, True)


@pytest.mark.parametrize("age,is_stale", [(2, False), (2.001, True), (600, True)])
def test_a_family_that_is_older_than_the_request_after_its_sync_is_stale(age, is_stale):
    """The sync completed a walk that began before, or was that of an earlier request."""
    synced = rfc3339(NOW - age * SECOND)
    answer = {"Families": {"PHI": {"AsOf": synced}}}
    assert refreshed({PHI: EARLY}, [PHI], lambda _: answer, NOW) == ({PHI: synced}, is_stale)
