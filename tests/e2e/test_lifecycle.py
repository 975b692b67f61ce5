"""Deployments over time: over the first release, with all settings changed and changed back, beside another, removed.

The tests share one local AWS, and run in the order of the file.
"""

import io
import json
import os
import subprocess
import tarfile

import pytest

from local import destroy
from local.options import ROOT
from local.processes import LocalError
from tests.e2e.account import FEW, made_up_jobs, start_phi_job
from tests.e2e.enforced import Enforced
from tests.e2e.local_aws import OwnAws, own_aws
from tests.e2e.stack import Inbox, Stack, is_complete, wait_until

pytestmark = [pytest.mark.xdist_group("lifecycle"), pytest.mark.in_order]

# The last commit before counters, tables of permissions and layouts with a version.
EARLIER = "8ec5bd3"
# All settings but `name`, which makes another deployment, and `bundleFor`, which is of this machine.
CHANGED = (
    "families=PHI,RXNORM",
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
    "vpcEndpointIds=vpce-0a1b2c3d4e5f60718",
    "logRetentionDays=30",
    "backupDays=7",
    "keepWarm=false",
    "retainLedger=true",
)
STABLE = ("LedgerTableName", "DigestTopicArn", "JobAlertsTopicArn", "ApiFunctionName", "ApiUrl")
TOPICS = ("DigestTopicArn", "JobAlertsTopicArn")
OTHER = "Ward7"
TOKENS = {
    "JobLedger": "/job-ledger/lookup-service-token",
    OTHER: "/job-ledger/Ward7/lookup-service-token",
}


# By service: the call that lists, where the list is, and the name of each in it.
LISTS = {
    "cloudwatch": ("describe_alarms", "MetricAlarms", "AlarmName"),
    "dynamodb": ("list_tables", "TableNames", None),
    "events": ("list_rules", "Rules", "Name"),
    "iam": ("list_roles", "Roles", "RoleName"),
    "lambda": ("list_functions", "Functions", "FunctionName"),
    "logs": ("describe_log_groups", "logGroups", "logGroupName"),
    "scheduler": ("list_schedules", "Schedules", "Name"),
    "sns": ("list_topics", "Topics", "TopicArn"),
    "sqs": ("list_queues", "QueueUrls", None),
    "ssm": ("describe_parameters", "Parameters", "Name"),
    "stepfunctions": ("list_state_machines", "stateMachines", "name"),
}


def left(own, name):
    """What of a stack is still there, by service. Its keys cannot be distinguished from those of other stacks."""
    found = {}
    for service, (call, where, key) in LISTS.items():
        listed = getattr(own.client(service), call)().get(where, [])
        names = [each[key] if key else each for each in listed]
        marks = (TOKENS[name],) if service == "ssm" else (f"{name}-", f"/{name}/")
        mine = [each for each in names if any(mark in each for mark in marks)]
        # The account's role for the logs of API Gateway stays.
        found[service] = [each for each in mine if "CloudWatchRole" not in each]
    return {service: names for service, names in found.items() if names}


def keys_in_use(own):
    """The keys that deployments have made, and that are not to be deleted."""
    kms = own.client("kms")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    ours = [key for key in keys if key["Description"].startswith("Job Ledger")]
    return [key["KeyId"] for key in ours if key["KeyState"] == "Enabled"]


class Kept(Stack):
    """What a deployment may never lose: rows, topics and the subscriptions of others."""

    def by_key(self):
        return {(row["PK"]["S"], row["SK"]["S"]): row for row in self.rows()}

    def jobs(self):
        """The job rows, without what the sync keeps beside a job's own properties."""
        rows = self.by_key().items()
        return {key: json.loads(row["Job"]["S"])["JobStatus"] for key, row in rows if "Job" in row}

    def changes(self):
        return {key: row for key, row in self.by_key().items() if key[0].endswith("#changes")}

    def subscribers(self):
        found = self.client("sns").list_subscriptions()["Subscriptions"]
        return {(s["TopicArn"], s["Endpoint"]) for s in found if s["Protocol"] == "sqs"}

    def sync(self):
        def complete():
            return is_complete(self.invoke("SyncFunctionName")["Families"])

        wait_until(complete, 30, "a sync is complete")

    def window_end(self):
        """Where the digests' windows have got to."""
        (row,) = (row for (pk, _), row in self.by_key().items() if pk == "digest")
        return row


@pytest.fixture(scope="module")
def earlier_release():
    """The earlier release's files, from this repository's history: kept, with its bundle, for the next run."""
    folder = ROOT / ".local" / f"release-{EARLIER}"
    if folder.exists():
        return folder
    packed = subprocess.run(["git", "archive", EARLIER], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        missing = f"the commit {EARLIER} is not in this clone"
        # Continuous integration clones in full: there, a skip would hide that nothing updates an earlier release.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    partial = folder.with_suffix(".new")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(partial, filter="data")
    return partial.rename(folder)


@pytest.fixture(scope="module")
def own():
    with own_aws(ROOT / ".local" / "lifecycle", made_up_jobs(FEW)) as own:
        yield own


def test_updates_keep_rows_topics_subscriptions_and_windows(own, earlier_release):
    first = Kept(*own.places(own.deploy(app=earlier_release)))
    Inbox(first, "subscriber").subscribe(*TOPICS)
    first.invoke("DigestFunctionName", ScheduledTime="2026-11-24T08:00:00Z")
    jobs, subscribers, window = first.jobs(), first.subscribers(), first.window_end()
    assert first.changes() == {}, "a first fill records no changes"
    start_phi_job(first.client("comprehendmedical"), "new")

    def recorded():
        first.sync()
        return first.changes()

    changes = wait_until(recorded, 20, "the new job is a change")
    assert len(jobs) >= sum(FEW.values())
    assert len(subscribers) == len(TOPICS)

    key = own.client("kms").create_key()["KeyMetadata"]["Arn"]
    acl = "arn:aws:wafv2:us-east-1:000000000000:regional/webacl/any/1a2b3c4d-0000-4000-8000-000000000000"
    for settings in ((*CHANGED, f"kmsKeyArn={key}", f"webAclArn={acl}"), ()):
        now = Kept(*own.places(own.deploy(*settings)))
        assert [now.outputs[name] for name in STABLE] == [first.outputs[name] for name in STABLE]
        assert jobs.items() <= now.jobs().items()
        assert changes.items() <= now.changes().items()
        assert now.subscribers() == subscribers
        assert now.window_end() == window
        now.sync()
    states = [
        json.loads(row["Sync"]["S"]) for (pk, _), row in now.by_key().items() if pk == "state"
    ]
    assert [bool(state.get("Counted")) for state in states] == [True] * len(FEW)


def test_a_failed_first_deployment_does_not_block_the_next(own):
    # What it fails with: the only resource whose name is not CloudFormation's.
    ssm = own.client("ssm")
    ssm.put_parameter(Name=TOKENS[OTHER], Value="of someone else", Type="String")
    with pytest.raises(LocalError, match="ParameterAlreadyExists"):
        own.deploy(f"name={OTHER}", "retainLedger=true")
    ssm.delete_parameter(Name=TOKENS[OTHER])
    assert set(left(own, OTHER)) == {"dynamodb"}, "only the table is kept, which may have rows"
    Kept(*own.places(own.deploy_again())).sync()


@pytest.fixture
def both(own, earlier_release):
    """Two deployments in one account and region, by the outputs of their stacks."""
    stacks = own.client("cloudformation").describe_stacks()["Stacks"]
    outputs = {
        stack["StackName"]: {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        for stack in stacks
        if stack["StackName"] in ("JobLedger", OTHER)
    }
    return tuple(Kept(*own.places(outputs[name])) for name in ("JobLedger", OTHER))


def test_two_deployments_work_side_by_side(own: OwnAws, both):
    first, other = both
    shared = set(first.outputs.values()) & set(other.outputs.values())
    assert shared <= {first.outputs["FirstSync"]}
    assert first.jobs().keys() ^ other.jobs().keys() == set()
    window = first.window_end()
    other.invoke("DigestFunctionName", ScheduledTime="2026-11-24T08:00:00Z")
    assert first.window_end() == window
    for deployment in both:
        deployment.sync()
        assert Enforced(*own.places(deployment.outputs), own).call("/health").status == 200
        token = TOKENS[OTHER if deployment is other else "JobLedger"]
        parameter = own.client("ssm").get_parameter(Name=token)["Parameter"]
        assert parameter["Value"] == deployment.outputs["LookupServiceToken"]

    def services():
        metrics = own.client("cloudwatch").list_metrics(Namespace="JobLedger")["Metrics"]
        return {d["Value"] for m in metrics for d in m["Dimensions"] if d["Name"] == "service"}

    wait_until(lambda: services() == {"job-ledger", f"job-ledger-{OTHER}"}, 10, "both send metrics")


def test_removal_leaves_what_is_to_be_kept_and_nothing_else(own, both):
    client, keys = own.client("cloudformation"), keys_in_use(own)
    assert len(left(own, "JobLedger")) == 11
    kept = destroy.resources_of(own, OTHER)
    for name in ("JobLedger", OTHER):
        client.delete_stack(StackName=name)
    # The first was deployed with retainLedger=false.
    wait_until(lambda: left(own, "JobLedger") == {}, 60, "nothing of the first stack is left")
    wait_until(lambda: set(left(own, OTHER)) == {"dynamodb"}, 60, "the other's table is left")
    # One key of the other, and one of its failed deployment.
    assert len(keys_in_use(own)) == len(keys) - 1 == 2
    remaining = destroy.remaining(own, kept)
    table = both[1].outputs["LedgerTableName"]
    assert [table in one.what for one in remaining] == [True, False]
    assert [key in remaining[1].what for key in keys_in_use(own)].count(True) == 1
