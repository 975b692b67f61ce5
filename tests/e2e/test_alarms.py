"""An alarm of the stack rings on the local AWS, as docs/operations.md shows it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.deployment import ROOT, Inbox, wait_until

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")


def documented() -> list[str]:
    """The commands of the session."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("### See an alarm")[2].partition("## Logs")[0]
    (session,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [command.strip() for command in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]


def run(deployment, command: str) -> str:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "COMPREHEND_URL": deployment.ready["ComprehendMedicalEndpoint"],
        "AWS_URL": deployment.ready["AwsEndpoint"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": deployment.ready["Region"],
    }
    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def be_quiet(deployment):
    """Reset the alarms: one that rings already, for the faults of another test, would not notify again."""
    cloudwatch = deployment.client("cloudwatch")
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        cloudwatch.set_alarm_state(
            AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="a test begins"
        )


@pytest.mark.skipif(not Path("/usr/bin/curl").exists(), reason="there is no curl")
def test_a_session_with_failing_lists_rings_the_alarm_and_notifies_its_topic(deployment):
    break_lists, wait, show = documented()
    assert wait.startswith("sleep ")
    inbox = Inbox(deployment, "alarms")
    inbox.subscribe("JobAlertsTopicArn")
    function = deployment.outputs["SyncFunctionName"]
    be_quiet(deployment)
    try:
        run(deployment, break_lists)
        deployment.client("lambda").invoke(FunctionName=function, Payload=b"{}")
        shown = wait_until(
            lambda: text if "SyncFailures" in (text := run(deployment, show)) else None,
            30,
            "an alarm",
        )
    finally:
        deployment.control("reset")
    assert "docs/runbook.md#sync-failing" in shown

    def states() -> set[str]:
        bodies = [json.loads(body) for body in inbox.receive()]
        return {json.loads(body["Message"]).get("NewStateValue") for body in bodies}

    wait_until(lambda: "ALARM" in states(), 30, "the notification of the alarm")
