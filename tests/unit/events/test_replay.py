"""The runbook's script sends again what is in the queue, from the queue's entries alone."""

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest

from jobledger.events.eventbridge import EventBus
from jobledger.handlers import changes
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sqs import Undelivered
from testing.api import Context
from testing.builders import NOW, SCOPE
from testing.memory_dynamodb import MemoryDynamoDB
from tests.unit.events.stream import Bus, Queue, a_row

SIZE, AT = 100, "2026-11-23T12:00:00Z"

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
(SCRIPT,) = re.findall(r"```python\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
# As Lambda sends it to an on-failure destination, the members that the script reads; "Using Lambda with
# DynamoDB", developer guide.
GIVEN_UP = {
    "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 900},
    "DDBStreamBatchInfo": {
        **dict.fromkeys(("approximateArrivalOfFirstRecord", "approximateArrivalOfLastRecord"), AT),
        "batchSize": SIZE,
        "streamArn": "arn:aws:dynamodb:us-east-1:111122223333:table/ledger/stream/2026-11-14T00",
    },
}


class Messages(Queue):
    """A queue that gives its messages, and forgets those that are deleted."""

    def __init__(self, *entries):
        super().__init__()
        self.entries, self._seen = list(entries), 0

    def receive_message(self, *, QueueUrl):  # noqa: N803 - botocore's name
        self._seen += 1
        found = list(enumerate(self.entries))[self._seen - 1 : self._seen]
        named = [{"Body": json.dumps(entry), "ReceiptHandle": str(n)} for n, entry in found]
        return {"Messages": named} if found else {}

    def delete_message(self, *, QueueUrl, ReceiptHandle):  # noqa: N803 - botocore's names
        self.entries[int(ReceiptHandle)] = None


class Account(MemoryDynamoDB):
    """The table with a paginator, and the function."""

    def get_paginator(self, operation):
        assert operation == "query"
        return SimpleNamespace(paginate=lambda **asked: [self.query(**asked)])

    def get_function_configuration(self, *, FunctionName):  # noqa: N803 - botocore's name
        return {"Environment": {"Variables": {"FAMILIES": ",".join(Family)}}}

    def invoke(self, *, FunctionName, Payload):  # noqa: N803 - botocore's names
        context = Context()
        context.milliseconds = 180_000
        answer = changes.handler(json.loads(Payload), context)
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def replay(monkeypatch):
    def replay(bus, queue):
        account = Account()
        for number in range(SIZE):
            account._put(a_row(number))
        ledger = Ledger(Table(account, "ledger"), SCOPE, lambda: NOW)
        parts = ledger, EventBus(bus, "jobledger"), False
        monkeypatch.setattr(changes, "_connect", lambda: parts)
        monkeypatch.setattr(changes, "_undelivered", lambda: Undelivered(queue, "url"))
        clients = {"sqs": queue, "lambda": account, "dynamodb": account}
        monkeypatch.setattr(boto3, "client", clients.__getitem__)
        exec(compile(SCRIPT, str(RUNBOOK), "exec"), {})
        return bus.sent()

    return replay


def entry_of(number, event_name="INSERT"):
    row = a_row(number)
    keys = {"PK": row["PK"]["S"], "SK": row["SK"]["S"]}
    return {"Error": "MalformedDetail", "EventName": event_name, "SequenceNumber": "7", **keys}


def test_all_changes_of_a_batch_that_was_given_up_are_sent_again(replay):
    queue = Messages(GIVEN_UP)
    assert replay(Bus(), queue) == [f"job{number:03}" for number in range(SIZE)]
    assert queue.entries == [None]


def test_a_record_that_was_put_aside_is_sent_again_alone(replay):
    queue = Messages(entry_of(3), entry_of(4, "REMOVE"), entry_of(5))
    assert replay(Bus(), queue) == ["job003", "job005"]
    assert queue.entries == [None] * 3


def test_a_message_stays_until_its_events_are_sent(replay):
    queue = Messages(GIVEN_UP, entry_of(5))
    sent = [*(f"job{n:03}" for n in range(49)), "job005"]
    assert replay(Bus({50: "ThrottlingException"}), queue) == sent
    assert queue.entries == [GIVEN_UP, None]
