"""Which digests go out, those that are asked for, the chat, and what is remembered of them."""

import json
from datetime import timedelta
from typing import Any

import pytest

from jobledger.digest.claims import DigestStateRow
from jobledger.digest.delivery import When
from jobledger.digest.run import run
from jobledger.digest.windows import Window
from jobledger.errors import (
    DigestInProgress,
    IdempotencyKeyReused,
    InvalidParameters,
    PublishRefused,
    PublishUncertain,
)
from jobledger.jobs import Family
from jobledger.times import rfc3339
from tests.digests import (
    ENVIRONMENT,
    SCOPE,
    Context,
    DigestWorld,
    a_digest,
    refusal,
    sent,
    windows,
)
from tests.memory_dynamodb import error

CHAT: dict[str, Any] = {"CHAT_TOPIC_ARN": "arn:aws:sns:eu-central-1:111122223333:chat"}


# digestWhen.


def test_a_digest_without_changes_is_held_back_and_the_next_one_covers_its_window():
    world = DigestWorld(DIGEST_WHEN="changes")
    first = world.run()
    assert first["Published"]
    world.forward(days=1)
    assert world.run() == {**first, "Published": False}
    world.observe("one", "COMPLETED")
    world.forward(days=1)
    assert world.run()["Published"]
    assert windows(world)[1] == ("2026-11-23T07:58:00.000Z", "2026-11-25T07:58:00.000Z")


def test_a_digest_that_needs_no_attention_is_held_back_for_at_most_a_week():
    world = DigestWorld(DIGEST_WHEN="attention")
    world.run({})
    published = []
    for day in range(1, 16):
        world.observe(f"job-{day}", "COMPLETED")
        if day == 9:
            world.observe("bad", "FAILED")
        world.forward(days=1)
        published.append(world.run()["Published"])
    assert [day for day, out in enumerate(published, 1) if out] == [7, 9]
    assert [len(digest["Completed"]) for digest in sent(world)] == [0, 7, 2]
    assert not any(digest["CoversGap"] for digest in sent(world))
    assert [one[1] for one in windows(world)[:-1]] == [other[0] for other in windows(world)[1:]]


@pytest.mark.parametrize("when", [When.CHANGES, When.ATTENTION])
@pytest.mark.parametrize(
    "start,wanted", [("2026-11-16T08:58:00.001Z", False), ("2026-11-16T08:58:00.000Z", True)]
)
def test_two_hours_before_the_week_is_over_a_quiet_digest_goes_out(when, start, wanted):
    """The clock is put forward by two hours at most: it is the same run of the day a week later."""
    window = Window(start, "2026-11-23T06:58:00.000Z")
    assert when.wants(a_digest(window=window)) is wanted


def test_a_stale_ledger_always_needs_a_person():
    world = DigestWorld(DIGEST_WHEN="attention")
    world.run()
    world.forward(days=1)
    assert not world.run()["Published"]
    world.now += timedelta(days=1)
    assert world.run()["Published"]
    assert sent(world)[1]["Verdict"] == "STALE"


# On demand.

WINDOW = {"WindowStart": "2026-11-20T00:00:00Z", "WindowEnd": "2026-11-21T00:00:00Z"}


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


def test_a_repeated_call_returns_the_digest_that_a_failed_call_had_published(
    world,
):
    def fail_to_remember(operation: str) -> None:
        if operation == "update_remembered" and len(world.topic.taken) == 1:
            raise error("ThrottlingException")

    world.tables.before = fail_to_remember
    first = world.run({"IdempotencyKey": "a"}, Context(milliseconds=0))
    world.tables.before = lambda _: None
    world.forward(hours=1)
    assert world.run({"IdempotencyKey": "a"}) == first
    assert len(world.topic.taken) == 1


# Chat.


def test_the_chat_topic_gets_the_digest_as_a_threaded_custom_notification():
    world = DigestWorld(**CHAT)
    world.observe("one", "FAILED", Family.PHI)
    world.forward(minutes=5)
    answer = world.run()
    digest, chat = world.topic.taken
    assert digest["TopicArn"] == ENVIRONMENT["DIGEST_TOPIC_ARN"]
    assert chat["TopicArn"] == CHAT["CHAT_TOPIC_ARN"]
    assert chat.keys() == {"TopicArn", "Message"}
    said = json.loads(chat["Message"])
    assert (said["version"], said["source"]) == ("1.0", "custom")
    assert said["content"]["textType"] == "client-markdown"
    assert said["content"]["title"] == "[job-ledger] 1 FAILED, 2026-11-23"
    assert said["content"]["description"] == "ATTENTION: 1 job failed."
    assert said["metadata"]["threadId"] == answer["DigestId"]
    assert "one" not in chat["Message"].split()


def test_a_chat_that_fails_holds_no_digest_up(capsys):
    world = DigestWorld(**CHAT)
    world.topic.failures = [None, refusal("NotFound", 404)]
    assert world.run()["Published"]
    assert '"ChatFailures":[1.0]' in capsys.readouterr().out


# What the environment says.


def test_a_run_uses_the_table_and_the_schedule_of_its_environment():
    world = DigestWorld(LEDGER_TABLE_NAME="jobs", DIGEST_SCHEDULE="rate(12 hours)")
    assert world.dependencies.table.name == "jobs"
    world.run()
    assert DigestStateRow(world.dependencies.table, SCOPE).load().schedule == "rate(12 hours)"


@pytest.mark.parametrize(
    "environment,address",
    [
        ({"API_URL": "https://api.example.org/v1"}, "https://api.example.org/v1"),
        ({"API_URL": ""}, "$API_URL"),
        ({}, "$API_URL"),
    ],
)
def test_the_api_call_in_the_text_has_the_address_if_it_is_known(environment, address):
    world = DigestWorld(**environment)
    world.observe("one", "FAILED")
    world.forward(minutes=5)
    world.run()
    (taken,) = world.topic.taken
    assert f'"{address}/jobs?Family=SNOMEDCT' in json.loads(taken["Message"])["email"]


# What Powertools would do if it were let.


@pytest.mark.row(13, count="1")
def test_the_two_kinds_of_effect_keep_their_own_configuration(world):
    world.run({"IdempotencyKey": "a"})
    remembered = {key.partition("#")[0]: item for key, item in world.tables.remembered.items()}
    assert remembered.keys() == {"publish", "request"}
    assert "validation" in remembered["request"]
    assert "validation" not in remembered["publish"]
    days = {kind: int(item["expiration"]["N"]) // 86_400 for kind, item in remembered.items()}
    assert days["publish"] - days["request"] == 34


@pytest.mark.row(13, count="1")
def test_a_publication_that_was_killed_is_taken_up_after_half_a_minute(world):
    world.topic.after = lambda _: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        world.run()
    (item,) = world.tables.remembered.values()
    left = int(item["in_progress_expiration"]["N"]) / 1000 - int(item["expiration"]["N"])
    assert 25 < left + 35 * 86_400 < 32


def test_what_is_remembered_are_ids_and_counts(world):
    world.run({"IdempotencyKey": "a"})
    stored = {
        kind.partition("#")[0]: json.loads(item["data"]["S"])
        for kind, item in world.tables.remembered.items()
    }
    assert stored["publish"].keys() == {"MessageId"}
    assert stored["request"].keys() == {"DigestId", "MessageId", "Window", "Counts"}


# Payloads.

SCHEDULED = {"ScheduledTime": "2026-11-23T08:00:00Z"}


@pytest.mark.parametrize(
    "payload, message",
    [
        (None, "payload: {}, or a JSON object with WindowStart and WindowEnd, IdempotencyKey, or"),
        ([SCHEDULED], "payload: {}, or a JSON object with WindowStart and WindowEnd"),
        ({"windowStart": "x"}, "windowStart: not a member of this payload; did you mean WindowStart?"),
        ({"WindowStart": WINDOW["WindowStart"]}, "WindowEnd: both or neither"),
        (WINDOW | {"WindowEnd": "2026-11-21"}, "WindowEnd: an RFC 3339 time with its offset"),
        ({"IdempotencyKey": 5}, "IdempotencyKey: 1 to 255 printable ASCII characters"),
        (SCHEDULED | WINDOW, "WindowStart: not a member of this payload; known members are Sch"),
        ({"ScheduledTime": None}, "ScheduledTime: an RFC 3339 time with its offset, or a placeh"),
        (
            {"ScheduledTime": "soon", "ScheduleArn": 5, "Window": 1},
            "ScheduledTime: an RFC 3339 time with its offset, or a placeholder of EventBridge Scheduler; ScheduleArn: text; Window: not a member of this payload",
        ),
    ],
)  # fmt: skip
def test_a_payload_that_is_not_understood_is_an_error_and_publishes_nothing(
    world, payload, message
):
    with pytest.raises(InvalidParameters) as refused:
        run(world.dependencies, payload, Context())
    assert str(refused.value).startswith(message)
    assert world.topic.taken == []
