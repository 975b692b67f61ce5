"""A record that no retry can send is put aside alone; what follows is sent in order."""

import json
from datetime import UTC, datetime

import pytest

from jobledger.errors import QueueRefused
from jobledger.events.eventbridge import EventBus
from jobledger.handlers import changes
from jobledger.jobs import job_from_service
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import change_row
from jobledger.ledger.table import Table, encode
from jobledger.service import Family
from jobledger.sqs import Undelivered
from testing.builders import SCOPE
from testing.memory_dynamodb import MemoryDynamoDB, error
from tests.unit.events.test_changes import CONTEXT, Bus

CANARY = "a text that may tell of a patient"
WITHOUT = object()
SIZE = 100
NOW = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)


class Queue:
    """An SQS client that keeps what it is sent, or refuses it."""

    def __init__(self, refuses=None):
        self.refuses, self.entries = refuses, []

    def send_message(self, *, QueueUrl, MessageBody):  # noqa: N803 - botocore's names
        if self.refuses:
            raise self.refuses
        self.entries.append(json.loads(MessageBody))
        return {"MessageId": "m"}


def a_row(number):
    times = {"SubmitTime": 1_764_000_000.0, "EndTime": 1_764_000_060.0}
    job = job_from_service(
        Family.PHI, {"JobId": f"job{number:03}", "JobStatus": "COMPLETED", **times}
    )
    assert job is not None
    observed_at = f"2026-11-23T12:00:00.{number:03}Z"
    return encode(change_row(f"{SCOPE}/PHI", job, None, observed_at))


def a_record(number):
    row = a_row(number)
    return {
        "eventName": "INSERT",
        "dynamodb": {
            "Keys": {"PK": row["PK"], "SK": row["SK"]},
            "NewImage": row,
            "SequenceNumber": f"{number:03}",
        },
    }


def with_image(**changed):
    def change(record):
        image = {**record["dynamodb"]["NewImage"], **changed}
        image = {name: value for name, value in image.items() if value is not WITHOUT}
        return {**record, "dynamodb": {**record["dynamodb"], "NewImage": image}}

    return change


def without(name):
    return lambda record: {
        **record,
        "dynamodb": {at: value for at, value in record["dynamodb"].items() if at != name},
    }


ODDITIES = {
    "a row is deleted": lambda record: without("NewImage")({**record, "eventName": "REMOVE"}),
    "a row is changed": lambda record: {**record, "eventName": "MODIFY"},
    "an unknown event": lambda record: {**record, "eventName": "TRUNCATE"},
    "no event name": lambda record: {"dynamodb": record["dynamodb"]},
    "no image": without("NewImage"),
    "no sequence number": without("SequenceNumber"),
    "a sequence number that is none": lambda record: {
        **record,
        "dynamodb": {**record["dynamodb"], "SequenceNumber": 7},
    },
    "no keys, no image": lambda record: without("Keys")(without("NewImage")(record)),
    "no dynamodb": lambda record: {"eventName": "INSERT"},
    "null": lambda record: None,
    "text": lambda record: CANARY,
    "an image that is none": lambda record: {
        **record,
        "dynamodb": {**record["dynamodb"], "NewImage": [CANARY]},
    },
    "an attribute of no type": with_image(JobStatus={}),
    "an attribute that is none": with_image(JobStatus=CANARY),
    "an unknown family": with_image(Family={"S": CANARY}),
    "a family that is no Unicode": with_image(Family={"S": "\ud800"}),
    "an id that is no Unicode": with_image(JobId={"S": "\ud800"}),
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


@pytest.fixture
def handle(monkeypatch):
    def handle(records, bus, queue):
        ledger = Ledger(Table(MemoryDynamoDB(), "ledger"), SCOPE, lambda: NOW)
        monkeypatch.setattr(
            changes, "_connect", lambda: (ledger, EventBus(bus, "jobledger"), False)
        )
        monkeypatch.setattr(changes, "_undelivered", lambda: Undelivered(queue, "url"))
        return changes.handler({"Records": records}, CONTEXT)

    return handle


def sent_by(bus):
    return [detail["JobId"] for detail in bus.details]


@pytest.fixture
def logged(caplog, capsys):
    """Return the log's errors, and the values of the metric."""

    def logged():
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        metrics = [line["RecordsPutAside"] for line in lines if "RecordsPutAside" in line]
        return [vars(record) for record in caplog.records], metrics

    return logged


@pytest.mark.row(30, count="50 kinds of record, at 4 positions in a batch of 100")
@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.parametrize("position", [0, 1, 57, SIZE - 1])
def test_a_record_that_is_not_understood_is_put_aside_alone(handle, oddity, position, logged):
    records = [a_record(number) for number in range(SIZE)]
    records[position] = ODDITIES[oddity](records[position])
    bus, queue = Bus(), Queue()
    assert handle(records, bus, queue) == {"batchItemFailures": []}
    assert sent_by(bus) == [f"job{n:03}" for n in range(SIZE) if n != position]
    (entry,) = queue.entries
    assert entry["Error"] == "NotUnderstood"
    (line,), counts = logged()
    assert (line["message"], line["position"], counts) == ("record put aside", position, [[1]])
    assert CANARY not in f"{line} {entry}"


def test_the_queue_has_what_finds_the_row_again(handle):
    queue = Queue()
    handle([ODDITIES["a row is deleted"](a_record(7))], Bus(), queue)
    expected = {
        "Error": "NotUnderstood",
        "EventName": "REMOVE",
        "SequenceNumber": "007",
        "PK": f"{SCOPE}/PHI#changes",
        "SK": "2026-11-23T12:00:00.007Z#job007",
    }
    assert queue.entries == [expected]


def test_a_batch_of_nothing_else_is_put_aside_whole(handle, logged):
    records = [change(a_record(n)) for n, change in enumerate(ODDITIES.values())]
    bus, queue = Bus(), Queue()
    assert handle(records, bus, queue) == {"batchItemFailures": []}
    assert (sent_by(bus), len(queue.entries)) == ([], len(ODDITIES))
    assert logged()[1] == [[len(ODDITIES)]]


def test_an_entry_has_text_only(handle):
    queue = Queue()
    handle([ODDITIES["a sequence number that is none"](a_record(0))], Bus(), queue)
    assert [entry["SequenceNumber"] for entry in queue.entries] == [None]


@pytest.mark.row(30, count="4 failures of the queue")
@pytest.mark.parametrize(
    "refusal,name",
    [
        (error("AccessDenied", 403), "AccessDenied"),
        (error("InternalError", 500), "InternalError"),
        (OSError(), "OSError"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_queue_that_refuses_stops_nothing_and_the_log_has_the_position(
    handle, refusal, name, logged
):
    bus = Bus()
    records = [ODDITIES["no image"](a_record(0)), a_record(1)]
    assert handle(records, bus, Queue(refusal)) == {"batchItemFailures": []}
    assert sent_by(bus) == ["job001"]
    aside, lost = logged()[0]
    assert (aside["sequence_number"], lost["sequence_number"]) == ("000", "000")
    assert (aside["message"], lost["message"]) == ("record put aside", "record not in the queue")
    assert lost["error"] == name


@pytest.mark.row(30, count="4 errors of EventBridge, 2 ways")
@pytest.mark.parametrize(
    "code", ["MalformedDetail", "InvalidArgument", "RedactionFailure", "ValidationException"]
)
@pytest.mark.parametrize("as_answer", [True, False])
def test_an_event_that_the_bus_will_never_accept_is_put_aside_alone(handle, code, as_answer):
    class Strict(Bus):
        def put_events(self, *, Entries):  # noqa: N803 - botocore's name
            if "job001" not in Entries[0]["Detail"]:
                return super().put_events(Entries=Entries)
            if not as_answer:
                raise error(code, 400)
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code}]}

    bus, queue = Strict(), Queue()
    answer = handle([a_record(n) for n in range(3)], bus, queue)
    assert (answer, sent_by(bus)) == ({"batchItemFailures": []}, ["job000", "job002"])
    assert [(entry["Error"], entry["SK"][-6:]) for entry in queue.entries] == [(code, "job001")]


def test_a_refusal_for_now_fails_the_batch_from_there_whatever_was_put_aside(handle):
    bus, queue = Bus(refuse=[2]), Queue()
    records = [a_record(n) for n in range(5)]
    records[1] = ODDITIES["no image"](records[1])
    assert handle(records, bus, queue) == {"batchItemFailures": [{"itemIdentifier": "002"}]}
    assert (sent_by(bus), len(queue.entries)) == (["job000"], 1)


def test_an_error_of_the_queue_has_a_name():
    for refusal, name in [(error("AccessDenied", 403), "AccessDenied")]:
        with pytest.raises(QueueRefused) as refused:
            Undelivered(Queue(refusal), "url").put({})
        assert refused.value.name == name
