"""One digest per window: the schedule, repeats, races."""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from jobledger.digest.claims import DigestState, DigestStateRow
from jobledger.digest.run import run
from jobledger.errors import DigestInProgress
from testing.digests import WINDOW, Context, DigestWorld, sent, windows
from testing.full import in_full

RACES = in_full(10, 100)
SCHEDULED = {"ScheduledTime": "2026-11-23T08:00:00Z"}


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


def test_a_thousand_repeats_of_a_scheduled_event_are_one_message(world):
    first = world.run()
    assert first["Published"]
    for _ in range(999):
        assert world.run() == {**first, "Published": False}
    assert len(world.topic.taken) == 1


def test_a_late_run_has_the_window_of_its_scheduled_time_unless_a_later_run_was_faster(world):
    world.forward(minutes=25)
    world.run(SCHEDULED)
    assert windows(world) == [("2026-11-22T07:58:00.000Z", "2026-11-23T07:58:00.000Z")]
    world.forward(days=1)
    last = world.run()
    assert world.run({"ScheduledTime": "2026-11-24T08:00:00Z"}) == {**last, "Published": False}
    assert len(world.topic.taken) == 2


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
def test_fifty_runs_at_once_publish_one_message_however_often(world):
    for rounds in range(1, RACES + 1):
        world.forward(hours=1)
        answers = race(world, 50)
        assert len(world.topic.taken) == rounds
        assert len({answer["DigestId"] for answer in answers}) == 1
        assert sum(answer["Published"] for answer in answers) == 1


@pytest.mark.parametrize(
    "event, seconds", [(SCHEDULED, 40), ({}, 10), (WINDOW, 10), ({"IdempotencyKey": "key"}, 0)]
)
def test_a_run_waits_a_bounded_time_for_another_that_publishes_and_raises_no_alarm(
    world, event, seconds, capsys
):
    def publish_again(operation: str) -> None:
        world.topic.before = lambda _: None
        with pytest.raises(DigestInProgress):
            run(world.assembled(), event, Context())

    world.topic.before = publish_again
    assert world.run(event)["MessageId"]
    assert world.slept == seconds
    assert len(world.topic.taken) == 1
    assert "DigestFailures" not in capsys.readouterr().out


def test_of_two_runs_with_one_message_the_first_to_record_it_reports_it(world):
    recorded = []

    def record_first(operation: str) -> None:
        if operation == "transact_write_items":
            world.tables.before = lambda _: None
            recorded.append(run(world.assembled(), SCHEDULED, Context()))

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
