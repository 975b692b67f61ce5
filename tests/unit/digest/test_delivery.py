"""One digest per window: repeats, races, refusals, requests."""

import json
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from msgspec.structs import replace

from jobledger.digest.claims import DigestState, DigestStateRow
from jobledger.digest.run import run
from jobledger.errors import (
    DigestInProgress,
    InvalidParameters,
    InvalidWindow,
    LedgerUnavailable,
    MessageInvalid,
    PublishRefused,
    PublishUncertain,
)
from jobledger.times import rfc3339
from tests.digests import ENVIRONMENT, Context, DigestWorld, refusal, sent, windows
from tests.full import in_full
from tests.memory_dynamodb import error

# Every error in the service's model of Publish, with its status.
REFUSALS = {
    "NotFound": 404,
    "EndpointDisabled": 400,
    "PlatformApplicationDisabled": 400,
    "AuthorizationError": 403,
    "KMSDisabled": 400,
    "KMSInvalidState": 400,
    "KMSNotFound": 400,
    "KMSOptInRequired": 403,
    "KMSThrottling": 400,
    "KMSAccessDenied": 400,
    "InvalidSecurity": 403,
}
RACES = in_full(10, 100)
INVALID = {"InvalidParameter": 400, "ParameterValueInvalid": 400, "ValidationException": 400}


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def world() -> DigestWorld:
    return DigestWorld()


# The schedule's windows.


def test_a_claim_of_an_earlier_version_is_read_and_written_as_it_was():
    stored = b'{"Claim":{"DigestId":"d","Start":"s","End":"e","Counts":{},"Parcel":"packed"},"Version":1}'
    state = msgspec.json.decode(stored, type=DigestState)
    assert state.claim is not None
    assert state.claim.messages == "packed"
    assert msgspec.json.decode(msgspec.json.encode(state)) == msgspec.json.decode(stored)


def test_a_fresh_deployment_publishes_at_once_and_says_so(world):
    answer = world.run({})
    (digest,) = sent(world)
    assert answer == {
        "DigestId": digest["DigestId"],
        "MessageId": "message-1",
        "Window": {"Start": "2026-11-22T07:58:00.000Z", "End": "2026-11-23T07:58:00.000Z"},
        "Counts": digest["Counts"],
    }


def test_the_first_window_reaches_back_to_the_first_change(world):
    world.now -= timedelta(days=3)
    world.observe("early", "COMPLETED")
    first = world.now
    world.forward(days=3)
    assert world.run()["Counts"]["COMPLETED"] == 1
    assert windows(world) == [(f"{first:%Y-%m-%dT%H:%M:%S}.000Z", "2026-11-23T07:58:00.000Z")]


def test_each_window_begins_where_the_one_before_ended_and_every_change_is_in_one(world):
    world.run()
    for day in range(5):
        world.observe(f"job-{day}", "COMPLETED")
        # Too young for the window that ends now: it is in the next one.
        world.forward(hours=24, minutes=-1)
        world.observe(f"young-{day}", "FAILED")
        world.forward(minutes=1)
        world.run()
    ends = [end for _, end in windows(world)]
    assert [start for start, _ in windows(world)][1:] == ends[:-1]
    listed = [job["JobId"] for digest in sent(world) for job in digest["Completed"]]
    assert listed == [f"job-{day}" for day in range(5)]
    failed = [job["JobId"] for digest in sent(world) for job in digest["Failed"]]
    assert failed == [f"young-{day}" for day in range(4)]


@pytest.mark.row(6, count="1,000 deliveries")
def test_a_thousand_repeats_of_a_scheduled_event_are_one_message(world):
    first = world.run()
    assert first["Published"]
    for _ in range(999):
        assert world.run() == {**first, "Published": False}
    assert len(world.topic.taken) == 1


def test_a_window_covered_by_a_digest_on_demand_is_not_a_missed_run(world):
    for _ in range(3):
        world.run()
        world.forward(days=1)
    world.forward(seconds=20)
    world.run({"IdempotencyKey": "by hand"})
    assert world.run({"ScheduledTime": rfc3339(world.now.replace(second=0))})["Published"] is False
    world.forward(days=1, seconds=-20)
    assert world.run()["Published"]
    assert [digest["CoversGap"] for digest in sent(world)] == [False] * 5


@pytest.mark.row(6, count="1 late delivery")
def test_a_run_that_comes_after_a_later_one_publishes_nothing(world):
    late = {"ScheduledTime": "2026-11-23T08:00:00Z"}
    world.forward(days=1)
    last = world.run()
    assert world.run(late) == {**last, "Published": False}
    assert len(world.topic.taken) == 1


def test_a_run_that_comes_late_has_the_window_of_its_scheduled_time(world):
    world.forward(minutes=25)
    world.run({"ScheduledTime": "2026-11-23T08:00:00Z"})
    assert windows(world) == [("2026-11-22T07:58:00.000Z", "2026-11-23T07:58:00.000Z")]


def race(world: DigestWorld, runs: int) -> list[dict[str, Any]]:
    """The answers of so many runs at once; one that has waited in vain has none."""
    barrier = threading.Barrier(runs, timeout=30)
    answers: list[dict[str, Any]] = []

    def run() -> None:
        barrier.wait()
        # Lambda tries that one again. Any other error fails the test: pytest sees it in the thread.
        with suppress(DigestInProgress):
            answers.append(world.run())

    threads = [threading.Thread(target=run) for _ in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.full
@pytest.mark.row(6, count="{RACES} races of 50 runs")
def test_fifty_runs_at_once_publish_one_message_however_often(world):
    for rounds in range(1, RACES + 1):
        world.forward(hours=1)
        answers = race(world, 50)
        assert len(world.topic.taken) == rounds
        assert len({answer["DigestId"] for answer in answers}) == 1
        assert sum(answer["Published"] for answer in answers) == 1


def test_a_run_waits_a_bounded_time_for_another_that_is_publishing(world):
    def publish_again(operation: str) -> None:
        world.topic.before = lambda _: None
        with pytest.raises(DigestInProgress):
            run(world.assembled(), {"ScheduledTime": "2026-11-23T08:00:00Z"}, Context())

    world.topic.before = publish_again
    assert world.run()["Published"]
    assert world.slept == 40
    assert len(world.topic.taken) == 1


def test_a_run_that_has_waited_for_another_one_says_that_it_did_not_publish():
    publishing, waiting = threading.Event(), threading.Event()
    answers = []

    def publish(operation: str) -> None:
        publishing.set()
        assert waiting.wait(30)

    def wait_for_the_other(seconds: float) -> None:
        waiting.set()
        other.join(30)

    world = DigestWorld(sleep=wait_for_the_other)
    world.topic.before = publish
    other = threading.Thread(target=lambda: answers.append(world.run()))
    other.start()
    assert publishing.wait(30)
    answers.append(run(world.assembled(), {"ScheduledTime": "2026-11-23T08:00:00Z"}, Context()))
    assert [answer["Published"] for answer in answers] == [True, False]
    assert len(world.topic.taken) == 1


def test_of_two_runs_with_one_message_the_first_to_record_it_reports_it(world):
    recorded = []

    def record_first(operation: str) -> None:
        if operation == "transact_write_items":
            world.tables.before = lambda _: None
            scheduled = {"ScheduledTime": "2026-11-23T08:00:00Z"}
            recorded.append(run(world.assembled(), scheduled, Context()))

    world.topic.after = lambda _: setattr(world.tables, "before", record_first)
    recorded.append(world.run())
    assert [answer["Published"] for answer in recorded] == [True, False]
    assert len(world.topic.taken) == 1


def test_a_state_that_derives_from_an_older_one_is_not_written(world):
    rows = DigestStateRow(world.dependencies.table, "a row")
    first = rows.save(rows.load())
    assert first is not None
    second = rows.save(replace(first, schedule="daily"))
    assert rows.save(replace(first, schedule="weekly")) is None
    assert rows.load() == second == DigestState(version=2, schedule="daily")


def test_a_call_that_comes_while_another_publishes_is_no_failure_that_is_alarmed(world, capsys):
    def publish_again(operation: str) -> None:
        world.topic.before = lambda _: None
        with pytest.raises(DigestInProgress):
            run(world.assembled(), {"IdempotencyKey": "key"}, Context())

    world.topic.before = publish_again
    assert world.run({"IdempotencyKey": "key"})["MessageId"]
    assert "DigestFailures" not in capsys.readouterr().out


# Failures.


@pytest.mark.row(8, count="11 errors of Publish")
@pytest.mark.parametrize("code", REFUSALS)
def test_a_refused_message_is_not_recorded_and_the_next_run_covers_its_window(world, code):
    world.run()
    world.observe("one", "COMPLETED")
    world.forward(days=1)
    world.topic.failures = [refusal(code, REFUSALS[code])]
    with pytest.raises(PublishRefused) as refused:
        world.run()
    assert refused.value.name == code
    world.forward(days=1)
    world.run()
    first, second = sent(world)
    assert first["Window"]["End"] == second["Window"]["Start"]
    assert second["Window"]["End"] == "2026-11-25T07:58:00.000Z"
    assert [job["JobId"] for job in second["Completed"]] == ["one"]


def test_the_same_event_again_after_a_refusal_publishes_the_same_window(world):
    world.topic.failures = [refusal("KMSAccessDenied", 400)]
    with pytest.raises(PublishRefused):
        world.run()
    assert world.run()["Published"]
    assert windows(world) == [("2026-11-22T07:58:00.000Z", "2026-11-23T07:58:00.000Z")]


@pytest.mark.row(8, count="6 errors and time-outs")
@pytest.mark.parametrize(
    "failure",
    [
        refusal("InternalError", 500),
        refusal("InternalError", 500, attempts=3),
        refusal("Throttling", 400, attempts=3),
        refusal("AuthorizationError", 403, attempts=2),
        ReadTimeoutError(endpoint_url="https://sns"),
        EndpointConnectionError(endpoint_url="https://sns"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_what_may_have_been_sent_is_sent_again_as_it_was(world, failure):
    world.observe("one", "COMPLETED")
    world.forward(minutes=5)
    world.topic.failures = [failure]
    with pytest.raises(PublishUncertain) as uncertain:
        world.run()
    answered = isinstance(failure, ClientError)
    code = failure.response["Error"]["Code"] if answered else type(failure).__name__
    assert uncertain.value.name == code
    world.observe("two", "FAILED")
    world.forward(days=1)
    world.run()
    assert world.topic.tried[0] == world.topic.tried[1] == world.topic.taken[0]
    assert len(world.topic.taken) == 2
    assert windows(world)[0][1] == windows(world)[1][0]


@pytest.mark.row(8, count="3 errors of Publish")
@pytest.mark.parametrize("code", INVALID)
def test_a_message_that_sns_never_accepted_does_not_block_the_next(world, code):
    world.topic.failures = [
        ReadTimeoutError(endpoint_url="https://sns"),
        refusal(code, INVALID[code]),
    ]
    with pytest.raises(PublishUncertain):
        world.run()
    with pytest.raises(MessageInvalid) as refused:
        world.run()
    assert refused.value.name == code
    assert world.run()["Published"]


def test_a_claim_of_an_earlier_run_outlives_a_refusal(world):
    world.topic.failures = [
        ReadTimeoutError(endpoint_url="https://sns"),
        refusal("AuthorizationError", 403),
    ]
    with pytest.raises(PublishUncertain):
        world.run()
    world.forward(days=1)
    with pytest.raises(PublishRefused):
        world.run()
    world.run()
    assert [end for _, end in windows(world)] == [
        "2026-11-23T07:58:00.000Z",
        "2026-11-24T07:58:00.000Z",
    ]


@pytest.mark.row(9, count="5 operations, 3 errors")
@pytest.mark.parametrize(
    "operation",
    ["get_item", "query", "transact_write_items", "put_remembered", "update_remembered"],
)
@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "RequestTimeout"])
def test_a_ledger_that_fails_at_any_point_costs_no_digest_and_sends_none_twice(
    world, operation, code
):
    failing = Counter({operation: 1})

    def fail(called: str) -> None:
        if failing[called]:
            failing[called] -= 1
            raise error(code)

    world.tables.before = fail
    if operation == "update_remembered":
        # The message is out, and that is what counts.
        assert world.run()["Published"]
    else:
        with pytest.raises(LedgerUnavailable):
            world.run()
        assert world.run()["Published"]
    assert len(world.topic.taken) == 1
    assert world.run()["Published"] is False


def test_a_ledger_that_fails_after_the_message_is_out_sends_none_twice(world):
    world.topic.after = lambda _: setattr(world.tables, "before", fail_writes)

    def fail_writes(operation: str) -> None:
        if operation == "transact_write_items":
            world.tables.before = lambda _: None
            raise error("ThrottlingException")

    with pytest.raises(LedgerUnavailable):
        world.run()
    world.topic.after = lambda _: None
    assert world.run()["MessageId"] == "message-1"
    assert len(world.topic.taken) == 1


@pytest.mark.row(8, count="1")
def test_failures_are_counted_for_the_alarm_and_callers_faults_are_not(world, capsys):
    world.topic.failures = [refusal("NotFound", 404)]
    with pytest.raises(PublishRefused):
        world.run()
    with pytest.raises(InvalidWindow):
        world.run({"WindowStart": rfc3339(world.now), "WindowEnd": rfc3339(world.now)})
    with pytest.raises(InvalidParameters):
        world.run({"WindowStart": "x", "WindowEnd": "y"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["DigestFailures"] for line in lines if "DigestFailures" in line] == [[1.0]]


# Gaps.


def test_a_digest_after_missed_runs_covers_them_and_says_so(world):
    for _ in range(4):
        world.run()
        world.forward(days=1)
    world.forward(days=2)
    world.run()
    world.forward(days=1)
    world.run()
    assert [digest["CoversGap"] for digest in sent(world)] == [False] * 4 + [True, False]
    text = json.loads(world.topic.taken[4]["Message"])["email"]
    assert "no digest was sent since 2026-11-26 08:58" in text


def test_a_run_that_the_next_one_completes_is_not_a_missed_one(world):
    for _ in range(3):
        world.run()
        world.forward(days=1)
    world.topic.failures = [ReadTimeoutError(endpoint_url="https://sns")]
    with pytest.raises(PublishUncertain):
        world.run()
    world.forward(days=1)
    world.run()
    assert [digest["CoversGap"] for digest in sent(world)] == [False] * 5


def test_a_first_run_whose_window_a_digest_on_demand_has_covered_counts_as_one(world):
    world.run({"IdempotencyKey": "by hand"})
    for published in (False, True):
        assert world.run()["Published"] is published
        world.forward(days=1)
    world.forward(days=1)
    world.run()
    assert [digest["CoversGap"] for digest in sent(world)] == [False, False, True]


def test_a_weekend_is_no_gap_for_a_schedule_of_weekdays_once_it_is_known(world):
    for _ in range(3):
        for _ in range(5):
            world.run()
            world.forward(days=1)
        world.forward(days=2)
    assert [digest["CoversGap"] for digest in sent(world)] == [False] * 5 + [True] + [False] * 9


def test_another_schedule_has_to_run_twice_before_its_missed_runs_are_noticed():
    state = DigestState()
    for day in (1, 8, 15):
        state = state.after_run("weekly", f"2026-11-{day:02}T08:00:00.000Z")
    assert state.is_gap("weekly", "2026-11-29T08:00:00.000Z")
    assert not state.is_gap("daily", "2026-11-29T08:00:00.000Z")
    state = state.after_run("daily", "2026-11-16T08:00:00.000Z")
    assert not state.is_gap("daily", "2026-11-29T08:00:00.000Z")
    state = state.after_run("daily", "2026-11-17T08:00:00.000Z")
    assert state.is_gap("daily", "2026-11-19T08:00:00.000Z")


def test_a_digest_on_demand_in_between_makes_no_gap(world):
    world.run()
    world.forward(days=1)
    world.run()
    world.forward(hours=1)
    world.run({})
    world.forward(hours=23)
    world.run()
    assert not any(digest["CoversGap"] for digest in sent(world))
    assert [one[1] for one in windows(world)[:-1]] == [other[0] for other in windows(world)[1:]]
