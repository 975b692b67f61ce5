"""The state of each sync, AsOf in memory, and ConsistentRead, which has the ledger synced first."""

from typing import Any
from unittest import mock

import pytest
from msgspec.structs import replace

from jobledger.errors import FunctionRefused
from jobledger.ledger.as_of import as_of, oldest, recent_as_of, refreshed
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import LastError, Round, SyncState, Walk
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import running_api
from testing.builders import (
    DAY,
    HOUR,
    MILLISECOND,
    MINUTE,
    NOW,
    SCOPE,
    SECOND,
    MemoryLedger,
    a_job,
    agree,
    full_job,
)

PHI, RXNORM = Family.PHI, Family.RXNORM
EARLY, LATE = rfc3339(NOW - HOUR), rfc3339(NOW - 30 * MINUTE)


@pytest.fixture
def states():
    return MemoryLedger()


def test_a_state_is_empty_and_then_read_as_it_was_saved_with_the_next_version(states):
    assert states.ledger.state(PHI) == SyncState()
    assert states.ledger.states() == {}
    assert not SyncState().counters_complete
    ten = "2026-11-23T10:00:00.000Z"
    state = SyncState(
        as_of=EARLY,
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


def test_no_time_of_a_state_that_a_clock_ahead_has_written_is_believed(states):
    """Nor is a walk, or a round, that began in the future."""
    ahead = rfc3339(NOW + HOUR)
    times: Any = dict.fromkeys(("as_of", "high_water_mark", "describe_refused_at"), ahead)
    times |= dict.fromkeys(("walk", "full_walk"), Walk(ahead))
    wrong = SyncState(**times, round=Round(ahead), recounted="2026-10")
    states.now = NOW + HOUR
    states.ledger.save_state(PHI, wrong)
    assert states.ledger.state(PHI).walk == Walk(ahead)
    states.now = NOW
    assert states.ledger.state(PHI) == SyncState(lost_as_of=True, recounted="2026-10", version=1)


def test_of_two_syncs_that_read_one_state_the_second_saves_nothing(states):
    read = states.save(PHI, as_of=EARLY)
    first = states.ledger.save_state(PHI, replace(read, as_of=LATE))
    assert states.ledger.save_state(PHI, replace(read, as_of=EARLY)) is None
    # Another account or region has its own.
    other = Ledger(states.ledger.table, "999/eu-west-1", states.time)
    assert other.save_state(PHI, SyncState(as_of=EARLY))
    saved = {PHI: first, RXNORM: states.save(RXNORM, as_of=EARLY)}
    for more in ({"consistent": True}, {"consistent": False}, {}):
        assert states.ledger.states(**more) == saved
    read = [query["ConsistentRead"] for query in states.database.queries]
    assert read == [True, False, False]


@pytest.mark.parametrize("behind", [0 * SECOND, MILLISECOND, 30 * SECOND])
def test_each_state_is_settled_later_than_the_one_before_whatever_the_clock_says(states, behind):
    first = states.save()
    states.now -= behind
    settled = (first.settled_at, states.save().settled_at)
    assert settled == (rfc3339(NOW), rfc3339(NOW + MILLISECOND))


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


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(*(full_job(number) for number in range(1, 4)))
        running.mark_synced()
        yield running


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
    agree(Ledger(Table(api.database, "ledger"), SCOPE, api.its_time), rfc3339(api.now))
    assert api.get("/health").json["Families"]["PHI"]["AgeSeconds"] == 0
    consistent = api.get("/jobs", ConsistentRead="true").json["AsOf"]
    assert consistent == rfc3339(api.now)
    assert api.get("/jobs").json["AsOf"] >= consistent


def test_as_of_is_the_oldest_family_s_and_null_when_one_was_never_filled():
    for times, expected in (
        *(({PHI: EARLY, RXNORM: LATE}, EARLY), ({PHI: LATE, RXNORM: EARLY}, EARLY)),
        ({PHI: LATE, RXNORM: LATE, Family.SNOMEDCT: EARLY}, LATE),
        *(({PHI: LATE, RXNORM: None}, None), ({PHI: LATE}, None), ({}, None)),
    ):
        assert (oldest(times, [PHI, RXNORM]), oldest(times, [])) == (expected, None)


def consistent(api, **query):
    return api.get("/jobs", ConsistentRead="true", **query)


def test_the_families_of_the_query_are_synced_first_and_what_that_found_is_on_every_page(api):
    def sync(payload):
        api.fill(full_job(10), full_job(-10))
        api.now += MILLISECOND
        return {"Families": {family: {"AsOf": rfc3339(api.now)} for family in payload["Families"]}}

    assert "Stale" not in api.get("/jobs").json
    assert "Stale" not in api.get("/jobs", ConsistentRead="false").json
    assert api.asked == []
    api.now += MINUTE
    api.answer_of_function = sync
    answer = consistent(api, Family=["PHI", "RXNORM", "SNOMEDCT"], MaxResults=1)
    asked = {"Families": ["SNOMEDCT", "RXNORM", "PHI"], "IfOlderThanSeconds": 2}
    assert api.asked == [("SYNC_FUNCTION_NAME", asked)]
    assert (answer.json["AsOf"], "Stale" in answer.json) == (rfc3339(api.now), False)
    # The next page asks for no sync.
    assert "ConsistentRead" not in answer.headers["Link"]
    rest = api.traverse(
        Family=["PHI", "RXNORM", "SNOMEDCT"], MaxResults=1, NextToken=answer.json["NextToken"]
    )
    assert sum(map(len, rest)) == 4


@pytest.mark.parametrize(
    "sync_result",
    [
        *(FunctionRefused("ReadTimeoutError"), {}, {"Families": {}}),
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
        found = answer.json["Stale"], answer.json["AsOf"], len(answer.jobs)
        assert found == (True, rfc3339(NOW), 3)


OWN_PHI, OWN_RXNORM = (SCOPE, PHI), (SCOPE, RXNORM)
IN_TIME, JUST_LATE = rfc3339(NOW - 2 * SECOND), rfc3339(NOW - 2.001 * SECOND)


@pytest.mark.parametrize("age,asked", [(2, False), (2.001, True), (None, True)])
def test_a_family_is_synced_if_older_than_two_seconds_or_never_filled(age, asked):
    known = {OWN_PHI: rfc3339(NOW - age * SECOND) if age else None, OWN_RXNORM: rfc3339(NOW)}
    sync = mock.Mock(return_value={"Families": {"PHI": {"AsOf": rfc3339(NOW)}}})
    times = known | {OWN_PHI: rfc3339(NOW)} if asked else known
    assert refreshed(known, sync, NOW) == (times, False)
    payload = {"Families": ["PHI"], "IfOlderThanSeconds": 2}
    assert sync.mock_calls == ([mock.call(payload)] if asked else [])


@pytest.mark.parametrize(
    "answer,kept,is_stale",
    [
        *((None, EARLY, True), ({}, EARLY, True), ({"AsOf": None}, EARLY, True)),
        *(({"AsOf": LATE, "Error": error}, EARLY, True) for error in ("Throttled", "")),
        # The sync completed a walk that began before, or was that of an earlier request.
        *(({"AsOf": LATE}, LATE, True), ({"AsOf": JUST_LATE}, JUST_LATE, True)),
        ({"AsOf": IN_TIME}, IN_TIME, False),
    ],
)
def test_a_family_that_is_older_than_the_request_after_its_sync_is_stale(answer, kept, is_stale):
    known = {OWN_PHI: EARLY, OWN_RXNORM: EARLY}
    families = {"RXNORM": {"AsOf": rfc3339(NOW)}} | ({} if answer is None else {"PHI": answer})
    synced = refreshed(known, lambda _: {"Families": families}, NOW)
    assert synced == ({OWN_PHI: kept, OWN_RXNORM: rfc3339(NOW)}, is_stale)


def test_of_several_sources_those_with_an_older_family_are_synced_and_each_has_its_result():
    other, now = "222233334444/eu-west-1", rfc3339(NOW)
    known = {OWN_PHI: EARLY, OWN_RXNORM: now, (other, PHI): None, (other, RXNORM): EARLY}
    found = {"PHI": {"AsOf": now}, "RXNORM": {"AsOf": None, "Error": "AccessDenied"}}
    answer = {"Sources": {source: {"Families": found} for source in (SCOPE, other)}}
    sync = mock.Mock(return_value=answer)
    times = known | {OWN_PHI: now, (other, PHI): now}
    assert refreshed(known, sync, NOW, is_shared=True) == (times, True)
    asked = {"Sources": [SCOPE, other], "Families": ["PHI", "RXNORM"], "IfOlderThanSeconds": 2}
    assert sync.mock_calls == [mock.call(asked)]
    del known[other, RXNORM], times[other, RXNORM]
    assert refreshed(known, sync, NOW, is_shared=True) == (times, False)
    assert refreshed(known, lambda _: {"Sources": {}}, NOW, is_shared=True) == (known, True)
