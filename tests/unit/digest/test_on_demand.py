"""Digests on demand: their windows, idempotency keys, and what they leave to the schedule."""

import pytest

from jobledger.digest.claims import DigestStateRow
from jobledger.errors import IdempotencyKeyReused
from testing.digests import SCOPE, WINDOW, Context, DigestWorld, sent, windows
from testing.memory_dynamodb import error


@pytest.mark.parametrize("payload", [{}, WINDOW])
def test_a_digest_on_demand_does_not_count_as_a_scheduled_run(world, payload):
    answer = world.run(payload)
    name = f"{SCOPE}#{answer['DigestId']}" if payload else SCOPE
    assert DigestStateRow(world.dependencies.table, name).load().scheduled_end is None
    assert sent(world)[0]["CoversGap"] is False


def test_with_a_key_a_digest_ends_at_once_and_without_one_on_the_minute(world):
    for payload in ({}, {"IdempotencyKey": "a"}, {"IdempotencyKey": "b"}, {}):
        world.run(payload)
        world.forward(seconds=5)
    ends = [f"2026-11-23T07:58:{seconds}.000Z" for seconds in ("00", "09", "14")]
    assert [end for _, end in windows(world)] == ends


def test_the_schedule_continues_after_a_digest_on_demand():
    world = DigestWorld(DIGEST_WHEN="attention")
    world.run({})
    world.forward(hours=5)
    world.run({"IdempotencyKey": "a"})
    assert windows(world)[0][1] == windows(world)[1][0]


def test_a_requested_window_is_published_once_and_leaves_the_schedule_alone(world):
    world.run()
    schedules = dict(world.tables.items["digest", SCOPE])
    answers = [world.run(WINDOW) for _ in range(3)]
    assert answers[0]["Window"] == {
        "Start": "2026-11-20T00:00:00.000Z",
        "End": "2026-11-21T00:00:00.000Z",
    }
    assert answers[0] == answers[1] == answers[2]
    assert len(world.topic.taken) == 2
    assert schedules == world.tables.items["digest", SCOPE]


@pytest.mark.parametrize("window", [{}, WINDOW])
def test_a_key_with_the_same_body_gets_the_same_answer_and_no_second_message(world, window):
    first = world.run({"IdempotencyKey": "a"} | window)
    world.forward(hours=3)
    # The same moments in another form are the same body.
    other = {"WindowStart": "2026-11-20T01:00:00+01:00", "WindowEnd": "2026-11-21T00:00:00.000Z"}
    assert world.run({"IdempotencyKey": "a"} | (window and other)) == first
    assert len(world.topic.taken) == 1


def test_a_key_with_another_body_is_refused(world):
    world.run({"IdempotencyKey": "a"})
    with pytest.raises(IdempotencyKeyReused):
        world.run({"IdempotencyKey": "a"} | WINDOW)
    assert len(world.topic.taken) == 1


def test_another_key_for_the_same_window_is_another_message_of_the_same_digest(world):
    one, other = (world.run(WINDOW | {"IdempotencyKey": key}) for key in "ab")
    assert one["DigestId"] == other["DigestId"]
    assert one["MessageId"] != other["MessageId"]


def test_a_repeated_call_returns_the_digest_that_a_failed_call_had_published(world):
    def fail_to_remember(operation: str) -> None:
        if operation == "update_remembered" and len(world.topic.taken) == 1:
            raise error("ThrottlingException")

    world.tables.before = fail_to_remember
    first = world.run({"IdempotencyKey": "a"}, Context(milliseconds=0))
    world.tables.before = lambda _: None
    world.forward(hours=1)
    assert world.run({"IdempotencyKey": "a"}) == first
    assert len(world.topic.taken) == 1
