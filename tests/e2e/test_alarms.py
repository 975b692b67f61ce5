"""An alarm of the stack rings on the local AWS, as docs/operations.md shows it."""

import json
import re
from pathlib import Path

import pytest

from local.deployment import REGION
from local.options import ROOT
from tests.e2e.programs import documented, printed
from tests.e2e.stack import Inbox, wait_until
from tests.unit.client.commands import environment

pytestmark = pytest.mark.xdist_group("deployment")


@pytest.mark.skipif(not Path("/usr/bin/curl").exists(), reason="there is no curl")
def test_a_session_with_failing_lists_rings_the_alarm_and_notifies_its_topic(deployment):
    endpoints = {
        "COMPREHEND_URL": deployment.comprehend_endpoint,
        "AWS_URL": deployment.aws_endpoint,
        "AWS_DEFAULT_REGION": REGION,
    }
    variables = environment(deployment.api_url, **endpoints)
    session = documented("docs/operations.md", "console", "### See an alarm")[0]
    break_lists, wait, show = re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]
    assert wait.startswith("sleep ")
    inbox = Inbox(deployment, "alarms")
    inbox.subscribe("JobAlertsTopicArn")
    # One that rings already, for the faults of another test, would not notify again.
    cloudwatch, quiet = deployment.client("cloudwatch"), {"StateValue": "OK", "StateReason": "test"}
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], **quiet)

    def shown() -> str | None:
        text = printed("sh", "-c", show, variables=variables, cwd=ROOT)
        return text if "SyncFailures" in text else None

    printed("sh", "-c", break_lists, variables=variables, cwd=ROOT)
    deployment.run("SyncFunctionName")
    assert "docs/runbook.md#sync-failing" in wait_until(shown, 30, "an alarm")

    def states() -> set[str]:
        bodies = [json.loads(body) for body in inbox.receive()]
        return {json.loads(body["Message"]).get("NewStateValue") for body in bodies}

    wait_until(lambda: "ALARM" in states(), 30, "the notification of the alarm")
