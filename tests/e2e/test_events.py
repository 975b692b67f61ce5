"""Change events and alerts, as the systems and the people that subscribe receive them."""

import itertools
import json
import re
import time

import pytest

from tests.e2e.account import start_phi_job
from tests.e2e.stack import Inbox, wait_until

pytestmark = pytest.mark.xdist_group("deployment")

DETAIL_TYPE = "Comprehend Medical Job State Change"


def test_each_transition_is_one_event_and_failed_jobs_are_one_alert_for_people_and_programs(
    deployment,
):
    events, wrapped, raw = (Inbox(deployment, f"events-{n}") for n in ("all", "wrapped", "raw"))
    events.follow_events()
    wrapped.subscribe("JobAlertsTopicArn")
    raw.subscribe("JobAlertsTopicArn", RawMessageDelivery="true")

    def start(outcome):
        times = {"submitted_seconds": 4, "in_progress_seconds": 4, "late_jobs": False}
        deployment.control("settings", **times, outcome=outcome)
        client = deployment.client("comprehendmedical")
        return start_phi_job(client, "a name that may tell of a patient")

    completed, failed = start("COMPLETED"), {start("FAILED") for _ in range(3)}

    def of_jobs(*ids):
        """The events of these jobs, in the order of their arrival."""
        found = [json.loads(body) for body in events.receive()]
        return [event for event in found if event["detail"]["JobId"] in ids]

    def all_are_there():
        # By hand: the schedule's minute is too long to see every status.
        deployment.invoke("SyncFunctionName", Families=["PHI"])
        return len(of_jobs(completed, *failed)) >= 12

    wait_until(all_are_there, 60, "the events have arrived", every=0.5)
    time.sleep(1)  # an event too many would come now
    got = of_jobs(completed)
    statuses = [(e["detail"]["PreviousJobStatus"], e["detail"]["JobStatus"]) for e in got]
    all_statuses = (None, "SUBMITTED", "IN_PROGRESS", "COMPLETED")
    assert statuses == [*itertools.pairwise(all_statuses)]
    assert {event["detail-type"] for event in got} == {DETAIL_TYPE}
    assert len({event["detail"]["EventId"] for event in got}) == 3

    def alerts():
        """The alerts of our jobs; alarms notify the same topic."""
        found = [json.loads(body) for body in raw.receive()]
        alerts = [each for each in found if each.get("Kind") == "Alert"]
        return [a for a in alerts if failed & {change["JobId"] for change in a["Changes"]}]

    def ours():
        # The schedule does so each minute.
        deployment.invoke("AlertsFunctionName")
        found = [c for each in alerts() for c in each["Changes"] if c["JobId"] in failed]
        return found if {change["JobId"] for change in found} == failed else None

    changes = wait_until(ours, 60, "the alert has arrived", every=0.5)
    assert [(c["Family"], c["JobStatus"]) for c in changes] == [("PHI", "FAILED")] * 3
    # The schedule's run can come between two of them.
    assert len(alerts()) <= 2
    envelopes = [json.loads(body) for body in wrapped.receive()]
    subjects = [e["Subject"] for e in envelopes if failed & {*re.findall(r"\w{32}", e["Message"])}]
    assert subjects
    assert all(re.search(r"^\[job-ledger\] .*\d+ PHI FAILED", subject) for subject in subjects)
    assert "patient" not in json.dumps([got, alerts(), envelopes])
