"""A record that no retry can send is put aside alone; what follows is sent in order."""

import json

import pytest

from testing.builders import SCOPE
from testing.memory_dynamodb import error
from tests.unit.events.stream import (
    CANARY,
    ODDITIES,
    SENT,
    Bus,
    Queue,
    a_record,
    failed_at,
    send,
)

SIZE = 100
RECORDS = [a_record(number) for number in range(SIZE)]


@pytest.fixture
def logged(caplog, capsys):
    """Return the log's errors, and the values of the metric."""

    def logged():
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        metrics = [line["RecordsPutAside"] for line in lines if "RecordsPutAside" in line]
        return [vars(record) for record in caplog.records], metrics

    return logged


@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.parametrize("position", [0, 1, 57, SIZE - 1])
def test_only_the_record_that_cannot_be_parsed_is_put_aside(oddity, position, logged):
    records = [*RECORDS]
    records[position] = ODDITIES[oddity](records[position])
    bus, queue = Bus(), Queue()
    assert send(records, bus, queue) == SENT
    assert bus.sent() == [f"job{n:03}" for n in range(SIZE) if n != position]
    (entry,) = queue.entries
    assert entry["Error"] == "NotUnderstood"
    (line,), counts = logged()
    assert (line["message"], line["position"], counts) == ("record put aside", position, [[1]])
    assert CANARY not in f"{line} {entry}"


def test_the_queue_has_the_key_of_the_row():
    queue = Queue()
    odd = [ODDITIES["a row is deleted"], ODDITIES["a sequence number of another type"]]
    send([change(a_record(7)) for change in odd], Bus(), queue)
    deleted = {
        "Error": "NotUnderstood",
        "EventName": "REMOVE",
        "SequenceNumber": "007",
        "PK": f"{SCOPE}/PHI#changes",
        "SK": "2026-11-23T12:00:00.007Z#job007",
    }
    assert queue.entries == [deleted, deleted | {"EventName": "INSERT", "SequenceNumber": None}]


def test_a_batch_of_only_odd_records_is_put_aside_completely(logged):
    records = [change(a_record(n)) for n, change in enumerate(ODDITIES.values())]
    bus, queue = Bus(), Queue()
    assert send(records, bus, queue) == SENT
    assert (bus.sent(), len(queue.entries)) == ([], len(ODDITIES))
    assert logged()[1] == [[len(ODDITIES)]]


@pytest.mark.parametrize(
    "refusal, name",
    [
        (error("AccessDenied", 403), "AccessDenied"),
        (error("InternalError", 500), "InternalError"),
        (OSError(), "OSError"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_refusing_queue_stops_no_record_and_the_log_has_the_position(refusal, name, logged):
    bus = Bus()
    records = [ODDITIES["no image"](a_record(0)), a_record(1)]
    assert send(records, bus, Queue(refusal)) == SENT
    assert bus.sent() == ["job001"]
    aside, lost = logged()[0]
    assert (aside["sequence_number"], lost["sequence_number"]) == ("000", "000")
    assert (aside["message"], lost["message"]) == ("record put aside", "record not in the queue")
    assert lost["error"] == name


@pytest.mark.parametrize(
    "code", ["MalformedDetail", "InvalidArgument", "RedactionFailure", "ValidationException"]
)
@pytest.mark.parametrize("as_answer", [True, False])
def test_only_the_event_that_the_bus_never_accepts_is_put_aside(code, as_answer):
    bus, queue = Bus({2: code if as_answer else error(code, 400)}), Queue()
    answer = send([a_record(n) for n in range(3)], bus, queue)
    assert (answer, bus.sent()) == (SENT, ["job000", "job002"])
    assert [(entry["Error"], entry["SK"][-6:]) for entry in queue.entries] == [(code, "job001")]


def test_a_temporary_refusal_ends_the_batch_at_that_record():
    bus, queue = Bus({2: "ThrottlingException"}), Queue()
    records = [a_record(n) for n in range(5)]
    records[1] = ODDITIES["no image"](records[1])
    assert send(records, bus, queue) == failed_at("002")
    assert (bus.sent(), len(queue.entries)) == (["job000"], 1)
