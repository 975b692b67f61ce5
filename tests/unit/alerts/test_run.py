"""The alerts function: one message for what waits, and nothing is lost whatever fails."""

import json
import logging

import pytest

from jobledger.alerts.run import connect
from jobledger.errors import JobLedgerError, PublishRefused, QueueRefused
from jobledger.sqs import MOST
from testing.digests import ENVIRONMENT, refusal
from tests.unit.alerts.world import CHAT, TOPIC, World, event


@pytest.mark.parametrize("number", [1, 10, 11, 300])
def test_a_burst_of_changes_is_one_message(number):
    world = World(event(n) for n in range(number))
    assert world.run() == number
    (document,) = world.documents()
    job_ids = {change["JobId"] for change in document["Changes"]}
    assert len(job_ids) == document["Counts"]["FAILED"] == number
    assert not world.waiting
    assert not world.hidden


def test_a_run_leaves_events_over_its_limit_to_the_next():
    world = World(event(n) for n in range(MOST + 5))
    sent = [world.run() for _ in range(3)]
    assert sent == [MOST, 5, 0]
    assert len(world.published()) == 2


def test_repeated_deliveries_of_a_change_are_one_and_the_order_is_that_of_the_ledger():
    world = World([event(2), event(1), event(2), event(1, JobName="again")])
    assert world.run() == 2
    (document,) = world.documents()
    assert [change["EventId"][-1] for change in document["Changes"]] == ["1", "2"]
    assert not world.hidden


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize(
    "code, status",
    [
        *(("Throttling", 429), ("AuthorizationError", 403)),
        *(("InternalError", 500), ("InvalidParameter", 400)),
    ],
)
def test_what_sns_refuses_is_sent_by_a_later_run(code, status, chat):
    world = World([event(1), event(2)], chat=chat)
    world.topic.failures = [refusal(code, status)]
    with pytest.raises(JobLedgerError):
        world.run()
    assert len(world.hidden) == 2
    assert world.topic.taken == []
    world.show_again()
    assert world.run() == 2
    assert len(world.documents()) == 1


def test_what_cannot_be_deleted_is_sent_again_rather_than_lost():
    world = World([event(1), event(2)])
    world.undeletable = {"receipt-1"}
    world.run()
    world.show_again()
    assert world.run() == 1


@pytest.mark.parametrize("calls, sent", [(1, 10), (3, 15)])
def test_events_that_were_read_before_sqs_fails_are_sent(calls, sent):
    world = World(event(n) for n in range(15))
    world.sqs_calls_until_failure = calls
    assert world.run() == sent
    (document,) = world.documents()
    assert len(document["Changes"]) == sent
    assert len(world.hidden) == sent, "nothing was deleted: it comes again"
    with pytest.raises(QueueRefused):
        world.run()


@pytest.mark.parametrize(
    "body",
    [
        *("", "text", "null", "[]", "{}", '{"detail": null}', '{"detail": []}', '{"detail": {}}'),
        *(event(JobId=5), event(Family=None), event(Test="true"), event(JobName="\ud800")),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_unreadable_event_stays_in_the_queue_and_the_others_are_sent(body, place):
    bodies = [event(1), event(2)]
    bodies.insert(place, body)
    world = World(bodies)
    assert world.run() == 2
    assert list(world.hidden.values()) == [body]


def test_a_test_of_the_delivery_is_a_message_of_its_own():
    world = World([event(1), event(2, Test=True), event(3)], chat=True)
    assert world.run() == 3
    real, test = world.documents()
    assert (real["Counts"], "Test" in real) == ({"FAILED": 2}, False)
    assert (test["Counts"], test["Test"]) == ({"FAILED": 1}, True)
    assert ["TEST" in mail["Subject"] for mail in world.published()] == [False, True]
    titles = [json.loads(chat["Message"])["content"]["title"] for chat in world.published(CHAT)]
    assert ["TEST" in title for title in titles] == [False, True]


def test_a_chat_that_fails_repeats_no_message(capsys):
    world = World([event(1)], chat=True)
    world.topic.failures = [None, refusal("NotFound", 404)]
    assert world.run() == 1
    assert not world.hidden
    assert '"ChatFailures"' in capsys.readouterr().out


def test_no_log_line_has_a_name(capsys, caplog):
    caplog.set_level(logging.DEBUG)
    world = World([event(1, JobName="ward-7 Mrs Miller"), '{"detail": "Mrs Miller"}'], chat=True)
    world.topic.failures = [refusal("InvalidParameter", 400)]
    with pytest.raises(PublishRefused):
        world.run()
    world.show_again()
    world.run()
    assert "Miller" not in capsys.readouterr().out + caplog.text


def test_the_environment_names_queue_topic_and_place(monkeypatch):
    for name, value in (ENVIRONMENT | {"ALERT_TOPIC_ARN": TOPIC}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ALERT_QUEUE_URL", "https://queue")
    made = connect()
    assert (made.topic, made.chat_topic) == (TOPIC, None)
    assert (made.place.account, made.place.region) == ("111122223333", "eu-central-1")
    assert made.now().tzinfo is not None
