"""Change events and alerts, as the systems and the people that subscribe receive them."""

import json
import re
import time
import uuid

import pytest

from tests.e2e.account import start_phi_job
from tests.e2e.stack import Inbox, wait_until

pytestmark = [pytest.mark.xdist_group("jobs-and-lookups"), pytest.mark.in_order]

DETAIL_TYPE = "Comprehend Medical Job State Change"


@pytest.fixture(scope="module")
def inboxes(deployment):
    """A queue behind a rule, and two that get alerts: with SNS's envelope, and without."""
    events, wrapped, raw = (Inbox(deployment, f"events-{uuid.uuid4().hex}") for _ in range(3))
    events.follow_events()
    wrapped.subscribe("JobAlertsTopicArn")
    raw.subscribe("JobAlertsTopicArn", RawMessageDelivery="true")
    return events, wrapped, raw


@pytest.fixture(scope="module")
def started(deployment, inboxes):
    """Start a job that completes and three that fail; the ids of the first and of the others."""
    assert inboxes

    def start(outcome):
        times = {"submitted_seconds": 4, "in_progress_seconds": 4, "late_jobs": False}
        deployment.control("settings", **times, outcome=outcome)
        client = deployment.client("comprehendmedical")
        return start_phi_job(client, "a name that may tell of a patient")

    return start("COMPLETED"), {start("FAILED") for _ in range(3)}


def of_jobs(inbox, ids):
    """The events of these jobs, in the order of their arrival."""
    found = [json.loads(body) for body in inbox.receive()]
    return [event for event in found if event["detail"]["JobId"] in ids]


def test_a_queue_behind_a_rule_gets_each_transition_once_and_in_order(deployment, inboxes, started):
    events, _, _ = inboxes
    completed, failed = started

    def all_are_there():
        # By hand: the schedule's minute is too long to see every status.
        deployment.invoke("SyncFunctionName", Families=["PHI"])
        return len(of_jobs(events, {completed, *failed})) >= 12

    wait_until(all_are_there, 60, "the events have arrived", every=0.5)
    time.sleep(1)  # an event too many would come now
    got = of_jobs(events, {completed})
    statuses = [event["detail"]["JobStatus"] for event in got]
    assert statuses == ["SUBMITTED", "IN_PROGRESS", "COMPLETED"]
    assert [e["detail"]["PreviousJobStatus"] for e in got] == [None, "SUBMITTED", "IN_PROGRESS"]
    assert {event["detail-type"] for event in got} == {DETAIL_TYPE}
    assert len({event["detail"]["EventId"] for event in got}) == 3
    assert "patient" not in json.dumps(got)


def test_failed_jobs_are_one_alert_that_people_and_programs_can_read(deployment, inboxes, started):
    _, wrapped, raw = inboxes
    _, failed = started

    def alerts():
        """The alerts of our jobs; alarms notify the same topic."""
        found = [json.loads(body) for body in raw.receive()]
        alerts = [each for each in found if each.get("Kind") == "Alert"]
        return [a for a in alerts if failed & {change["JobId"] for change in a["Changes"]}]

    def all_are_alerted():
        # The schedule does so each minute.
        deployment.invoke("AlertsFunctionName")
        return failed <= {change["JobId"] for each in alerts() for change in each["Changes"]}

    wait_until(all_are_alerted, 60, "the alert has arrived", every=0.5)
    # The schedule's run can come between two of them.
    assert len(alerts()) <= 2
    ours = [c for each in alerts() for c in each["Changes"] if c["JobId"] in failed]
    assert [(c["Family"], c["JobStatus"]) for c in ours] == [("PHI", "FAILED")] * 3
    envelopes = [json.loads(body) for body in wrapped.receive()]
    subjects = [e["Subject"] for e in envelopes if failed & {*re.findall(r"\w{32}", e["Message"])}]
    assert subjects
    assert all(re.search(r"^\[job-ledger\] .*\d+ PHI FAILED", subject) for subject in subjects)
    assert "patient" not in json.dumps([alerts(), envelopes])


def test_the_first_fill_has_raised_no_event(deployment):
    """Every event there ever was belongs to a job that was started after the deployment."""
    known = {job["JobId"] for jobs in deployment.jobs.values() for job in jobs}
    changed = {
        row["JobId"]["S"]
        for row in deployment.rows()
        if row["PK"]["S"].endswith("#changes") and "PreviousJobStatus" not in row
    }
    assert not known & changed
