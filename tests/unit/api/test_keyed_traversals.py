"""GET /jobs with an Idempotency-Key: one traversal for each key."""

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from jobledger.api.keyed_traversals import KeyedTraversals, settled_times
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import ENVIRONMENT, Answer, Api, logged_lines, running_api
from testing.builders import NOW, SCOPE, full_job
from testing.digests import REMEMBERED
from testing.memory_dynamodb import MemoryDynamoDB, error
from testing.processes import run_python

KEY = "canary-key-4711"


@pytest.fixture
def api() -> Iterator[Api]:
    with running_api() as api:
        for number in range(1, 31):
            api.fill(full_job(number), family=Family.SNOMEDCT if number % 2 else Family.PHI)
        api.mark_synced()
        yield api


def keyed(api: Api, key: str = KEY, **query: Any) -> Answer:
    """The first page of a key's traversal."""
    return next(api.pages(key, **query))


def submit(api: Api, *numbers: int) -> None:
    """Jobs that the ledger learns of a minute later: newer, and older ones that were listed late."""
    api.now += timedelta(minutes=1)
    for number in numbers:
        for family in (Family.SNOMEDCT, Family.PHI):
            api.fill(full_job(number, JobId=f"{family}-{number}"), family=family)
    api.mark_synced()


@pytest.mark.parametrize(
    "query",
    [
        {}, {"Family": "ALL"}, {"Family": "ALL", "Order": "ascending"}, {"JobStatus": ["COMPLETED", "FAILED"]},
        {"Family": ["PHI", "SNOMEDCT"], "JobName": "nightly-notes"}, {"Family": "ALL", "JobNamePrefix": "nightly"},
        {"SubmitTimeBefore": "2030-01-01"},
        {"MaxResults": 15},  # as many as there are: a page that is full has a token
    ],
    ids=str,
)  # fmt: skip
def test_a_repeated_key_lists_the_same_pages_with_the_same_tokens(api, query):
    query = {"MaxResults": 5} | query

    def pages():
        return [answer.json | {"AsOf": 0} for answer in api.pages(KEY, **query)]

    first, everything = pages(), api.ids(KEY, **query)
    submit(api, 100, 101, 102, 15, 16, *range(200, 210))
    assert pages() == first
    assert everything == api.ids(KEY, **query | {"MaxResults": 7})
    assert len(everything) == (30 if "Family" in query else 15)
    assert len(api.ids("another", **query)) > len(everything)


def test_a_key_with_another_query_is_refused_and_quotes_nothing(api):
    assert keyed(api, JobName="nightly-notes", MaxResults=3).status == 200
    for other in ({}, {"JobName": "canary-name"}, {"JobName": "nightly-notes", "Family": "PHI"}):
        answer = keyed(api, **other)
        assert (answer.status, answer.json["title"]) == (422, "InvalidRequestException")
        assert "canary" not in answer.body
    assert keyed(api, JobName="nightly-notes", Order="ascending").status == 422
    assert keyed(api, JobName="nightly-notes", Order="descending", Format="csv").status == 200


def test_a_token_takes_precedence_over_the_key_and_a_wrong_key_is_refused_with_other_errors(api):
    token = api.get(MaxResults=5).json["NextToken"]
    following = api.get(MaxResults=5, NextToken=token)
    assert keyed(api, MaxResults=5, NextToken=token).json == following.json
    answer = keyed(api, "ä", MaxResults=0, JobStatus="no")
    assert set(answer.wrong) == {"Idempotency-Key", "MaxResults", "JobStatus"}
    assert set(keyed(api, "").wrong) == {"Idempotency-Key"}
    assert api.idempotency.calls == {}


def test_a_consistent_read_syncs_and_lists_the_stored_traversal(api):
    def sync(_: Any) -> dict[str, Any]:
        submit(api, len(api.asked) * 1000)
        return {"Families": {}}

    api.answer_of_function = sync
    for _ in range(2):
        api.now += timedelta(minutes=1)
        (first,) = api.traverse(KEY, ConsistentRead="true")
        assert len(first) == 16  # with the job that the first sync found
    assert len(api.asked) == 2


def test_a_traversal_starts_after_the_sync_even_if_reads_return_the_old_state(api, monkeypatch):
    query = api.database.query
    before = query(
        TableName="ledger", KeyConditionExpression="PK = :state AND begins_with(SK, :scope)",
        ExpressionAttributeValues={":state": {"S": "state"}, ":scope": {"S": f"{SCOPE}/"}},
    )  # fmt: skip

    def lagging(**sent: Any) -> Any:
        of_states = ":state" in sent["ExpressionAttributeValues"]
        return before if of_states and not sent.get("ConsistentRead") else query(**sent)

    monkeypatch.setattr(api.database, "query", lagging)
    submit(api, 100)
    assert len(api.ids(KEY)) == 16


def test_a_key_is_remembered_for_24_hours(api):
    first = api.ids(KEY)
    submit(api, 100)
    assert api.ids(f'"{KEY}"') == first, "quotes are not part of a key"
    (record,) = api.idempotency.remembered.values()
    assert int(record["expiration"]["N"]) == pytest.approx(time.time() + 86_400, abs=60)
    record["expiration"]["N"] = str(int(time.time()) - 1)
    assert len(api.ids(KEY)) == len(first) + 1


def test_the_record_holds_a_time_and_hashes_and_nothing_else(api):
    with logged_lines() as logged:
        for _ in range(2):
            assert keyed(api, JobNamePrefix="nightly", Family="ALL").status == 200
    (record,) = api.idempotency.remembered.values()
    members = "id expiration in_progress_expiration status data validation"
    assert record.keys() == set(members.split())
    times = ",".join(["2026-11-23T12:00:00.000Z"] * len(Family))
    assert json.loads(record["data"]["S"]) == {"Begun": times}
    assert re.fullmatch("walk#[0-9a-f]{64}", record["id"]["S"])
    assert re.fullmatch("[0-9a-f]{64}", record["validation"]["S"])
    assert not re.search(f"{KEY}|nightly", json.dumps(record) + "".join(logged))


@pytest.mark.parametrize("operation", ["put_remembered", "update_remembered", "delete_remembered"])
@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
def test_without_the_table_there_is_no_traversal_and_a_retry_is_invited(api, operation, code):
    def fail(called: str) -> None:
        if called in (operation, "query"):
            raise error(code, 500)

    api.idempotency.before = fail
    if operation == "delete_remembered":  # only called when the ledger fails as well
        api.database.before = fail
    answer = keyed(api)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert api.get().status == (503 if operation == "delete_remembered" else 200)
    api.idempotency.before = api.database.before = lambda _: None
    for record in api.idempotency.remembered.values():
        end_time_of_request(record)
    first = api.ids(KEY)
    submit(api, 100)
    assert api.ids(KEY) == first


def end_time_of_request(record):
    record["in_progress_expiration"]["N"] = str(int(time.time() * 1000) - 1)


def test_a_request_that_was_killed_blocks_its_key_for_the_time_that_it_had(api):
    def die(operation: str) -> None:
        if operation == "update_remembered":
            raise SystemExit

    api.idempotency.before = die
    with pytest.raises(SystemExit):
        keyed(api)
    api.idempotency.before = lambda _: None
    answer = keyed(api)
    assert (answer.status, answer.headers["Retry-After"]) == (409, "5")
    assert "digest" not in answer.json["detail"]
    assert 0.5 < api.slept < 3
    (record,) = api.idempotency.remembered.values()
    until = int(record["in_progress_expiration"]["N"]) / 1000
    assert until == pytest.approx(time.time() + api.context.milliseconds / 1000, abs=5)
    end_time_of_request(record)
    assert keyed(api).status == 200


def test_concurrent_first_requests_begin_one_traversal(api):
    traversals = KeyedTraversals(api.idempotency, REMEMBERED)
    # A ledger that was never synced: the beginning is then the time of the request, so all differ.
    ledger, query = Ledger(Table(MemoryDynamoDB(), "ledger"), SCOPE, api.its_time), JobQuery()
    beginnings: list[str] = []
    barrier = threading.Barrier(12)

    def ask(number: int) -> None:
        barrier.wait()
        beginnings.append(traversals.beginning(KEY, query, ledger, f"time-{number}", api.context))

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(ask, range(12)))
    assert (len(beginnings), len(set(beginnings))) == (12, 1)


def test_a_list_without_a_key_imports_nothing_of_idempotency():
    late = (
        "boto3",
        "jobledger.api.keyed_traversals",
        "aws_lambda_powertools.utilities.idempotency",
    )
    program = f"""
import sys, jobledger.handlers.api, jobledger.api.listing, jobledger.api.routes.jobs
print([name for name in {late} if name in sys.modules])
"""
    assert run_python(program, **ENVIRONMENT) == "[]\n"


SOURCES = (SCOPE, "222233334444/us-east-1", "333344445555/eu-west-1")


@pytest.mark.parametrize(
    "ages,settled",
    [
        # The oldest, but not older than two minutes, except by the syncs' own clocks.
        *(((0, 0, 0), 0), ((5, 60, 90), 90), ((5, 60, 3_600), 120), ((5, 3_600, None), 120)),
        *(((600, 900, 3_600), 600), ((3_600, 3_600, 3_600), 3_600), ((None, None, None), 0)),
        # A clock of the caller's that is ahead of those of the syncs.
        ((300, 310, 3_600), 300),
        # The first jobs of a source are added before it has a state.
        *(((30, None, None), 120), ((0, 0, None), 120)),
    ],
)
def test_a_traversal_over_sources_begins_when_no_job_of_any_can_be_added_any_more(ages, settled):
    with running_api(sources=SOURCES) as api:
        for source, age in zip(SOURCES, ages, strict=True):
            if age is not None:
                api.now = NOW - timedelta(seconds=age)
                ledger = api.ledger.of(source)
                assert ledger.save_state(Family.SNOMEDCT, SyncState())
        api.now = NOW
        begun = settled_times(api.ledger, JobQuery(), rfc3339(NOW))
        assert begun == rfc3339(NOW - timedelta(seconds=settled))
