"""ConsistentRead: which requests start a sync, and the answer when none is possible."""

from datetime import timedelta

import pytest

from jobledger.errors import FunctionRefused
from jobledger.ledger.as_of import as_of, oldest, recent_as_of, refreshed
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import running_api
from testing.builders import NOW, SCOPE, full_job
from testing.memory_dynamodb import MemoryDynamoDB


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(*(full_job(number) for number in range(3)))
        running.mark_synced()
        running.now = NOW + timedelta(minutes=1)
        yield running


def consistent(api, **query):
    return api.get("/jobs", ConsistentRead="true", **query)


def answering(api, **errors: str):
    """A sync function that brings every family it is asked for up to date."""

    def sync(payload):
        return {
            "Families": {
                family: {"AsOf": rfc3339(NOW), "Error": errors[family]}
                if family in errors
                else {"AsOf": rfc3339(api.now), "UpstreamCalls": 1, "Changed": 0}
                for family in payload["Families"]
            }
        }

    return sync


def test_the_families_of_the_query_are_synced_first(api):
    api.answer_of_function = answering(api)
    answer = consistent(api, Family=["PHI", "RXNORM"])
    assert api.asked == [
        ("SYNC_FUNCTION_NAME", {"Families": ["RXNORM", "PHI"], "IfOlderThanSeconds": 2})
    ]
    assert (answer.json["AsOf"], "Stale" in answer.json) == (rfc3339(api.now), False)


def test_without_it_no_sync_is_invoked(api):
    assert "Stale" not in api.get("/jobs").json
    assert "Stale" not in api.get("/jobs", ConsistentRead="false").json
    assert api.asked == []


def test_a_ledger_younger_than_two_seconds_is_fresh_enough(api):
    api.now = NOW + timedelta(seconds=2)
    assert "Stale" not in consistent(api).json
    assert api.asked == []


@pytest.mark.row(1, count="5 failures of the sync, 2 formats")
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
    api.answer_of_function = sync_result
    answer = consistent(api, Format=form)
    assert (answer.headers["X-Stale"], answer.headers["X-As-Of"]) == ("true", rfc3339(NOW))
    if form == "json":
        assert (answer.json["Stale"], answer.json["AsOf"]) == (True, rfc3339(NOW))
        assert len(answer.jobs) == 3


def test_one_stale_family_makes_the_answer_stale(api):
    api.answer_of_function = answering(api, PHI="TooManyRequestsException")
    answer = consistent(api, Family="ALL").json
    assert (answer["Stale"], answer["AsOf"]) == (True, rfc3339(NOW))


def test_what_the_sync_found_is_on_every_page(api):
    def sync(payload):
        api.now += timedelta(seconds=1)
        api.fill(full_job(10), full_job(-10))
        api.now += timedelta(milliseconds=1)
        return answering(api)(payload)

    api.answer_of_function = sync
    first = consistent(api, MaxResults=1)
    rest = api.walk(MaxResults=1, NextToken=first.json["NextToken"])
    assert len([*first.jobs, *(job for page in rest for job in page)]) == 5


def test_the_token_and_the_link_do_not_ask_for_another_sync(api):
    api.answer_of_function = answering(api)
    first = consistent(api, MaxResults=1)
    assert "ConsistentRead" not in first.headers["Link"]
    assert api.get("/jobs", MaxResults=1, NextToken=first.json["NextToken"]).status == 200


EARLY, LATE = "2026-11-23T11:00:00.000Z", "2026-11-23T11:30:00.000Z"


@pytest.mark.parametrize(
    "times,expected",
    [
        ({Family.PHI: EARLY, Family.RXNORM: LATE}, EARLY),
        ({Family.PHI: LATE, Family.RXNORM: EARLY}, EARLY),
        ({Family.PHI: LATE, Family.RXNORM: LATE, Family.SNOMEDCT: EARLY}, LATE),
        ({Family.PHI: LATE, Family.RXNORM: None}, None),
        ({Family.PHI: LATE}, None),
        ({}, None),
    ],
)
def test_as_of_is_the_oldest_family_s_and_null_when_one_was_never_filled(times, expected):
    assert oldest(times, [Family.PHI, Family.RXNORM]) == expected


def test_an_answer_of_no_family_has_no_time():
    assert oldest({Family.PHI: EARLY}, []) is None


def test_as_of_is_read_every_five_seconds_or_at_each_consistent_request():
    database, clock = MemoryDynamoDB(), [NOW]
    ledger = Ledger(Table(database, "ledger"), SCOPE, lambda: clock[0])
    for read, queries in ((recent_as_of, 1), (as_of, 3)):
        database.calls.clear()
        assert [read(ledger) for _ in range(3)] == [{}] * 3
        assert database.calls["query"] == queries
    recent_as_of(ledger)
    clock[0] += timedelta(seconds=5)
    database.calls.clear()
    recent_as_of(ledger)
    assert database.calls["query"] == 1


@pytest.mark.parametrize(
    "age,asked", [(timedelta(seconds=2), False), (timedelta(seconds=2.001), True), (None, True)]
)
def test_a_family_is_synced_if_older_than_two_seconds_or_never_filled(age, asked):
    known = {Family.PHI: rfc3339(NOW - age) if age else None, Family.RXNORM: rfc3339(NOW)}
    payloads = []

    def sync(payload):
        payloads.append(payload)
        return {"Families": {"PHI": {"AsOf": rfc3339(NOW)}}}

    times, stale = refreshed(known, [Family.PHI, Family.RXNORM], sync, NOW)
    assert payloads == ([{"Families": ["PHI"], "IfOlderThanSeconds": 2}] if asked else [])
    assert stale is False
    assert times == (known | {Family.PHI: rfc3339(NOW)} if asked else known)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"Families": {}},
        {"Families": {"PHI": {}}},
        {"Families": {"PHI": {"AsOf": None}}},
        {"Families": {"PHI": {"AsOf": LATE, "Error": "Throttled"}}},
        {"Families": {"PHI": {"AsOf": LATE, "Error": ""}}},
    ],
)
def test_a_family_that_could_not_be_synced_is_stale_and_keeps_its_time(answer):
    known = {Family.PHI: EARLY, Family.RXNORM: EARLY}
    others = {"RXNORM": {"AsOf": LATE}}
    families = answer.get("Families")
    answer = answer if families is None else {"Families": families | others}
    times, stale = refreshed(known, [Family.PHI, Family.RXNORM], lambda _: answer, NOW)
    assert stale is True
    assert times == {
        Family.PHI: EARLY,
        Family.RXNORM: EARLY if families is None else LATE,
    }


@pytest.mark.parametrize("age,is_stale", [(2, False), (2.001, True), (600, True)])
def test_a_family_that_is_older_than_the_request_after_its_sync_is_stale(age, is_stale):
    """The sync completed a walk that began before, or was that of an earlier request."""
    synced = rfc3339(NOW - timedelta(seconds=age))
    answer = {"Families": {"PHI": {"AsOf": synced}}}
    times, stale = refreshed({Family.PHI: EARLY}, [Family.PHI], lambda _: answer, NOW)
    assert (times, stale) == ({Family.PHI: synced}, is_stale)


def test_a_function_that_refuses_leaves_every_family_as_it_was_and_stale():
    def refuse(payload):
        raise FunctionRefused("Throttled")

    known = {Family.PHI: EARLY}
    assert refreshed(known, [Family.PHI], refuse, NOW) == (known, True)
