"""Change events and alerts, as the systems and the people that subscribe receive them."""

import json
import re
import time
import uuid

import pytest

from tests.e2e.account import start_phi_job
from tests.e2e.deployment import wait_until

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")

DETAIL_TYPE = "Comprehend Medical Job State Change"


class Queue:
    """A queue whose messages are kept in the order of their arrival."""

    def __init__(self, deployment):
        self._sqs = deployment.client("sqs")
        self.name = f"events-{uuid.uuid4().hex}"
        self._url = self._sqs.create_queue(QueueName=self.name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]
        self.received = []

    def receive(self):
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.received.append(message["Body"])
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self.received


def start_job(deployment, outcome):
    deployment.control(
        "settings", submitted_seconds=4, in_progress_seconds=4, late_jobs=False, outcome=outcome
    )
    return start_phi_job(
        deployment.client("comprehendmedical"), "a name that may tell of a patient"
    )


def sync_until(deployment, done, seconds=60):
    """Sync each second, by hand: the schedule's minute is too long to see every status."""
    function = deployment.outputs["SyncFunctionName"]

    def synced_and_done():
        payload = json.dumps({"Families": ["PHI"]}).encode()
        deployment.client("lambda").invoke(FunctionName=function, Payload=payload)
        return done()

    wait_until(synced_and_done, seconds, "the events have arrived", every=0.5)


def test_a_queue_behind_a_rule_gets_each_transition_once_and_in_order(deployment):
    queue = Queue(deployment)
    events = deployment.client("events")
    events.put_rule(Name=queue.name, EventPattern=json.dumps({"source": ["jobledger"]}))
    events.put_targets(Rule=queue.name, Targets=[{"Id": "queue", "Arn": queue.arn}])
    job_id = start_job(deployment, "COMPLETED")

    def ours():
        details = [json.loads(body) for body in queue.receive()]
        return [event for event in details if event["detail"]["JobId"] == job_id]

    sync_until(deployment, lambda: len(ours()) >= 3)
    time.sleep(2)  # an event too many would come now
    got = ours()
    assert [event["detail"]["JobStatus"] for event in got] == [
        "SUBMITTED",
        "IN_PROGRESS",
        "COMPLETED",
    ]
    previous = [event["detail"]["PreviousJobStatus"] for event in got]
    assert previous == [None, "SUBMITTED", "IN_PROGRESS"]
    assert {event["detail-type"] for event in got} == {DETAIL_TYPE}
    assert len({event["detail"]["EventId"] for event in got}) == 3
    assert "patient" not in json.dumps(got)


def test_failed_jobs_are_one_alert_that_people_and_programs_can_read(deployment):
    queues = {raw: Queue(deployment) for raw in ("true", "false")}
    for raw, queue in queues.items():
        deployment.client("sns").subscribe(
            TopicArn=deployment.outputs["JobAlertsTopicArn"],
            Protocol="sqs",
            Endpoint=queue.arn,
            Attributes={"RawMessageDelivery": raw},
        )
    job_ids = {start_job(deployment, "FAILED") for _ in range(3)}

    def alerts(queue):
        found = [json.loads(body) for body in queue.receive()]
        return [each for each in found if each.get("Kind") == "Alert"]

    def alerted():
        return {change["JobId"] for each in alerts(queues["true"]) for change in each["Changes"]}

    # The schedule invokes the function each minute; the test does not.
    sync_until(deployment, lambda: job_ids <= alerted(), seconds=150)
    messages = [
        each
        for each in alerts(queues["true"])
        if job_ids & {change["JobId"] for change in each["Changes"]}
    ]
    # The minute can end between two of them.
    assert len(messages) <= 2
    ours = [c for each in messages for c in each["Changes"] if c["JobId"] in job_ids]
    assert [(c["Family"], c["JobStatus"]) for c in ours] == [("PHI", "FAILED")] * 3
    wrapped = [json.loads(body) for body in queues["false"].receive()]
    subjects = [e["Subject"] for e in wrapped if job_ids & set(re.findall(r"\w{32}", e["Message"]))]
    assert subjects
    assert all(re.search(r"^\[job-ledger\] .*\d+ PHI FAILED", subject) for subject in subjects)
    assert "patient" not in json.dumps([messages, wrapped])


def test_a_test_event_is_an_alert_that_says_so(deployment):
    queue = Queue(deployment)
    deployment.client("sns").subscribe(
        TopicArn=deployment.outputs["JobAlertsTopicArn"], Protocol="sqs", Endpoint=queue.arn
    )
    event_id = uuid.uuid4().hex
    detail = {
        "Family": "PHI",
        "JobId": "0" * 32,
        "JobStatus": "FAILED",
        "EventId": event_id,
        "Test": True,
    }
    entry = {"Source": "jobledger", "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}
    deployment.client("events").put_events(Entries=[entry])

    def sent():
        function = deployment.outputs["AlertsFunctionName"]
        deployment.client("lambda").invoke(FunctionName=function, Payload=b"{}")
        return [json.loads(body) for body in queue.receive() if event_id in body]

    (message,) = wait_until(sent, 30, "the test arrives")
    assert message["Subject"] == "[job-ledger] TEST: 1 PHI FAILED"
    assert json.loads(message["Message"])["Test"] is True


def test_the_first_fill_has_raised_no_event(deployment):
    """Every event there ever was belongs to a job that was started after the deployment."""
    table = deployment.outputs["LedgerTableName"]
    known = {job["JobId"] for jobs in deployment.jobs.values() for job in jobs}
    changed = set()
    for page in deployment.client("dynamodb").get_paginator("scan").paginate(TableName=table):
        changed |= {
            item["JobId"]["S"]
            for item in page["Items"]
            if item["PK"]["S"].endswith("#changes") and "PreviousJobStatus" not in item
        }
    assert not known & changed
