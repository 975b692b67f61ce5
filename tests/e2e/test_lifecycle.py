"""A deployment over time: over the first release, with all settings changed and changed back, then removed."""

import io
import json
import subprocess
import tarfile

import pytest

from tests.e2e.account import COUNTS, made_up_jobs
from tests.e2e.deployment import ROOT, wait_until
from tests.e2e.local_aws import own_aws

# The last commit before counters, tables of permissions and layouts with a version.
EARLIER = "8ec5bd3"
CHANGED = (
    "syncMinutes=5",
    "digestSchedule=rate(2 hours)",
    "digestTimezone=Europe/Vienna",
    "digestEmails=a@example.org",
    "digestWhen=changes",
    "chatDigests=true",
    "includeJobDetails=true",
    "alertOn=STOPPED",
    "alertEmails=b@example.org",
    "allowedAccounts=111122223333",
    "logRetentionDays=30",
    "backupDays=7",
    "keepWarm=false",
)


STABLE = ("LedgerTableName", "DigestTopicArn", "JobAlertsTopicArn", "ApiFunctionName", "ApiUrl")


def left(own):
    """What of the stack is still there, by service; the setting retainLedger is false here."""
    keys = own.client("kms")
    found = {
        "dynamodb": own.client("dynamodb").list_tables()["TableNames"],
        "sns": own.client("sns").list_topics()["Topics"],
        "lambda": own.client("lambda").list_functions()["Functions"],
        "apigateway": own.client("apigateway").get_rest_apis()["items"],
        "scheduler": own.client("scheduler").list_schedules()["Schedules"],
        "ssm": own.client("ssm").describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/job-ledger"]}]
        )["Parameters"],
        "stepfunctions": own.client("stepfunctions").list_state_machines()["stateMachines"],
        "kms": [
            key["KeyId"]
            for key in keys.list_keys()["Keys"]
            if (about := keys.describe_key(KeyId=key["KeyId"])["KeyMetadata"])[
                "Description"
            ].startswith("Job Ledger")
            and about["KeyState"] == "Enabled"
        ],
    }
    return {service: things for service, things in found.items() if things}


class Kept:
    """What a deployment may never lose: rows, topics and the subscriptions of others."""

    def __init__(self, own, outputs):
        self.own, self.outputs = own, outputs

    def rows(self):
        pages = self.own.client("dynamodb").get_paginator("scan")
        found = pages.paginate(TableName=self.outputs["LedgerTableName"])
        return {(r["PK"]["S"], r["SK"]["S"]): r for page in found for r in page["Items"]}

    def jobs(self):
        """The job rows, without what the sync keeps beside a job's own properties."""
        return {key: row["JobStatus"] for key, row in self.rows().items() if "JobStatus" in row}

    def subscribers(self):
        found = self.own.client("sns").list_subscriptions()["Subscriptions"]
        return {(s["TopicArn"], s["Endpoint"]) for s in found if s["Protocol"] == "sqs"}

    def invoke(self, output, **event):
        answer = self.own.client("lambda").invoke(
            FunctionName=self.outputs[output], Payload=json.dumps(event).encode()
        )
        result = json.load(answer["Payload"])
        assert "FunctionError" not in answer, result
        return result

    def window_end(self):
        """Where the digests' windows have got to."""
        (row,) = (row for (pk, _), row in self.rows().items() if pk == "digest")
        return row


@pytest.fixture(scope="module")
def earlier_release(tmp_path_factory):
    """The earlier release's files, from this repository's history."""
    packed = subprocess.run(["git", "archive", EARLIER], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the commit {EARLIER} is not in this clone")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.xdist_group("lifecycle")
def test_updates_keep_rows_topics_subscriptions_and_windows_and_removal_leaves_nothing(
    earlier_release,
):
    with own_aws(ROOT / ".local" / "lifecycle", made_up_jobs()) as own:
        first = Kept(own, own.deploy(app=earlier_release))
        queue = own.client("sqs").create_queue(QueueName="subscriber")["QueueUrl"]
        arn = own.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        for topic in ("DigestTopicArn", "JobAlertsTopicArn"):
            own.client("sns").subscribe(
                TopicArn=first.outputs[topic],
                Protocol="sqs",
                Endpoint=arn["Attributes"]["QueueArn"],
            )
        first.invoke("DigestFunctionName", ScheduledTime="2026-11-24T08:00:00Z")
        jobs, subscribers, window = first.jobs(), first.subscribers(), first.window_end()
        assert len(jobs) >= sum(COUNTS.values())
        assert len(subscribers) == 2

        for settings in ((), CHANGED, ()):
            now = Kept(own, own.deploy(*settings))
            assert {name: now.outputs[name] for name in STABLE} == {
                name: first.outputs[name] for name in STABLE
            }
            assert jobs.items() <= now.jobs().items()
            assert now.subscribers() == subscribers
            assert now.window_end() == window
            synced = now.invoke("SyncFunctionName")["Families"]
            assert not [family for family in synced.values() if "Error" in family]
        assert len(left(own)) == 8
        own.client("cloudformation").delete_stack(StackName="JobLedger")
        wait_until(lambda: left(own) == {}, 60, "nothing of the stack is left")
