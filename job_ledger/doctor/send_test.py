"""Sends a message that is marked as a test to each topic and the event bus, and reports what arrives.

A queue and a rule, which exist only during the test, receive it. Its subject begins with `[TEST]`, and it has the
message attributes `Kind` = `Test` and `Test` = `true` and the member `"Test": true`, so no program takes it for a
digest or a change.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import (
    Check,
    CouldNotLook,
    Finding,
    Status,
    counted,
    named,
    ok,
    problem,
)
from job_ledger.doctor.notifications import (
    ALERTS,
    CHAT,
    DIGESTS,
    alert_rule_name,
    alerting_statuses,
    is_pending,
    subscriptions,
)
from job_ledger.doctor.run import Result

_DETAIL_TYPE = "Comprehend Medical Job State Change"
_HELP = "docs/operations.md#send-a-test"
# An alert passes through a queue and a function, which runs once a minute.
PATIENCE_SECONDS = 120.0
_TEXT = (
    "This is a test, sent with jobledger doctor --send-test. It is not about a job.\n"
    "It shows that notifications of Job Ledger arrive here."
)


@dataclass
class Inbox:
    """The test's queue. `arrived`: after how many seconds each message came, by its topic's ARN or `event`."""

    deployment: Deployment
    url: str
    token: str
    began: float = field(default_factory=time.monotonic)
    arrived: dict[str, float] = field(default_factory=dict)

    def wait_for(self, sources: set[str]) -> None:
        """Wait until the test has arrived from each source, or time is up."""
        while sources - self.arrived.keys() and time.monotonic() - self.began < PATIENCE_SECONDS:
            self._receive()

    def _receive(self) -> None:
        answer = self.deployment.call(
            "sqs", "ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=5
        )
        for message in answer.get("Messages", ()):
            if self.token in message["Body"]:
                source = json.loads(message["Body"]).get("TopicArn", "event")
                self.arrived.setdefault(source, time.monotonic() - self.began)


class _NotSent(CouldNotLook):
    """The test could not be sent, which is a problem of the deployment."""

    status = Status.PROBLEM


@dataclass(frozen=True)
class _Part:
    """One kind of notification: how to send a test of it, and its source, a topic's ARN or `event`."""

    name: str
    source: str
    send: Callable[[], None]
    found: Callable[[Deployment], Finding]


def send_tests(deployment: Deployment, say: Callable[[str], object]) -> list[Result]:
    """Send the tests, and return what arrived where. Everything that the test creates is removed again."""
    token = uuid.uuid4().hex
    topics = [name for name in (DIGESTS, CHAT, ALERTS) if name in deployment.outputs]
    with ExitStack() as removal:
        try:
            say("Making a queue for the test")
            inbox = removal.enter_context(_inbox(deployment, token, topics))
        except CouldNotLook as error:
            return [Result("send test", error.finding)]
        parts = list(_parts(deployment, inbox))
        failed = {part.name: finding for part in parts if (finding := _sent(part, say))}
        say("Waiting for the tests to arrive")
        inbox.wait_for({part.source for part in parts if part.name not in failed})
        return [
            Result(part.name, failed.get(part.name) or Check(part.name, part.found).run(deployment))
            for part in parts
        ]


def _sent(part: _Part, say: Callable[[str], object]) -> Finding | None:
    """Send a part of the test; return why it could not be sent."""
    say(f"Sending a test: {part.name}")
    try:
        part.send()
    except CouldNotLook as error:
        return error.finding
    return None


def _parts(deployment: Deployment, inbox: Inbox) -> Iterator[_Part]:
    def from_topic(name: str, output: str, send: Callable[[], None]) -> _Part:
        seen = partial(_seen, output=output, inbox=inbox)
        return _Part(name, deployment.output(output), send, seen)

    for name, output in (("digest", DIGESTS), ("chat digest", CHAT)):
        if output in deployment.outputs:
            yield from_topic(name, output, partial(_publish, deployment, output, inbox.token))
    put = partial(_put_event, deployment, inbox.token)
    yield _Part("event", "event", put, partial(_event_seen, inbox=inbox))
    # The event causes an alert. Without a rule for alerts, their topic is tested directly.
    alert = partial(_publish, deployment, ALERTS, inbox.token)
    yield from_topic("alert", ALERTS, _nothing if alert_rule_name(deployment) else alert)


def _nothing() -> None:
    """Send nothing: the test event is also the alert's test."""


def _put_event(deployment: Deployment, token: str) -> None:
    entry = {
        "Source": deployment.event_source,
        "DetailType": _DETAIL_TYPE,
        "Detail": json.dumps(_detail(deployment, token)),
    }
    answer = deployment.call("events", "PutEvents", Entries=[entry])
    if answer["FailedEntryCount"]:
        code = answer["Entries"][0].get("ErrorCode", "no reason")
        raise _NotSent(f"EventBridge refused the event: {code}.", _HELP)


def _event_seen(_: Deployment, inbox: Inbox) -> Finding:
    after = inbox.arrived.get("event")
    if after is None:
        return problem("The event did not arrive at a rule of the default bus.", _HELP)
    return ok(f"An event with Test: true arrived at a rule of the default bus after {after:.0f} s.")


def _publish(deployment: Deployment, output: str, token: str) -> None:
    text = json.dumps({"Test": True, "TestId": token, "Text": _TEXT})
    if output == CHAT:
        content = {
            "textType": "client-markdown",
            "title": "[TEST] Job Ledger",
            "description": _TEXT,
        }
        text = json.dumps({"version": "1.0", "source": "custom", "id": token, "content": content})
    deployment.call(
        "sns",
        "Publish",
        TopicArn=deployment.output(output),
        Subject="[TEST] [job-ledger] a test of the notifications",
        Message=json.dumps({"default": text, "email": f"{_TEXT}\nTest {token}\n"}),
        MessageStructure="json",
        MessageAttributes={
            "Kind": {"DataType": "String", "StringValue": "Test"},
            "Test": {"DataType": "String", "StringValue": "true"},
        },
    )


def _seen(deployment: Deployment, *, output: str, inbox: Inbox) -> Finding:
    """Return whether the test arrived from a topic, and who else is subscribed to it."""
    topic = deployment.output(output)
    after = inbox.arrived.get(topic)
    if after is None:
        return problem(f"Nothing arrived from {output} in {PATIENCE_SECONDS:.0f} seconds.", _HELP)
    others = [
        s
        for s in subscriptions(deployment, output)
        if not s["Endpoint"].endswith(_name(inbox.token))
    ]
    pending = [s["Endpoint"] for s in others if is_pending(s)]
    received = [s["Endpoint"] for s in others if not is_pending(s)]
    text = f"It arrived from {output} after {after:.0f} s"
    text += (
        f", and was sent to {named(received)}." if received else "; there are no other subscribers."
    )
    if pending:
        return problem(
            f"{text} Not to {counted(len(pending), 'address', 'addresses')} that did not confirm.",
            "jobledger doctor",
        )
    return ok(text)


def _detail(deployment: Deployment, token: str) -> dict[str, Any]:
    """Return an event's detail: of no job, with a status that alerts."""
    now = f"{deployment.now:%Y-%m-%dT%H:%M:%S.000Z}"
    return {
        "Version": "1",
        "Test": True,
        "Account": deployment.account,
        "Region": deployment.region,
        "Family": next(iter(deployment.families)),
        "JobId": token,
        "JobStatus": _alerting_status(deployment),
        "PreviousJobStatus": None,
        "SubmitTime": now,
        "EndTime": now,
        "ObservedAt": now,
        "EventId": token,
    }


def _alerting_status(deployment: Deployment) -> str:
    name = alert_rule_name(deployment)
    rule = deployment.call("events", "DescribeRule", Name=name) if name else {"EventPattern": "{}"}
    return next(iter(alerting_statuses(rule)), "FAILED")


def _name(token: str) -> str:
    return f"jobledger-test-{token[:12]}"


@contextmanager
def _inbox(deployment: Deployment, token: str, topics: list[str]) -> Iterator[Inbox]:
    """Make a queue that receives from the topics and the bus; remove it, and what leads to it."""
    call, name = deployment.call, _name(token)
    with ExitStack() as removal:
        url = call("sqs", "CreateQueue", QueueName=name)["QueueUrl"]
        removal.callback(_remove, deployment, "sqs", "DeleteQueue", QueueUrl=url)
        attributes = call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        policy = _policy(arn, deployment.account)
        call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy})
        for output in topics:
            subscription = call(
                "sns",
                "Subscribe",
                TopicArn=deployment.output(output),
                Protocol="sqs",
                Endpoint=arn,
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]
            removal.callback(
                _remove, deployment, "sns", "Unsubscribe", SubscriptionArn=subscription
            )
        pattern = {"source": [deployment.event_source], "detail": {"EventId": [token]}}
        call("events", "PutRule", Name=name, EventPattern=json.dumps(pattern))
        removal.callback(_remove, deployment, "events", "DeleteRule", Name=name)
        call("events", "PutTargets", Rule=name, Targets=[{"Id": "test", "Arn": arn}])
        removal.callback(_remove, deployment, "events", "RemoveTargets", Rule=name, Ids=["test"])
        yield Inbox(deployment, url, token)


def _remove(deployment: Deployment, service: str, operation: str, **parameters: Any) -> None:
    """Remove one resource of the test. One that cannot be removed has no effect, and must not stop the others."""
    with suppress(CouldNotLook):
        deployment.call(service, operation, **parameters)


def _policy(queue: str, account: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
