"""The changes function: rows of the stream in, events out, in order; what can never be sent is put aside alone."""

import json
from unittest import mock

import pytest
from botocore.exceptions import ReadTimeoutError

from jobledger import metrics
from jobledger.errors import EventRefused
from jobledger.events import batch
from jobledger.events.eventbridge import EventBus, detail_of
from jobledger.ledger.rows import Change
from jobledger.ledger.table import encode
from jobledger.service import Family
from testing.builders import SCOPE, listed_job
from testing.memory_dynamodb import error
from testing.world import World
from tests.unit.events.stream import (
    CANARY,
    ODDITIES,
    SENT,
    WITHOUT,
    Bus,
    Queue,
    a_record,
    failed_at,
    send,
    with_image,
)


@pytest.fixture
def world():
    with World(hostile=False) as world:
        world.sync()
        for status in ("SUBMITTED", "IN_PROGRESS", "COMPLETED"):
            world.put(listed_job("job", 30, status, JobName="a name"))
            world.sync()
        yield world


@pytest.fixture
def records(world):
    """Another row of the table, and three transitions of a job."""
    rows = [item for (pk, _), item in sorted(world.database.items.items()) if "#changes" in pk]
    other = encode({"PK": "state", "SK": SCOPE})
    return [a_record(number, row) for number, row in enumerate([other, *rows])]


def test_each_transition_is_one_event_as_promised_in_order_and_the_same_when_repeated(records):
    bus, second = Bus(), Bus()
    assert send(records, bus) == send(records, second) == SENT
    moves = [(detail["PreviousJobStatus"], detail["JobStatus"]) for detail in bus.details]
    statuses = ["SUBMITTED", "IN_PROGRESS", "COMPLETED"]
    assert moves == list(zip([None, *statuses], statuses, strict=False))
    assert bus.details == second.details
    assert len({detail["EventId"] for detail in bus.details}) == 3
    last = bus.details[-1]
    assert len(last.pop("EventId")) == 32
    assert last.pop("ObservedAt").startswith("2026-11-23T12:00:0")
    assert last == {
        "Version": "1",
        "Account": "111122223333",
        "Region": "us-east-1",
        "Family": "SNOMEDCT",
        "JobId": "job",
        "JobStatus": "COMPLETED",
        "PreviousJobStatus": "IN_PROGRESS",
        "SubmitTime": "2026-11-23T11:59:30.000Z",
        "EndTime": "2026-11-23T12:00:30.000Z",
    }
    assert bus.kinds == {("jobledger", "Comprehend Medical Job State Change")}


def test_the_metrics_have_what_was_sent_and_how_long_ended_jobs_took(records, monkeypatch):
    published: list[dict] = []
    monkeypatch.setattr(batch, "publish_metrics", published.append)
    send(records, Bus())
    send(records, Bus({2: "ThrottlingException"}))
    send(records, Bus(), left=lambda: 45_000)
    names = (metrics.JOB_DURATION, metrics.EVENTS_SENT, metrics.EVENT_FAILURES)
    assert [[values[name] for name in names] for values in published] == [
        [[60.0], 3, 0],
        [[], 1, 1],
        [[60.0], 3, 0],
    ]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "refusal", ["ThrottlingException", error("InternalException", 500), ValueError(), KeyError()]
)
def test_the_answer_names_the_first_refused_record_and_later_ones_are_not_sent(
    records, number, refusal
):
    bus = Bus({number: refusal})
    assert send(records, bus) == failed_at(f"00{number}")
    assert len(bus.details) == number - 1


def test_no_send_starts_without_enough_time_left(records):
    bus, left = Bus(), iter([180_000, 44_999])
    assert send(records, bus, left=lambda: next(left)) == failed_at("002")
    assert len(bus.details) == 1


@pytest.mark.parametrize(
    "with_names, erased, name", [(False, False, None), (True, False, "a name"), (True, True, None)]
)
def test_a_name_is_sent_only_with_the_setting_and_while_the_job_is_there(
    world, records, with_names, erased, name
):
    for key in [key for key in world.database.items if key[1].endswith("#job")]:
        if erased and "#changes" not in key[0]:
            world.database._remove(key)
    bus = Bus()
    assert send(records, bus, database=world.database, names=with_names) == SENT
    assert [detail.get("JobName") for detail in bus.details] == [name] * 3
    assert name or "a name" not in json.dumps(bus.details)


def test_the_event_id_depends_on_the_family():
    changes = [Change(f, "job", "FAILED", None, None, None, "2026-11-23T12:00:00Z") for f in Family]
    assert len({detail_of(each, SCOPE, None)["EventId"] for each in changes}) == len(Family)


@pytest.mark.parametrize(
    "changed, seconds",
    [
        *(({}, [60.0]), ({"JobStatus": {"S": "IN_PROGRESS"}}, None)),
        *(({"SubmitTime": WITHOUT}, None), ({"EndTime": WITHOUT}, None)),
    ],
)
def test_only_an_ended_job_with_both_times_has_a_duration(changed, seconds, capsys):
    assert send([with_image(**changed)(a_record(0))], Bus()) == SENT
    assert json.loads(capsys.readouterr().out).get("JobSeconds") == seconds


@pytest.mark.parametrize(
    "answer, name",
    [
        (ReadTimeoutError(endpoint_url="https://events"), "ReadTimeoutError"),
        ({"FailedEntryCount": 0, "Entries": []}, "InvalidResponse"),
        ({"FailedEntryCount": 1, "Entries": [{}]}, "InvalidResponse"),
    ],
)
def test_a_refused_event_has_the_name_of_its_error(answer, name):
    bus = EventBus(mock.Mock(put_events=mock.Mock(side_effect=[answer])), "jobledger")
    with pytest.raises(EventRefused) as refused:
        bus.put(Change(Family.PHI, "job", "FAILED", None, None, None, "2026"), SCOPE, None)
    assert refused.value.args == (name,)


# Put aside: what no retry can send.


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
