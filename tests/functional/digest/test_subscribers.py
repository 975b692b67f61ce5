"""What each kind of subscriber receives, through a real emulator of SNS, with the filters of the docs."""

import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from jobledger.alerts.changes import parse_event
from jobledger.alerts.message import render
from jobledger.digest.message import render_messages
from jobledger.errors import PublishRefused
from jobledger.service import Family
from jobledger.sns import Notifier
from testing.digests import NOW, REMEMBERED, ZURICH, DigestWorld, a_digest
from testing.processes import ROOT
from testing.typical_digests import TYPICAL
from tests.unit.alerts.world import PLACE, event

DOCS = (ROOT / "docs" / "digests.md").read_text(encoding="utf-8")
SECONDS = 20


class Topic:
    """A topic of the emulator, published to by the notifier that the function has."""

    def __init__(self, aws):
        self.aws = aws
        self.sns = aws.client("sns")
        self.arn = self.sns.create_topic(Name=f"digests-{time.monotonic_ns()}")["TopicArn"]

    def publish(self, digest):
        messages = render_messages(digest, ZURICH)
        return Notifier(self.sns).publish(self.arn, messages.digest)

    def queue(self, raw="true", **policy):
        """Subscribe a queue; return what receives until as many messages have come as are expected."""
        sqs = self.aws.client("sqs")
        url = sqs.create_queue(QueueName=f"q-{time.monotonic_ns()}")["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        attributes = {"RawMessageDelivery": raw}
        if policy:
            attributes["FilterPolicy"] = json.dumps(policy)
        endpoint = answer["Attributes"]["QueueArn"]
        self.sns.subscribe(
            TopicArn=self.arn, Protocol="sqs", Endpoint=endpoint, Attributes=attributes
        )
        request = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}

        def receive(expected):
            messages = []
            deadline = time.monotonic() + SECONDS
            while True:
                answer = sqs.receive_message(**request, WaitTimeSeconds=1 if expected else 0)
                messages += answer.get("Messages", [])
                if len(messages) >= expected or time.monotonic() > deadline:
                    return messages

        return receive


def documents(messages):
    return [json.loads(message["Body"]) for message in messages]


@pytest.fixture
def topic(aws):
    return Topic(aws)


def test_queues_receive_the_json_raw_or_wrapped_however_large_it_is(topic):
    raw, wrapped = topic.queue(), topic.queue(raw="false")
    digests = [TYPICAL[name]() for name in ("failures", "after-an-outage")]
    message_ids = [topic.publish(digest) for digest in digests]
    bodies = [render_messages(digest, ZURICH).digest.bodies for digest in digests]
    # SNS sends the default to every protocol that has no body of its own: HTTP, Lambda, SQS.
    assert [each.keys() for each in bodies] == [{"default", "email"}] * 2
    messages = raw(2)
    assert [message["Body"] for message in messages] == [each["default"] for each in bodies]
    attributes = {k: v["StringValue"] for k, v in messages[0]["MessageAttributes"].items()}
    assert attributes == {
        "Kind": "Digest", "Verdict": "ATTENTION", "HasFailures": "true", "Version": "1",
        "Families": '["SNOMEDCT", "PHI"]',
    }  # fmt: skip
    envelopes = documents(wrapped(2))
    assert [envelope["MessageId"] for envelope in envelopes] == message_ids
    assert [envelope["Message"] for envelope in envelopes] == [each["default"] for each in bodies]
    assert envelopes[0]["Subject"].startswith("[job-ledger] 3 FAILED, ")
    assert envelopes[0]["MessageAttributes"]["HasFailures"]["Value"] == "true"


def test_the_filters_of_the_docs_let_through_what_they_say(topic):
    examples = re.findall(r"^\*\*(.+?)\*\*.*?```json\n(.*?)```", DOCS, re.DOTALL | re.MULTILINE)
    queues = {title: topic.queue(**json.loads(policy)) for title, policy in examples}
    topic.publish(TYPICAL["failures"]())  # of SNOMEDCT and PHI
    topic.publish(a_digest(changed_families=(Family.RXNORM,)))
    for source in ("444455556666/eu-west-1", "444455556666/us-east-1", "777788889999/eu-west-1"):
        topic.publish(replace(a_digest(stale=True), source=source))
    failing, all_known = ["ATTENTION"], ["ATTENTION", "OK", *["STALE"] * 3]
    expected = {"Only failures": failing, "One family": failing, "Known versions only": all_known}
    expected |= {"One source": ["STALE"]}
    for title, receive in queues.items():
        received = documents(receive(len(expected[title])))
        assert sorted(digest["Verdict"] for digest in received) == expected[title], title


def test_the_filters_of_alerts_in_the_docs_let_through_what_they_say(topic):
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    policies = re.findall(r"```json\n(\{\"(?:Accounts|JobStatuses)\": .*\})\n```", text)
    queues = [topic.queue(**json.loads(policy)) for policy in policies]
    place = replace(PLACE, shared=True)
    for account, status in (("111122223333", "FAILED"), ("444455556666", "STOPPED")):
        found = parse_event(event(Account=account, JobStatus=status))
        assert found
        Notifier(topic.sns).publish(topic.arn, render([found], place, NOW))
    received = [[document["Counts"] for document in documents(each(1))] for each in queues]
    assert received == [[{"FAILED": 1}], [{"STOPPED": 1}]]
    assert [each(0) for each in queues] == [[], []]


def test_a_topic_that_is_gone_refuses(topic):
    topic.sns.delete_topic(TopicArn=topic.arn)
    with pytest.raises(PublishRefused) as refused:
        topic.publish(a_digest())
    assert refused.value.name == "NotFound"


@pytest.fixture
def world(aws, topic):
    """The function on tables and a topic of the emulator."""
    client = aws.client("dynamodb")
    remembered = f"{REMEMBERED}-{time.monotonic_ns()}"
    client.create_table(
        TableName=remembered,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    own = {
        "LEDGER_TABLE_NAME": aws.ledger_table(f"ledger-{time.monotonic_ns()}"),
        "IDEMPOTENCY_TABLE_NAME": remembered,
        "DIGEST_TOPIC_ARN": topic.arn,
        "SOURCES": "eu-central-1=111122223333;us-east-1=444455556666,777788889999",
        "DIGEST_BY": "source",
    }
    return DigestWorld(tables=client, topic=topic.sns, sleep=time.sleep, **own)


def test_runs_at_once_publish_each_window_of_each_source_once(topic, world):
    """The races in memory, once more on a DynamoDB that others have written."""
    all_of_them, of_one = topic.queue(), topic.queue(Account=["444455556666"])
    for source in world.ledger.sources:
        world.observe("job", "FAILED", source=source)
    with ThreadPoolExecutor(4) as threads:
        for _ in range(2):
            world.forward(hours=1)
            runs = [threads.submit(world.run) for _ in range(4)]
            answers = [run.result()["Digests"] for run in runs]
            assert len({tuple(digest["DigestId"] for digest in answer) for answer in answers}) == 1
    digests = documents(all_of_them(6))
    found = Counter((digest["Account"], digest["Counts"]["FAILED"]) for digest in digests)
    accounts = ("111122223333", "444455556666", "777788889999")
    assert found == Counter((account, number) for account in accounts for number in (0, 1))
    first, second = (
        {digest["Window"][end] for digest in digests if digest["Counts"]["FAILED"] == number}
        for number, end in ((1, "End"), (0, "Start"))
    )
    assert first == second
    assert {digest["Account"] for digest in documents(of_one(2))} == {"444455556666"}
    assert all_of_them(0) == of_one(0) == []
