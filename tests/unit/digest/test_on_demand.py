"""Digests on demand: their windows, idempotency keys, and what they leave to the schedule."""

import pytest

from jobledger.digest.claims import DigestStateRow
from jobledger.digest.run import run
from jobledger.errors import (
    DigestInProgress,
    IdempotencyKeyReused,
    PublishRefused,
    PublishUncertain,
)
from jobledger.times import rfc3339
from testing.digests import SCOPE, WINDOW, Context, DigestWorld, refusal, sent, windows
from testing.memory_dynamodb import error


@pytest.mark.parametrize("payload", [{}, WINDOW])
def test_a_call_waits_ten_seconds_for_another_one_that_is_publishing_its_digest(world, payload):
    def publish_again(operation: str) -> None:
        world.topic.before = lambda _: None
        with pytest.raises(DigestInProgress):
            run(world.assembled(), payload, Context())

    world.topic.before = publish_again
    assert world.run(payload)["MessageId"]
    assert world.slept == 10
    assert len(world.topic.taken) == 1


@pytest.mark.parametrize("payload", [{}, WINDOW])
def test_a_digest_on_demand_is_no_scheduled_run_and_covers_no_gap(world, payload):
    answer = world.run(payload)
    name = f"{SCOPE}#{answer['DigestId']}" if payload else SCOPE
    state = DigestStateRow(world.dependencies.table, name).load()
    assert state.scheduled_end is None
    assert sent(world)[0]["CoversGap"] is False


def test_a_window_whose_message_sns_refuses_is_read_again_by_the_next_call(world, capsys):
    world.topic.failures = [refusal("AuthorizationError", 403)]
    with pytest.raises(PublishRefused):
        world.run(WINDOW)
    world.forward(hours=1)
    world.run(WINDOW)
    assert [digest["AsOf"] for digest in sent(world)] == [rfc3339(world.now)]
    assert '"DigestsResumed":[0.0]' in capsys.readouterr().out


def test_a_window_whose_message_may_be_out_is_only_ever_sent_as_it_was(world, capsys):
    world.topic.failures = [
        refusal("InternalError", 500),
        refusal("AuthorizationError", 403),
    ]
    with pytest.raises(PublishUncertain):
        world.run(WINDOW)
    world.forward(hours=1)
    with pytest.raises(PublishRefused):
        world.run(WINDOW)
    world.run(WINDOW)
    assert world.topic.taken == world.topic.tried[:1]
    assert '"DigestsResumed":[1.0]' in capsys.readouterr().out


def test_with_a_key_a_digest_ends_at_once_and_without_one_on_the_minute(world):
    for payload in ({}, {"IdempotencyKey": "a"}, {"IdempotencyKey": "b"}, {}):
        world.run(payload)
        world.forward(seconds=5)
    assert [end for _, end in windows(world)] == [
        "2026-11-23T07:58:00.000Z",
        "2026-11-23T07:58:09.000Z",
        "2026-11-23T07:58:14.000Z",
    ]


def test_a_digest_on_demand_holds_nothing_back_and_the_schedule_continues_after_it():
    world = DigestWorld(DIGEST_WHEN="attention")
    world.run({})
    world.forward(hours=5)
    world.run({"IdempotencyKey": "a"})
    assert windows(world)[0][1] == windows(world)[1][0]


def test_a_window_that_is_named_is_published_once_and_leaves_the_chain_alone(world):
    world.run()
    chain = dict(world.tables.items["digest", "111122223333/eu-central-1"])
    named = {"WindowStart": "2026-11-20T00:00:00Z", "WindowEnd": "2026-11-21T00:00:00Z"}
    answers = [world.run(named) for _ in range(3)]
    assert answers[0]["Window"] == {
        "Start": "2026-11-20T00:00:00.000Z",
        "End": "2026-11-21T00:00:00.000Z",
    }
    assert answers[0] == answers[1] == answers[2]
    assert len(world.topic.taken) == 2
    assert chain == world.tables.items["digest", "111122223333/eu-central-1"]


def test_a_key_with_the_same_body_gets_the_same_answer_and_no_second_message(world):
    for asked in (
        {"IdempotencyKey": "a"},
        {
            "IdempotencyKey": "b",
            "WindowStart": "2026-11-20T00:00:00Z",
            "WindowEnd": "2026-11-21T00:00:00Z",
        },
    ):
        first = world.run(asked)
        world.forward(hours=3)
        assert world.run(asked) == first
    assert len(world.topic.taken) == 2


def test_a_key_with_another_body_is_refused(world):
    world.run({"IdempotencyKey": "a"})
    named = {"WindowStart": "2026-11-20T00:00:00Z", "WindowEnd": "2026-11-21T00:00:00Z"}
    with pytest.raises(IdempotencyKeyReused):
        world.run({"IdempotencyKey": "a"} | named)
    assert len(world.topic.taken) == 1


def test_another_key_for_the_same_window_is_another_message_of_the_same_digest(world):
    named = {"WindowStart": "2026-11-20T00:00:00Z", "WindowEnd": "2026-11-21T00:00:00Z"}
    one, other = (world.run(named | {"IdempotencyKey": key}) for key in "ab")
    assert one["DigestId"] == other["DigestId"]
    assert one["MessageId"] != other["MessageId"]


def test_the_same_moment_in_another_offset_is_the_same_body(world):
    one = {"WindowStart": "2026-11-20T00:00:00Z", "WindowEnd": "2026-11-21T00:00:00Z"}
    other = {"WindowStart": "2026-11-20T01:00:00+01:00", "WindowEnd": "2026-11-21T00:00:00.000Z"}
    key = {"IdempotencyKey": "a"}
    assert world.run(one | key) == world.run(other | key)


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
