"""The changes function: rows of the stream in, events out, up to the first that is not taken."""

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ReadTimeoutError

from jobledger import metrics
from jobledger.errors import EventRefused
from jobledger.events import batch
from jobledger.events.eventbridge import EventBus
from jobledger.handlers import changes
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import Change
from jobledger.ledger.table import Table, encode
from jobledger.service import Family
from testing.builders import SCOPE, listed_job
from testing.memory_dynamodb import error
from testing.world import World

CONTEXT = SimpleNamespace(
    function_name="changes",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:changes",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 180_000,
)


class Bus:
    """An EventBridge client that refuses the entries of some calls."""

    def __init__(self, refuse=()):
        self.refuse, self.calls, self.details, self.kinds = set(refuse), 0, [], set()

    def put_events(self, *, Entries):  # noqa: N803 - botocore's name
        self.calls += 1
        if self.calls in self.refuse:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
        self.details += [json.loads(entry["Detail"]) for entry in Entries]
        self.kinds |= {(entry["Source"], entry["DetailType"]) for entry in Entries}
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}


@pytest.fixture
def world():
    with World(hostile=False) as world:
        world.sync()
        for status in ("SUBMITTED", "IN_PROGRESS", "COMPLETED"):
            world.put(listed_job("job", 30, status, JobName="a name"))
            world.sync()
        yield world


@pytest.fixture
def handle(world, monkeypatch):
    def handle(bus, with_names=False, context=CONTEXT):
        ledger = Ledger(Table(world.database, "ledger"), SCOPE, world.clock.now)
        monkeypatch.setattr(
            changes, "_connect", lambda: (ledger, EventBus(bus, "jobledger"), with_names)
        )
        return changes.handler({"Records": records(world)}, context)

    return handle


def records(world):
    rows = [item for (pk, _), item in sorted(world.database.items.items()) if "#changes" in pk]
    other = encode({"PK": "state", "SK": SCOPE})
    return [
        {"eventName": "INSERT", "dynamodb": {"NewImage": row, "SequenceNumber": str(number)}}
        for number, row in enumerate([other, *rows])
    ]


def test_each_transition_is_one_event_in_order(handle):
    bus = Bus()
    assert handle(bus) == {"batchItemFailures": []}
    moves = [(detail["PreviousJobStatus"], detail["JobStatus"]) for detail in bus.details]
    assert moves == [
        (None, "SUBMITTED"),
        ("SUBMITTED", "IN_PROGRESS"),
        ("IN_PROGRESS", "COMPLETED"),
    ]


def test_an_event_has_what_its_version_promises(handle):
    bus = Bus()
    handle(bus)
    last = bus.details[-1]
    assert {
        "Version": "1",
        "Account": "111122223333",
        "Region": "us-east-1",
        "Family": "SNOMEDCT",
        "JobId": "job",
        "JobStatus": "COMPLETED",
        "PreviousJobStatus": "IN_PROGRESS",
        "SubmitTime": "2026-11-23T11:59:30.000Z",
        "EndTime": "2026-11-23T12:00:30.000Z",
    }.items() <= last.items()
    assert {"ObservedAt", "EventId"} == last.keys() - {
        "Version",
        "Account",
        "Region",
        "Family",
        "JobId",
        "JobStatus",
        "PreviousJobStatus",
        "SubmitTime",
        "EndTime",
    }


def test_an_event_says_which_deployment_and_what_it_is_about(handle):
    bus = Bus()
    handle(bus)
    assert bus.kinds == {("jobledger", "Comprehend Medical Job State Change")}
    assert {len(detail["EventId"]) for detail in bus.details} == {32}


def test_the_metrics_have_what_was_sent_and_how_long_ended_jobs_took(handle, monkeypatch):
    published: list[dict] = []
    monkeypatch.setattr(batch, "publish_metrics", published.append)
    handle(Bus())
    handle(Bus(refuse=[2]))
    handle(
        Bus(),
        context=SimpleNamespace(**vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: 45_000}),
    )
    names = (metrics.JOB_DURATION, metrics.EVENTS_SENT, metrics.EVENT_FAILURES)
    assert [[values[name] for name in names] for values in published] == [
        [[60.0], 3, 0],
        [[], 1, 1],
        [[60.0], 3, 0],
    ]


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_what_is_not_taken_is_named_and_nothing_after_it_is_sent(handle, refused):
    bus = Bus(refuse=[refused])
    assert {"batchItemFailures": [{"itemIdentifier": str(refused)}]} == handle(bus)
    assert refused - 1 == len(bus.details)


def test_an_error_of_the_bus_is_a_failure_of_the_row(handle):
    class Failing(Bus):
        def put_events(self, **_):
            raise error("InternalException", 500)

    bus = Failing()
    assert handle(bus) == {"batchItemFailures": [{"itemIdentifier": "1"}]}


@pytest.mark.parametrize("error", [ValueError, KeyError])
def test_an_unexpected_error_does_not_publish_a_message_again(handle, error):
    class Surprising(Bus):
        def put_events(self, **entries):
            if self.calls == 1:
                raise error
            return super().put_events(**entries)

    bus = Surprising()
    assert handle(bus) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert len(bus.details) == 1


def test_nothing_starts_that_could_not_end_in_time(handle):
    bus = Bus()
    left = iter([180_000, 44_999])
    context = SimpleNamespace(**vars(CONTEXT))
    context.get_remaining_time_in_millis = lambda: next(left)
    assert handle(bus, context=context) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert len(bus.details) == 1


def test_a_redelivered_transition_has_the_same_event_id(handle):
    first, second = Bus(), Bus()
    handle(first)
    handle(second)
    assert first.details == second.details
    assert len({detail["EventId"] for detail in first.details}) == 3


def test_names_of_jobs_are_sent_only_with_the_setting(handle):
    plain, named = Bus(), Bus()
    handle(plain)
    handle(named, with_names=True)
    assert "a name" not in json.dumps(plain.details)
    assert [detail["JobName"] for detail in named.details] == ["a name"] * 3


def test_a_family_is_part_of_what_an_event_is_known_by():
    from jobledger.events.eventbridge import detail_of
    from jobledger.ledger.rows import Change

    ids = {
        detail_of(Change(family, "j", "FAILED", None, None, None, "t"), SCOPE, None)["EventId"]
        for family in Family
    }
    assert len(ids) == 5


@pytest.mark.parametrize(
    "status,submit_time,end_time,expected",
    [
        ("COMPLETED", "2026-11-23T12:00:00.000Z", "2026-11-23T12:01:00.000Z", [60.0]),
        ("COMPLETED", None, "2026-11-23T12:01:00.000Z", []),
        ("COMPLETED", "2026-11-23T12:00:00.000Z", None, []),
        ("IN_PROGRESS", "2026-11-23T12:00:00.000Z", "2026-11-23T12:01:00.000Z", []),
    ],
)
def test_a_duration_is_of_a_job_that_ended_and_has_both_times(
    status, submit_time, end_time, expected
):
    change = Change(Family.PHI, "job", status, None, submit_time, end_time, "")
    assert batch._durations([change]) == expected


def test_the_event_of_a_job_that_was_erased_has_no_name(world, handle):
    for key in [key for key in world.database.items if key[1].endswith("#job")]:
        if "#changes" not in key[0]:
            world.database._remove(key)
    bus = Bus()
    assert handle(bus, with_names=True) == {"batchItemFailures": []}
    assert [detail.get("JobName", "none") for detail in bus.details] == ["none"] * 3


@pytest.mark.parametrize(
    "answer,name",
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
