"""The changes function: rows of the stream in, events out, up to the first that is refused."""

import json
from types import SimpleNamespace

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
from tests.unit.events.stream import SENT, WITHOUT, Bus, a_record, failed_at, send, with_image


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


def test_each_transition_is_one_event_in_order_and_the_same_one_when_it_is_repeated(records):
    first, second = Bus(), Bus()
    assert send(records, first) == send(records, second) == SENT
    moves = [(detail["PreviousJobStatus"], detail["JobStatus"]) for detail in first.details]
    statuses = ["SUBMITTED", "IN_PROGRESS", "COMPLETED"]
    assert moves == list(zip([None, *statuses], statuses, strict=False))
    assert first.details == second.details
    assert len({detail["EventId"] for detail in first.details}) == 3


def test_an_event_has_what_its_version_promises(records):
    bus = Bus()
    send(records, bus)
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
    changes = [Change(family, "j", "FAILED", None, None, None, "t") for family in Family]
    assert len({detail_of(change, SCOPE, None)["EventId"] for change in changes}) == len(Family)


@pytest.mark.parametrize(
    "changed, seconds",
    [
        ({}, [60.0]),
        ({"SubmitTime": WITHOUT}, None),
        ({"EndTime": WITHOUT}, None),
        ({"JobStatus": {"S": "IN_PROGRESS"}}, None),
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
    def put_events(**_):
        if isinstance(answer, Exception):
            raise answer
        return answer

    change = Change(Family.PHI, "job", "FAILED", None, None, None, "2026-11-23T12:00:00.000Z")
    with pytest.raises(EventRefused) as refused:
        EventBus(SimpleNamespace(put_events=put_events), "jobledger").put(change, SCOPE, None)
    assert refused.value.args == (name,)
