"""Which digests are published, those on demand, the chat, refused payloads, and what is remembered of a digest."""

import json
from unittest import mock

import pytest

from jobledger.digest.claims import DigestStateRow
from jobledger.digest.delivery import When
from jobledger.digest.windows import Window
from jobledger.errors import DigestInProgress, IdempotencyKeyReused, InvalidParameters
from jobledger.handlers import digest as function
from jobledger.inputs.payloads import read_digest_payload
from jobledger.service import Family
from testing.digests import (
    ENVIRONMENT,
    SCOPE,
    WINDOW,
    Context,
    DigestWorld,
    a_digest,
    refusal,
    sent,
    windows,
)
from testing.memory_dynamodb import error
from tests.unit.digest.test_killed import CHAT

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
def test_a_quiet_digest_goes_out_two_hours_before_the_week_is_over_and_a_stale_one_always(when):
    """The clock is put forward by two hours at most: it is the same run of the day a week later."""
    long, short = (
        Window(f"2026-11-16T08:58:00.00{n}Z", "2026-11-23T06:58:00.000Z") for n in (0, 1)
    )
    assert when.wants(a_digest(window=long))
    assert when.wants(a_digest(window=short, stale=True))
    assert not when.wants(a_digest(window=short))


# Chat, and what the environment says.


def test_the_chat_topic_gets_a_message_of_its_own_without_job_ids(capsys):
    world = DigestWorld(CHAT_TOPIC_ARN=CHAT)
    world.observe("one", "FAILED", Family.PHI)
    world.forward(minutes=5)
    answer = world.run()
    digest, chat = world.topic.taken
    assert (digest["TopicArn"], chat["TopicArn"]) == (ENVIRONMENT["DIGEST_TOPIC_ARN"], CHAT)
    assert chat.keys() == {"TopicArn", "Message"}
    said = json.loads(chat["Message"])
    assert said["content"]["title"] == "[job-ledger] 1 FAILED, 2026-11-23"
    assert said["metadata"]["threadId"] == answer["DigestId"]
    assert "one" not in chat["Message"].split()
    # When it fails, the digest goes out all the same.
    world.topic.failures = [None, refusal("NotFound", 404)]
    world.forward(days=1)
    assert world.run()["Published"]
    assert '"ChatFailures":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize("address", ["https://api/v1", ""])
def test_a_run_uses_table_schedule_and_address_of_its_environment(address):
    world = DigestWorld(LEDGER_TABLE_NAME="jobs", DIGEST_SCHEDULE="rate(12 hours)", API_URL=address)
    world.observe("one", "FAILED")
    world.forward(minutes=5)
    world.run()
    table = world.dependencies.table
    assert (table.name, DigestStateRow(table, SCOPE).load().schedule) == ("jobs", "rate(12 hours)")
    called = f'"{address or "$API_URL"}/jobs?Family=SNOMEDCT'
    assert called in json.loads(world.topic.taken[0]["Message"])["email"]


# What Powertools would do if it were let.


def test_publications_and_requests_keep_their_own_idempotency_settings(world):
    world.run({"IdempotencyKey": "a"})
    remembered = {key.partition("#")[0]: item for key, item in world.tables.remembered.items()}
    stored = {kind: json.loads(item["data"]["S"]).keys() for kind, item in remembered.items()}
    assert stored["publish"] == {"MessageId"}
    assert stored["request"] == {"DigestId", "MessageId", "Window", "Counts"}
    assert "validation" in remembered["request"]
    assert "validation" not in remembered["publish"]
    days = {kind: int(item["expiration"]["N"]) // 86_400 for kind, item in remembered.items()}
    assert days["publish"] - days["request"] == 34


def test_a_killed_publication_can_be_repeated_after_half_a_minute(world):
    world.topic.after = lambda _: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        world.run()
    (item,) = world.tables.remembered.values()
    left = int(item["in_progress_expiration"]["N"]) / 1000 - int(item["expiration"]["N"])
    assert 25 < left + 35 * 86_400 < 32


# Payloads.

SCHEDULED = {"ScheduledTime": "2026-11-23T08:00:00Z"}
TIME = "ScheduledTime: an RFC 3339 time with its offset, or a placeholder of EventBridge Scheduler"


@pytest.mark.parametrize(
    "payload, message",
    [
        (None, "payload: {}, or a JSON object with WindowStart and WindowEnd, IdempotencyKey, or"),
        ([SCHEDULED], "payload: {}, or a JSON object with WindowStart and WindowEnd"),
        ({"windowStart": "x"}, "windowStart: Unknown member. Did you mean WindowStart?"),
        ({"WindowStart": WINDOW["WindowStart"]}, "WindowEnd: both or neither"),
        (WINDOW | {"WindowEnd": "2026-11-21"}, "WindowEnd: an RFC 3339 time with its offset"),
        ({"IdempotencyKey": 5}, "IdempotencyKey: 1 to 255 printable ASCII characters"),
        (SCHEDULED | WINDOW, "WindowStart: Unknown member. This payload accepts Sch"),
        ({"ScheduledTime": None}, "ScheduledTime: an RFC 3339 time with its offset, or a placeh"),
        ({"ScheduledTime": "soon", "ScheduleArn": 5, "Window": 1}, f"{TIME}; ScheduleArn: text; Window: Unknown member."),
    ],
)  # fmt: skip
def test_an_invalid_payload_is_refused_with_what_is_allowed(payload, message):
    with pytest.raises(InvalidParameters) as refused:
        read_digest_payload(payload)
    assert str(refused.value).startswith(message)


# On demand: windows, idempotency keys, and what is left to the schedule.


def test_a_digest_on_demand_ends_at_once_with_a_key_else_on_the_minute_and_is_sent_if_quiet():
    world = DigestWorld(DIGEST_WHEN="attention")
    for payload in ({}, {"IdempotencyKey": "a"}, {"IdempotencyKey": "b"}, {}):
        world.run(payload)
        world.forward(seconds=5)
    ends = [f"2026-11-23T07:58:{seconds}.000Z" for seconds in ("00", "09", "14")]
    assert windows(world) == [*zip(["2026-11-22T07:58:00.000Z", *ends], ends, strict=False)]


def test_a_requested_window_is_published_once_and_leaves_the_schedule_alone(world):
    world.run({})
    row = DigestStateRow(world.dependencies.table, SCOPE)
    before = row.load()
    assert before.scheduled_end is None, "a digest on demand is not one of the schedule"
    answers = [world.run(WINDOW) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert [*answers[0]["Window"].values()] == [time[:-1] + ".000Z" for time in WINDOW.values()]
    assert [digest["CoversGap"] for digest in sent(world)] == [False, False]
    assert row.load() == before


@pytest.mark.parametrize("window", [{}, WINDOW])
def test_a_key_gets_one_message_of_one_body(world, window):
    first = world.run({"IdempotencyKey": "a"} | window)
    world.forward(hours=3)
    # The same moments in another form are the same body.
    other = {"WindowStart": "2026-11-20T01:00:00+01:00", "WindowEnd": "2026-11-21T00:00:00.000Z"}
    assert world.run({"IdempotencyKey": "a"} | (window and other)) == first
    with pytest.raises(IdempotencyKeyReused):
        world.run({"IdempotencyKey": "a"} | ({} if window else WINDOW))
    assert len(world.topic.taken) == 1
    # Another key is another message, of a requested window of the same digest.
    another = world.run({"IdempotencyKey": "b"} | window)
    assert another["MessageId"] != first["MessageId"]
    assert (another["DigestId"] == first["DigestId"]) is bool(window)


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


def test_the_handler_returns_what_a_caller_can_correct_and_lets_the_schedule_try_again(
    world, monkeypatch
):
    monkeypatch.setattr(function, "_dependencies", lambda: world.dependencies)
    assert function.handler({}, Context()) == world.run({})
    nothing = dict.fromkeys(WINDOW, WINDOW["WindowEnd"])
    assert function.handler(nothing, Context()) == {"Error": "InvalidWindow"}
    monkeypatch.setattr(function, "run", mock.Mock(side_effect=DigestInProgress))
    with pytest.raises(DigestInProgress):
        function.handler(SCHEDULED, Context())
