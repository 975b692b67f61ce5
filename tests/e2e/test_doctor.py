"""`jobledger doctor` on a deployment: all well at first, and what it says of what is broken on purpose."""

import json
import re
from datetime import UTC, datetime

import pytest

from local.options import ROOT
from testing.processes import run
from tests.e2e.programs import JOBLEDGER
from tests.e2e.stack import wait_until
from tests.unit.client.commands import environment

pytestmark = pytest.mark.xdist_group("deployment")
LONG_AGO = "2026-01-01T00:00:00.000Z"
DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def findings(stack, *options, **credentials):
    """The exit code of the doctor, and its findings by check."""
    # The API is found by the stack: below the local AWS's own address.
    endpoint = {"AWS_ENDPOINT_URL": stack.aws_endpoint, "PYTHONPATH": ""}
    variables = environment("", **endpoint, **credentials)
    done = run(JOBLEDGER, "doctor", "--json", *options, env=variables, timeout=180)
    assert done.stdout, done.stderr
    return done.returncode, {each["Check"]: each for each in json.loads(done.stdout)["Checks"]}


def shape(text):
    """A table's checks with their status; names, numbers and times differ from run to run."""
    return re.findall(r"^(ok|local|problem|no look) +(\S.{0,18}\S)  ", text, re.MULTILINE)


def documented(command):
    return DOCUMENT.split(f"$ {command}\n", 1)[1].split("```", 1)[0]


def test_the_session_of_make_local_shows_that_all_is_well_as_the_document_does(deployment):
    session = deployment.output.split("$ jobledger doctor\n", 1)[1].split("\n\n", 1)[0]
    assert {status for status, _ in shape(session)} == {"ok", "local"}, session
    assert shape(session) == shape(documented("jobledger doctor"))
    assert max(map(len, session.splitlines())) <= 80


# Each check, and what it says of what is broken.
SAID = {
    "age of the ledger": r"PHI \d+d",
    "sync errors": "AccessDeniedException",
    # The local AWS counts a pending one, but does not name it; an e-mail it confirms by itself.
    "alert subscribers": "Not confirmed, so nothing is sent to: 1 subscription",
    "alarms": "syncs fail again and again",
    "schedules": "DigestSchedule",
    "dead letters": "1 in Digest/Undelivered",
    "alert rule": "disabled",
    "key": "Disabled",
    "function errors": "errors",
    "table throttles": "throttled",
}


@pytest.fixture
def broken(deployment):
    """Everything that the local AWS can break, at once."""
    table = deployment.outputs["LedgerTableName"]
    pages = deployment.client("cloudformation").get_paginator("list_stack_resources")
    names = {
        r["LogicalResourceId"][:-8]: r["PhysicalResourceId"]
        for page in pages.paginate(StackName="JobLedger")
        for r in page["StackResourceSummaries"]
    }
    services = ("cloudwatch", "dynamodb", "events", "kms", "scheduler", "sns", "sqs")
    cloudwatch, dynamodb, events, kms, scheduler, sns, sqs = map(deployment.client, services)
    alarm = {"AlarmName": names["SyncSyncFailingAlarm"], "StateReason": "test"}
    schedule = scheduler.get_schedule(Name=names["DigestSchedule"])
    kept = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target")
    schedule = {name: schedule[name] for name in ("Name", *kept, "Description")}

    deployment.control("faults", Operation="List*", Error="AccessDeniedException", Count=100_000)
    deployment.run("SyncFunctionName")
    # The state of a family says that it was last in agreement months ago.
    key = {"PK": {"S": "state"}, "SK": {"S": "000000000000/us-east-1/PHI"}}
    row = dynamodb.get_item(TableName=table, Key=key)["Item"]
    row["Sync"]["S"] = json.dumps(json.loads(row["Sync"]["S"]) | {"AsOf": LONG_AGO})
    dynamodb.put_item(TableName=table, Item=row)
    subscribed = sns.subscribe(
        TopicArn=deployment.outputs["JobAlertsTopicArn"],
        Protocol="http",
        Endpoint="http://127.0.0.1:9/never-confirms",
        ReturnSubscriptionArn=True,
    )
    cloudwatch.set_alarm_state(**alarm, StateValue="ALARM")
    scheduler.update_schedule(**schedule, State="DISABLED")
    sqs.send_message(QueueUrl=names["DigestUndelivered"], MessageBody="{}")
    events.disable_rule(Name=names["JobAlertsRule"])
    kms.disable_key(KeyId=names["Key"])
    deployment.run("DigestFunctionName", Wrong=1)
    # As DynamoDB does.
    throttled = {"MetricName": "WriteThrottleEvents", "Value": 5.0, "Timestamp": datetime.now(UTC)}
    throttled["Dimensions"] = [{"Name": "TableName", "Value": table}]
    cloudwatch.put_metric_data(Namespace="AWS/DynamoDB", MetricData=[throttled])
    yield
    deployment.control("reset")
    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    cloudwatch.set_alarm_state(**alarm, StateValue="OK")
    scheduler.update_schedule(**schedule, State="ENABLED")
    sqs.purge_queue(QueueUrl=names["DigestUndelivered"])
    events.enable_rule(Name=names["JobAlertsRule"])
    kms.enable_key(KeyId=names["Key"])
    deployment.invoke("SyncFunctionName")


@pytest.mark.usefixtures("broken")
def test_all_that_is_broken_is_found_with_what_mends_it(deployment):
    def all_found():
        code, checks = findings(deployment)
        problems = {name for name, check in checks.items() if check["Status"] == "problem"}
        return (code, checks) if problems >= SAID.keys() else None

    code, checks = wait_until(all_found, 60, "every check finds a problem")
    assert code == 1
    assert {check["Status"] for check in checks.values()} <= {"ok", "local", "problem"}, checks
    for name, said in SAID.items():
        assert re.search(said, checks[name]["Meaning"]), checks[name]
        assert checks[name]["Mend"], name
    assert checks["age of the ledger"]["Mend"] == "docs/runbook.md#ledger-stale"
