"""Records of the change log's stream, an event bus and a queue in memory: what these tests share."""

import json

from jobledger.events.batch import send_changes
from jobledger.events.eventbridge import EventBus
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import change_row
from jobledger.ledger.table import Table, encode
from jobledger.service import Family
from jobledger.sqs import Undelivered
from testing.builders import HOUR, MINUTE, NOW, SCOPE, a_job
from testing.memory_dynamodb import MemoryDynamoDB

CANARY = "a text that may tell of a patient"
WITHOUT = object()


class Bus:
    """An EventBridge client. `refuses` has the error of some calls: a code in the answer, or what is raised."""

    def __init__(self, refuses=None):
        self.refuses, self.calls, self.details, self.kinds = refuses or {}, 0, [], set()

    def put_events(self, *, Entries):  # noqa: N803 - botocore's name
        self.calls += 1
        refusal = self.refuses.get(self.calls)
        if isinstance(refusal, Exception):
            raise refusal
        if refusal:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": refusal}]}
        self.details += [json.loads(entry["Detail"]) for entry in Entries]
        self.kinds |= {(entry["Source"], entry["DetailType"]) for entry in Entries}
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}

    def sent(self):
        return [detail["JobId"] for detail in self.details]


class Queue:
    """An SQS client that keeps what it is sent, or refuses it."""

    def __init__(self, refuses=None):
        self.refuses, self.entries = refuses, []

    def send_message(self, *, QueueUrl, MessageBody):  # noqa: N803 - botocore's names
        if self.refuses:
            raise self.refuses
        self.entries.append(json.loads(MessageBody))
        return {"MessageId": "m"}


def send(records, bus, queue=None, *, database=None, names=False, left=lambda: 180_000):
    """One invocation of the changes function, with so many milliseconds left."""
    ledger = Ledger(Table(database or MemoryDynamoDB(), "ledger"), SCOPE, lambda: NOW)
    dependencies = ledger, EventBus(bus, "jobledger"), names
    return send_changes(records, left, dependencies, lambda: Undelivered(queue or Queue(), "url"))


def failed_at(number):
    return {"batchItemFailures": [{"itemIdentifier": number}]}


SENT: dict[str, list] = {"batchItemFailures": []}


def a_row(number):
    job = a_job(
        f"job{number:03}", submitted=NOW - HOUR, family=Family.PHI, EndTime=NOW - 59 * MINUTE
    )
    return encode(change_row(f"{SCOPE}/PHI", job, None, f"2026-11-23T12:00:00.{number:03}Z"))


def a_record(number, row=None):
    row = row or a_row(number)
    keys = {"PK": row["PK"], "SK": row["SK"]}
    members = {"Keys": keys, "NewImage": row, "SequenceNumber": f"{number:03}"}
    return {"eventName": "INSERT", "dynamodb": members}


def changed(members, new):
    return {name: value for name, value in {**members, **new}.items() if value is not WITHOUT}


def with_member(**new):
    """Return what changes the members of a record's `dynamodb`; WITHOUT removes one."""
    return lambda record: {**record, "dynamodb": changed(record["dynamodb"], new)}


def with_image(**new):
    """Return what changes the attributes of a record's row."""
    return lambda record: with_member(NewImage=changed(record["dynamodb"]["NewImage"], new))(record)


def without(*names):
    return with_member(**dict.fromkeys(names, WITHOUT))


ODDITIES = {
    "a row is deleted": lambda record: without("NewImage")({**record, "eventName": "REMOVE"}),
    "a row is changed": lambda record: {**record, "eventName": "MODIFY"},
    "an unknown event": lambda record: {**record, "eventName": "TRUNCATE"},
    "no event name": lambda record: {"dynamodb": record["dynamodb"]},
    "no image": without("NewImage"),
    "no sequence number": without("SequenceNumber"),
    "a sequence number of another type": with_member(SequenceNumber=7),
    "no keys, no image": without("Keys", "NewImage"),
    "no dynamodb": lambda record: {"eventName": "INSERT"},
    "null": lambda record: None,
    "text": lambda record: CANARY,
    "an image of another type": with_member(NewImage=[CANARY]),
    "an attribute of no type": with_image(JobStatus={}),
    "an attribute in plain text": with_image(JobStatus=CANARY),
    "an unknown family": with_image(Family={"S": CANARY}),
    "a family with a lone surrogate": with_image(Family={"S": "\ud800"}),
    "an id with a lone surrogate": with_image(JobId={"S": "\ud800"}),
    **{
        f"{name} {what}": with_image(**{name: value})
        for name in ("Family", "JobId", "ObservedAt")
        for what, value in {
            "is missing": WITHOUT,
            "is a number": {"N": "5"},
            "is a fraction": {"N": "0.5"},
            "is null": {"NULL": True},
            "is a list": {"L": [{"S": CANARY}]},
        }.items()
    },
    **{
        f"{name} {what}": with_image(**{name: value})
        for name in ("JobStatus", "PreviousJobStatus", "SubmitTime", "EndTime")
        for what, value in {"is a number": {"N": "5"}, "is a map": {"M": {}}}.items()
    },
    **{
        f"{name} is the time {text!r}": with_image(**{name: {"S": text}})
        for name in ("ObservedAt", "SubmitTime", "EndTime")
        for text in ("yesterday", "", "2026-11-23T12:00:00.000", "99999-11-23T12:00:00.00Z")
    },
}
