"""What each kind of subscriber receives, through a real emulator of SNS, with the filters of the docs."""

import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobledger.digest.content import Digest
from jobledger.digest.message import render_messages
from jobledger.errors import PublishRefused
from jobledger.handlers import digest as function
from jobledger.service import Family
from jobledger.sns import Notifier
from testing.api import Context
from testing.digests import ENVIRONMENT, NOW, REMEMBERED, ZURICH, DigestWorld, a_digest
from testing.typical_digests import TYPICAL

DOCS = Path(__file__).parents[3] / "docs" / "digests.md"
SECONDS = 20


def filters() -> dict[str, Any]:
    """The examples of the docs: what is said before each, and the policy."""
    found = re.findall(
        r"^\*\*(.+?)\*\*.*?```json\n(.*?)```", DOCS.read_text(), re.DOTALL | re.MULTILINE
    )
    return {title: json.loads(policy) for title, policy in found}


class Topic:
    """A topic, and the notifier that the function has."""

    def __init__(self, aws: Any, name: str) -> None:
        self.aws = aws
        self.sns = aws.client("sns")
        self.arn = self.sns.create_topic(Name=name)["TopicArn"]
        self.notifier = Notifier(self.sns)

    def queue(self, **attributes: str) -> "Queue":
        queue = Queue(self.aws, f"q-{time.monotonic_ns()}")
        self.sns.subscribe(
            TopicArn=self.arn, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes
        )
        return queue

    def publish(self, digest: Digest) -> str:
        return self.notifier.publish(self.arn, render_messages(digest, ZURICH).digest)


class Queue:
    def __init__(self, aws: Any, name: str) -> None:
        self.sqs = aws.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = answer["Attributes"]["QueueArn"]

    def messages(self, expected: int) -> list[dict[str, Any]]:
        """What comes, until as many are there as are expected."""
        messages: list[dict[str, Any]] = []
        deadline = time.monotonic() + SECONDS
        while len(messages) < expected and time.monotonic() < deadline:
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                WaitTimeSeconds=1 if expected else 0,
            )
            messages += answer.get("Messages", [])
        return messages


@pytest.fixture
def topic(aws) -> Topic:
    return Topic(aws, f"digests-{time.monotonic_ns()}")


def test_a_queue_receives_the_json_raw_with_the_attributes_however_large_it_is(topic):
    queue = topic.queue(RawMessageDelivery="true")
    digests = [TYPICAL[name]() for name in ("failures", "after-an-outage")]
    for digest in digests:
        topic.publish(digest)
    messages = queue.messages(2)
    bodies = [render_messages(digest, ZURICH).digest.bodies for digest in digests]
    # SNS sends the default to every protocol that has no body of its own: HTTP, Lambda, SQS.
    assert [each.keys() for each in bodies] == [{"default", "email"}] * 2
    assert [message["Body"] for message in messages] == [each["default"] for each in bodies]
    attributes = {k: v["StringValue"] for k, v in messages[0]["MessageAttributes"].items()}
    assert attributes == {
        "Kind": "Digest", "Verdict": "ATTENTION", "HasFailures": "true", "Version": "1",
        "Families": '["SNOMEDCT", "PHI"]',
    }  # fmt: skip


def test_a_queue_receives_the_json_wrapped_with_subject_and_message_id(topic):
    queue = topic.queue()
    message_id = topic.publish(TYPICAL["failures"]())
    (message,) = queue.messages(1)
    envelope = json.loads(message["Body"])
    assert envelope["MessageId"] == message_id
    assert envelope["Subject"].startswith("[job-ledger] 3 FAILED, ")
    assert json.loads(envelope["Message"])["Version"] == "1"
    assert envelope["MessageAttributes"]["HasFailures"]["Value"] == "true"


def test_the_filters_of_the_docs_let_through_what_they_say(topic):
    examples = filters()
    assert list(examples) == ["Only failures", "One family", "Known versions only"]
    queues = {
        title: topic.queue(RawMessageDelivery="true", FilterPolicy=json.dumps(policy))
        for title, policy in examples.items()
    }
    failures = TYPICAL["failures"]()  # of SNOMEDCT and PHI
    quiet = a_digest(changed_families=(Family.RXNORM,))
    for digest in (failures, quiet):
        topic.publish(digest)
    for title, queue in queues.items():
        expected = ["ATTENTION", "OK"] if title == "Known versions only" else ["ATTENTION"]
        received = queue.messages(len(expected))
        assert sorted(json.loads(m["Body"])["Verdict"] for m in received) == expected, title


def test_a_topic_that_is_gone_refuses(topic):
    topic.sns.delete_topic(TopicArn=topic.arn)
    with pytest.raises(PublishRefused) as refused:
        topic.publish(a_digest())
    assert refused.value.name == "NotFound"


def test_the_function_on_real_tables_publishes_once_however_often_and_at_once(aws, monkeypatch):
    """The races in memory, once more on a DynamoDB that others have written."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    topic = Topic(aws, f"digests-{time.monotonic_ns()}")
    queue = topic.queue(RawMessageDelivery="true")
    world = on_real_tables(aws, topic)
    answers: list[dict[str, Any]] = []
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            world.forward(hours=1)
            answers += [run.result() for run in [threads.submit(world.run) for _ in range(8)]]
    assert Counter(answer["Published"] for answer in answers) == {True: 3, False: 21}
    bodies = [json.loads(message["Body"]) for message in queue.messages(3)]
    assert len(bodies) == 3
    assert queue.messages(0) == []
    windows = sorted((body["Window"]["Start"], body["Window"]["End"]) for body in bodies)
    assert windows[0][1] == windows[1][0]
    assert windows[1][1] == windows[2][0]


def test_the_deployed_function_publishes_at_once_on_a_new_ledger(aws, monkeypatch):
    topic = Topic(aws, f"digests-{time.monotonic_ns()}")
    queue = topic.queue(RawMessageDelivery="true")
    for name, value in (on_real_tables(aws, topic).environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
    function._dependencies.cache_clear()
    context = Context()
    placeholder = {"ScheduledTime": "<aws.scheduler.scheduled-time>"}
    # Calls within one minute are the same call; the next minute may begin between the two.
    moment = SimpleNamespace(now=lambda _: NOW)
    monkeypatch.setattr("jobledger.digest.run.datetime", moment)
    try:
        answers = [function.handler(event, context) for event in ({}, placeholder)]
    finally:
        function._dependencies.cache_clear()
    assert answers[0]["DigestId"] == answers[1]["DigestId"]
    (message,) = queue.messages(1)
    assert json.loads(message["Body"])["DigestId"] == answers[0]["DigestId"]


def on_real_tables(aws: Any, topic: Topic) -> DigestWorld:
    ledger = aws.ledger_table(f"ledger-{time.monotonic_ns()}")
    remembered = f"{REMEMBERED}-{time.monotonic_ns()}"
    client = aws.client("dynamodb")
    client.create_table(
        TableName=remembered,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    return DigestWorld(
        tables=client,
        topic=topic.sns,
        sleep=time.sleep,
        LEDGER_TABLE_NAME=ledger,
        IDEMPOTENCY_TABLE_NAME=remembered,
        DIGEST_TOPIC_ARN=topic.arn,
    )
