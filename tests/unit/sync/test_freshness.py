"""ConsistentRead: which requests start a sync or share one, and the answer when none is possible."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from jobledger.errors import FunctionRefused
from jobledger.jobs import Family
from jobledger.ledger.table import Row, Table
from jobledger.ledger.writing import Ledger
from jobledger.sync.freshness import SharedSyncs, as_of, oldest, recent_as_of, refreshed
from jobledger.times import rfc3339
from tests.api import NOW, SCOPE, a_job, running_api
from tests.memory_dynamodb import MemoryDynamoDB


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(*(a_job(number) for number in range(3)))
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
        api.fill(a_job(10), a_job(-10))
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


def test_a_waiting_request_polls_five_times_a_second_and_takes_the_result_at_any_age():
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


# The API's side.

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
    syncs = Stepped()
    ledger = Ledger(syncs.table, SCOPE, lambda: syncs.now)
    for read, queries in ((recent_as_of, 1), (as_of, 3)):
        syncs.database.calls.clear()
        assert [read(ledger) for _ in range(3)] == [{}] * 3
        assert syncs.database.calls["query"] == queries
    recent_as_of(ledger)
    syncs.now += timedelta(seconds=5)
    syncs.database.calls.clear()
    recent_as_of(ledger)
    assert syncs.database.calls["query"] == 1


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


def test_a_function_that_refuses_leaves_every_family_as_it_was_and_stale():
    def refuse(payload):
        raise FunctionRefused("Throttled")

    known = {Family.PHI: EARLY}
    assert refreshed(known, [Family.PHI], refuse, NOW) == (known, True)
