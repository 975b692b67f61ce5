"""ConsistentRead: who asks for a sync, who shares one, and what is told when none can be had."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from jobledger.errors import FunctionRefused
from jobledger.jobs import Family
from jobledger.ledger.table import Table
from jobledger.sync.freshness import SharedSyncs
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


def test_nobody_is_asked_without_it(api):
    assert "Stale" not in api.get("/jobs").json
    assert "Stale" not in api.get("/jobs", ConsistentRead="false").json
    assert api.asked == []


def test_a_ledger_younger_than_two_seconds_is_fresh_enough(api):
    api.now = NOW + timedelta(seconds=2)
    assert "Stale" not in consistent(api).json
    assert api.asked == []


@pytest.mark.row(1, count="5 failures of the sync, 2 formats")
@pytest.mark.parametrize(
    "told",
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
def test_what_cannot_be_synced_is_answered_as_it_is_and_called_stale(api, told, form):
    api.answer_of_function = told
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


def test_a_failed_sync_is_shared_as_well_and_tried_again_after_two_seconds():
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
    """Syncs on a clock that moves when it is told to, or when somebody waits."""

    def __init__(self) -> None:
        self.now = NOW
        self.database = MemoryDynamoDB()
        self.table = Table(self.database, "ledger")
        self.syncs = SharedSyncs(self.table, SCOPE, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def run(self, sync):
        return self.syncs.run(Family.PHI, 2, sync)


def test_a_sync_that_was_killed_is_waited_for_a_minute_and_then_done_anew():
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
