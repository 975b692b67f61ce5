"""`jobledger doctor` on a deployment: all well at first, and what it says of what is broken on purpose."""

import json
import re
import subprocess
import uuid
from datetime import UTC, datetime

import pytest

from tests.e2e.deployment import ROOT, wait_until
from tests.unit.client.commands import environment

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")
COMMAND = str(ROOT / ".venv" / "bin" / "jobledger")
DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def run(deployment, *arguments, **more):
    return subprocess.run(
        [COMMAND, "doctor", *arguments],
        # The API is found by the stack: below the local AWS's own address.
        env=environment(
            "", AWS_ENDPOINT_URL=deployment.ready["AwsEndpoint"], PYTHONPATH="", **more
        ),
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )


def findings(deployment, **more):
    """The exit code, and each check's status with its meaning."""
    done = run(deployment, "--json", **more)
    assert done.stdout, done.stderr
    checks = json.loads(done.stdout)["Checks"]
    return done.returncode, {c["Check"]: (c["Status"], c["Meaning"], c.get("Mend")) for c in checks}


def shape(text):
    """A table's checks with their status; names, numbers and times differ from run to run."""
    return re.findall(r"^(ok|local|problem|no look) +(\S.{0,18}\S)  ", text, re.MULTILINE)


def documented(command):
    return DOCUMENT.split(f"$ {command}\n", 1)[1].split("```", 1)[0]


def name(deployment, prefix):
    """The physical id of the resource whose logical id has this prefix and a hash."""
    pages = deployment.client("cloudformation").get_paginator("list_stack_resources")
    return next(
        r["PhysicalResourceId"]
        for page in pages.paginate(StackName="JobLedger")
        for r in page["StackResourceSummaries"]
        if re.fullmatch(prefix + "[0-9A-F]{8}", r["LogicalResourceId"])
    )


def test_the_session_of_make_local_shows_that_all_is_well_as_the_document_does(deployment):
    session = deployment.output.split("$ jobledger doctor\n", 1)[1].split("\n\n", 1)[0]
    assert {status for status, _ in shape(session)} == {"ok", "local"}, session
    assert shape(session) == shape(documented("jobledger doctor"))
    assert max(map(len, session.splitlines())) <= 80


# What is done to the deployment, and what undoes it; the check, and what it says.
def fail_syncs(deployment):
    deployment.control("faults", Operation="List*", Error="AccessDeniedException", Count=100_000)
    sync(deployment)


def sync(deployment):
    deployment.client("lambda").invoke(
        FunctionName=deployment.outputs["SyncFunctionName"], Payload=b"{}"
    )


def end_faults(deployment):
    deployment.control("reset")
    sync(deployment)


def subscribe(deployment):
    deployment.client("sns").subscribe(
        TopicArn=deployment.outputs["JobAlertsTopicArn"],
        # The local AWS counts a pending one, but does not name it; an e-mail it confirms by itself.
        Protocol="http",
        Endpoint="http://127.0.0.1:9/never-confirms",
    )


def unsubscribe(deployment):
    sns = deployment.client("sns")
    listed = sns.list_subscriptions_by_topic(TopicArn=deployment.outputs["JobAlertsTopicArn"])
    for found in listed["Subscriptions"]:
        if found["Endpoint"].endswith("never-confirms"):
            sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])


def set_alarm(state):
    def change(deployment):
        deployment.client("cloudwatch").set_alarm_state(
            AlarmName=name(deployment, "SyncSyncFailingAlarm"), StateValue=state, StateReason="test"
        )

    return change


def set_schedule(state):
    def change(deployment):
        scheduler, schedule = deployment.client("scheduler"), name(deployment, "DigestSchedule")
        kept = scheduler.get_schedule(Name=schedule)
        names = ("Name", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow")
        same = {key: kept[key] for key in (*names, "Target", "Description")}
        scheduler.update_schedule(**same, State=state)

    return change


def give_up(deployment):
    queue = name(deployment, "DigestUndelivered")
    deployment.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")


def purge(deployment):
    deployment.client("sqs").purge_queue(QueueUrl=name(deployment, "DigestUndelivered"))


def of(service, operation, prefix, **parameters):
    """A call about the resource that this prefix names, under the parameter whose value is None."""

    def change(deployment):
        given = {k: name(deployment, prefix) if v is None else v for k, v in parameters.items()}
        getattr(deployment.client(service), operation)(**given)

    return change


def put_throttles(deployment):
    metric = {"MetricName": "WriteThrottleEvents", "Value": 5.0}
    dimensions = [{"Name": "TableName", "Value": deployment.outputs["LedgerTableName"]}]
    deployment.client("cloudwatch").put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[metric | {"Dimensions": dimensions, "Timestamp": datetime.now(UTC)}],
    )


def fail_function(deployment):
    deployment.client("lambda").invoke(
        FunctionName=deployment.outputs["DigestFunctionName"], Payload=b'{"Wrong": 1}'
    )


def nothing(deployment):
    """What was broken stays: it is counted for an hour."""


BROKEN = {
    "dead sync": (fail_syncs, end_faults, "sync errors", "AccessDeniedException"),
    "pending subscription": (
        subscribe,
        unsubscribe,
        "alert subscribers",
        "Not confirmed, so nothing is sent to: 1 subscription",
    ),
    "ringing alarm": (set_alarm("ALARM"), set_alarm("OK"), "alarms", "syncs fail again and again"),
    "disabled schedule": (
        set_schedule("DISABLED"),
        set_schedule("ENABLED"),
        "schedules",
        "DigestSchedule",
    ),
    "dead letters": (give_up, purge, "dead letters", "1 in Digest/Undelivered"),
    "disabled rule": (
        of("events", "disable_rule", "JobAlertsRule", Name=None),
        of("events", "enable_rule", "JobAlertsRule", Name=None),
        "alert rule",
        "disabled",
    ),
    "disabled key": (
        of("kms", "disable_key", "Key", KeyId=None),
        of("kms", "enable_key", "Key", KeyId=None),
        "key",
        "Disabled",
    ),
    "failing function": (fail_function, nothing, "function errors", "errors"),
    "throttled table": (put_throttles, nothing, "table throttles", "throttled"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_on_purpose_is_found(deployment, what):
    break_it, mend_it, check, said = BROKEN[what]
    try:
        break_it(deployment)
        found = wait_until(
            lambda: f if (f := findings(deployment))[1][check][0] == "problem" else None, 30, check
        )
    finally:
        mend_it(deployment)
    code, checks = found
    assert (code, said in checks[check][1]) == (1, True), checks[check]
    assert checks[check][2]  # the command or document that mends it
    assert {status for status, *_ in checks.values()} <= {"ok", "local", "problem"}, checks


def test_a_stale_ledger_is_found(deployment):
    """The state of a family says that it was last in agreement two hours ago."""
    table, client = deployment.outputs["LedgerTableName"], deployment.client("dynamodb")
    rows = client.query(
        TableName=table,
        KeyConditionExpression="PK = :state",
        ExpressionAttributeValues={":state": {"S": "state"}},
    )["Items"]
    row = next(row for row in rows if "PHI" in row["SK"]["S"])
    state = json.loads(row["Sync"]["S"]) | {"AsOf": "2026-01-01T00:00:00.000Z"}
    old = row | {"Sync": {"S": json.dumps(state)}}
    fail_syncs(deployment)
    try:
        client.put_item(TableName=table, Item=old)
        _, checks = findings(deployment)
    finally:
        end_faults(deployment)
    status, meaning, mend = checks["age of the ledger"]
    assert (status, mend) == ("problem", "docs/runbook.md#ledger-stale")
    assert re.search(r"PHI \d+d", meaning)


def test_a_test_is_sent_to_all_that_speak_and_is_marked(deployment):
    sqs, sns = deployment.client("sqs"), deployment.client("sns")
    url = sqs.create_queue(QueueName=f"subscriber-{uuid.uuid4().hex}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    topic = deployment.outputs["DigestTopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
    before = {s["Endpoint"] for s in sns.list_subscriptions()["Subscriptions"]}
    done = run(deployment, "--send-test")
    results = shape(done.stdout)
    assert [check for _, check in results] == [c for _, c in shape(documented(SEND_TEST))]
    assert {status for status, _ in results} == {"ok"}, done.stdout
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"].startswith("[TEST] ")
    assert json.loads(envelope["Message"])["Test"] is True
    assert envelope["MessageAttributes"]["Kind"]["Value"] == "Test"
    # Nothing of the test is left.
    after = {s["Endpoint"] for s in sns.list_subscriptions()["Subscriptions"]}
    assert after == before
    assert "jobledger-test" not in str(sqs.list_queues().get("QueueUrls"))
    assert "jobledger-test" not in str(deployment.client("events").list_rules()["Rules"])


SEND_TEST = "jobledger doctor --send-test"
