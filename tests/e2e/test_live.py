"""What happens while a deployment runs: jobs start and end, digests are published."""

import json

import pytest

from tests.e2e.account import start_phi_job
from tests.e2e.deployment import wait_until

pytestmark = pytest.mark.xdist_group("jobs-and-lookups")

SYNC_SECONDS = 60

IN_ORDER = ["SUBMITTED", "IN_PROGRESS", "COMPLETED"]


def test_a_job_that_boto3_starts_appears_within_two_syncs_and_its_transitions_follow(deployment):
    deployment.control("settings", submitted_seconds=1.0, in_progress_seconds=45.0)
    job_id = start_phi_job(deployment.client("comprehendmedical"), "started-by-a-test")
    seen = []

    def status() -> str | None:
        pages = deployment.pages(Family="PHI", JobName="started-by-a-test")
        jobs = [job for page in pages for job in page]
        assert {job["JobId"] for job in jobs} <= {job_id}
        if jobs and jobs[0]["JobStatus"] not in seen:
            seen.append(jobs[0]["JobStatus"])
        return seen[-1] if seen else None

    wait_until(status, 2 * SYNC_SECONDS, "the job is listed", every=1)
    ended = lambda: status() == "COMPLETED"  # noqa: E731 - the name is what the reader needs
    wait_until(ended, 45 + 2 * SYNC_SECONDS, "the job is listed as COMPLETED", every=1)
    assert seen == [status for status in IN_ORDER if status in seen]
    assert deployment.get("/jobs", Family="PHI", JobStatus="COMPLETED").status == 200


def test_syncing_by_hand_says_what_each_family_cost(deployment):
    function = deployment.outputs["SyncFunctionName"]
    answer = deployment.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    families = json.load(answer["Payload"])["Families"]
    assert set(families) == {"SNOMEDCT", "ICD10CM", "RXNORM", "ENTITIES_V2", "PHI"}
    for family in families.values():
        assert set(family) >= {"AsOf", "UpstreamCalls", "Changed"}


def test_a_subscribed_queue_receives_the_digest(deployment):
    sqs = deployment.client("sqs")
    queue = sqs.create_queue(QueueName="a-test-subscribes")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    deployment.client("sns").subscribe(
        TopicArn=deployment.outputs["DigestTopicArn"],
        Protocol="sqs",
        Endpoint=attributes["Attributes"]["QueueArn"],
    )
    function = deployment.outputs["DigestFunctionName"]
    payload = json.dumps({"IdempotencyKey": "a-test-subscribes"}).encode()
    answer = deployment.client("lambda").invoke(FunctionName=function, Payload=payload)
    assert "FunctionError" not in answer, answer["Payload"].read()
    received = wait_until(
        lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"),
        seconds=30,
        what="a message in the queue",
    )
    digest = json.loads(json.loads(received[0]["Body"])["Message"])
    assert {"DigestId", "Window", "Counts"} <= set(digest)
