"""The test of the notifications, on recorded answers: what is sent, what is said, and that nothing of it stays."""

import json
from typing import Any

import pytest

from job_ledger.doctor import send_test
from job_ledger.doctor.send_test import send_tests
from tests.unit.doctor import recorded
from tests.unit.doctor.recorded import ACCOUNT, ARN, OUTPUTS, Answer, actions, calls, deployed

QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jobledger-test"
REMOVALS = {"sqs.DeleteQueue", "sns.Unsubscribe", "events.RemoveTargets", "events.DeleteRule"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(send_test, "PATIENCE_SECONDS", 0.3)


class Bus:
    """Topics and a bus that deliver what they are sent, but for what is in `lost`."""

    def __init__(self, *lost: str) -> None:
        self.lost = lost
        self.published: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.waiting: list[str] = []

    def publish(self, parameters):
        self.published.append(parameters)
        self._deliver(parameters["TopicArn"], json.loads(parameters["Message"])["default"])
        return {"MessageId": "m"}

    def put(self, parameters):
        (entry,) = parameters["Entries"]
        detail = json.loads(entry["Detail"])
        self.events.append(entry)
        if "event" not in self.lost:
            self.waiting.append(json.dumps({"detail": detail}))
        text = f"[TEST] {detail['JobId']} {detail['JobStatus']}"
        self._deliver(OUTPUTS["JobAlertsTopicArn"], text)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}

    def _deliver(self, topic, text):
        if topic.rpartition(":")[2] not in self.lost:
            self.waiting.append(json.dumps({"TopicArn": topic, "Message": text}))

    def receive(self, parameters):
        bodies, self.waiting = self.waiting, []
        return {"Messages": [{"Body": body} for body in bodies]}

    def answers(self, **changed: Answer) -> dict[str, Answer]:
        usual: dict[str, Answer] = {
            **{name: {} for name in (*REMOVALS, "sqs.SetQueueAttributes", "events.PutRule")},
            "sqs.CreateQueue": {"QueueUrl": "https://sqs/q"},
            "sqs.GetQueueAttributes": {"Attributes": {"QueueArn": QUEUE}},
            "sqs.ReceiveMessage": self.receive,
            "sns.Subscribe": {"SubscriptionArn": f"{ARN}digests:2"},
            "sns.Publish": self.publish,
            "events.PutTargets": {"FailedEntryCount": 0},
            "events.PutEvents": self.put,
        }
        return usual | {name.replace("_", "."): answer for name, answer in changed.items()}


def sent(answers, **outputs):
    """The status and the sentence of each test, and the calls that were made."""
    return of_deployment(deployed(answers, **outputs))


def of_deployment(deployment):
    results = send_tests(deployment, lambda step: None)
    found = {r.check: (r.finding.status.value, r.finding.meaning) for r in results}
    return found, calls(deployment)


def test_it_says_what_arrived_where_and_removes_what_it_made():
    found, made = sent(Bus().answers(), ChatTopicArn=f"{ARN}chat")
    assert list(found) == ["digest", "chat digest", "event", "alert"]
    assert {status for status, _ in found.values()} == {"ok"}
    assert "was sent to a@example.org" in found["digest"][1]
    assert made >= REMOVALS


def test_no_program_takes_a_test_for_a_digest_or_a_change():
    bus = Bus()
    _, made = sent(bus.answers())
    (digest,) = bus.published
    assert digest["Subject"].startswith("[TEST] ")
    assert digest["MessageAttributes"]["Kind"]["StringValue"] == "Test"
    bodies = json.loads(digest["Message"])
    machine = json.loads(bodies["default"])
    assert (machine["Test"], "DigestId" in machine) == (True, False)
    assert "This is a test" in bodies["email"]
    (event,) = bus.events
    detail = json.loads(event["Detail"])
    assert (event["Source"], detail["Test"], detail["JobStatus"]) == ("jobledger", True, "FAILED")
    # The policy has each action of the test.
    looking = {"sns:ListSubscriptionsByTopic", "events:DescribeRule"}
    # The key of the topics is used by SNS on the person's behalf.
    needed = actions("send-test-policy.json") - {"kms:Decrypt", "kms:GenerateDataKey"}
    assert {name.replace(".", ":") for name in made} == needed | looking


def test_what_does_not_arrive_is_a_problem_and_nothing_stays():
    for lost, check in {"digests": "digest", "event": "event", "alerts": "alert"}.items():
        found, made = sent(Bus(lost).answers())
        others = {name: status for name, (status, _) in found.items() if status != "ok"}
        assert others == {check: "problem"}
        assert made >= REMOVALS


def test_an_address_that_did_not_confirm_and_an_event_that_the_bus_refuses_are_problems():
    pending = [recorded.subscription("email", "b@example.org", "PendingConfirmation")]
    found, _ = sent(Bus().answers(sns_ListSubscriptionsByTopic={"Subscriptions": pending}))
    assert found["digest"][0] == "problem"
    assert "1 address that did not confirm" in found["digest"][1]
    refused: Answer = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
    found, _ = sent(Bus().answers(events_PutEvents=refused))
    assert found["event"] == ("problem", "EventBridge refused the event: InternalFailure.")


def test_without_alerts_their_topic_is_tested_by_itself():
    bus = Bus()
    deployment = deployed(bus.answers())
    kept = (r for r in deployment.resources if r.kind != "AWS::Events::Rule")
    deployment.resources = tuple(kept)
    found, _ = of_deployment(deployment)
    assert {status for status, _ in found.values()} == {"ok"}
    assert [p["TopicArn"] for p in bus.published] == [f"{ARN}digests", f"{ARN}alerts"]


def test_a_missing_permission_is_named_and_what_was_made_is_removed():
    for refused, check in {
        "sns_Publish": "digest",
        "events_PutEvents": "event",  # so that no alert arrives either
        "sqs_CreateQueue": "send test",
        "events_PutTargets": "send test",
    }.items():
        found, made = sent(Bus().answers(**{refused: "AccessDeniedException"}))
        assert [name for name, (status, _) in found.items() if status == "unknown"] == [check]
        assert refused.replace("_", ":") in found[check][1]
        assert ("sqs.DeleteQueue" in made) == (refused != "sqs_CreateQueue")
