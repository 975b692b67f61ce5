"""Three accounts and two regions in one deployed ledger: all jobs once and in order, whatever happens to a source."""

import json
import os
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from local.deployment import REGION, write_environment
from local.options import ROOT
from tests.e2e.account import start_phi_job
from tests.e2e.hub import (
    FAILED,
    JOBS,
    LATE,
    LATE_SOURCE,
    MEMBER,
    MEMBER_SOURCE,
    OWN,
    OWN_SOURCE,
    SOURCES,
    Hub,
    assert_all_once_and_in_order,
    deployed_hub,
    everywhere,
    source_of,
)
from tests.e2e.lookups import Stacks
from tests.e2e.permission_uses import window
from tests.e2e.programs import documented, printed
from tests.e2e.stack import LIST, Inbox, keys_of, wait_until

pytestmark = [pytest.mark.xdist_group("sources"), pytest.mark.in_order, pytest.mark.longest]

AWS_CLI = ROOT / ".venv-awscli" / "bin"
START, SHOW, OFF, HEALTH, ON, REVOKE, BRING_BACK = documented(
    "docs/sources.md", "sh", "## Try it locally"
)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with deployed_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def shell(hub, tmp_path_factory) -> Callable[[str], str]:
    """Run commands of the document in a shell with `.local/env`; return what they print."""
    home = tmp_path_factory.mktemp("home")
    ready = {"ApiUrl": hub.api_url, "AwsEndpoint": hub.aws_endpoint, "Region": REGION}
    ready |= {"ComprehendMedicalEndpoint": hub.comprehend_endpoint, "Sources": SOURCES}
    write_environment(home / "env", ready)
    variables = {"PATH": f"{AWS_CLI}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
    state_dir = hub.own.aws.options.state_dir

    def run(block: str) -> str:
        script = f". {home}/env\n" + block.replace(". .local/env\n", "")
        script = script.replace(".local/", f"{state_dir}/")
        return printed("sh", "-e", "-c", script, variables=variables, cwd=home)

    return run


def test_a_member_that_is_not_there_yet_is_an_error_of_its_sources_alone(hub):
    assert hub.sync() == dict.fromkeys(SOURCES[:4]) | dict.fromkeys(SOURCES[4:], "AccessDenied")
    assert hub.unhealthy() == dict.fromkeys(SOURCES[4:], "AccessDenied")
    page = hub.get("/jobs", Family="PHI", MaxResults=100).json
    assert_all_once_and_in_order(page[LIST], everywhere(*SOURCES[:4]))
    # The whole list is as old as its oldest source; that of an account is as old as the account's.
    assert page["AsOf"] is None
    for account, sources in ((OWN, SOURCES[:2]), (MEMBER, SOURCES[2:4])):
        assert_all_once_and_in_order(hub.jobs(Account=account), everywhere(*sources))


def test_when_it_is_deployed_everything_is_in_one_list_once_and_in_order(hub):
    hub.own.deploy_member(LATE)
    assert set(hub.sync().values()) == {None}
    assert hub.unhealthy() == {}
    jobs = hub.jobs()
    assert_all_once_and_in_order(jobs, everywhere(*SOURCES))
    # Each row has what its own source says, and not its twin's.
    assert all(job["JobName"] == source_of(job).replace("/", ":") for job in jobs)


def test_the_document_starts_a_job_in_a_member_and_lists_it(hub, shell):
    job_id = json.loads(shell(START))["JobId"]

    def is_listed():
        hub.sync()
        return [job["JobId"] for job in json.loads(shell(SHOW))[LIST]] == [job_id]

    wait_until(is_listed, 60, "the job is listed", every=0.5)


def test_events_and_alerts_say_the_source_of_a_job_and_are_all_on_the_hubs_bus(hub):
    events, alerts = Inbox(hub, "source-events"), Inbox(hub, "source-alerts")
    events.follow_events()
    alerts.subscribe("JobAlertsTopicArn", RawMessageDelivery="true")
    failing = {}
    for source in SOURCES:
        hub.control("settings", source, submitted_seconds=0.5, in_progress_seconds=0.5)
        failing[hub.start(source, "will-fail")] = source

    def failed():
        hub.sync()
        details = [json.loads(body)["detail"] for body in events.receive()]
        failures = [each for each in details if each["JobStatus"] == "FAILED"]
        return {each["JobId"]: source_of(each) for each in failures} == failing

    def alerted():
        hub.invoke("AlertsFunctionName")
        found = [json.loads(body) for body in alerts.receive()]
        changes = [c for each in found if each.get("Kind") == "Alert" for c in each["Changes"]]
        return {c["JobId"]: source_of(c) for c in changes} == failing

    wait_until(failed, 60, "all jobs failed", every=0.5)
    wait_until(alerted, 60, "all are alerted", every=0.5)
    started = {(source, job_id) for job_id, source in failing.items()}
    assert_all_once_and_in_order(hub.jobs(JobName="will-fail"), started)


def test_a_digest_has_a_section_for_each_source_that_has_something_to_say(hub):
    inbox = Inbox(hub, "source-digest")
    inbox.subscribe("DigestTopicArn")
    document = inbox.digest(hub.invoke("DigestFunctionName", **window())["DigestId"])
    said = {source_of(s): (s["Verdict"], s["Counts"]) for s in document["Sources"]}
    assert said == dict.fromkeys(SOURCES, ("ATTENTION", {"FAILED": 1}))
    assert document["Counts"]["FAILED"] == len(SOURCES)
    failed = [(source_of(job), job["JobId"]) for job in document["Failed"]]
    assert sorted(failed) == [(source, FAILED["JobId"]) for source in sorted(SOURCES)]


def test_a_look_up_finds_the_job_of_the_account_and_region_that_it_names(hub):
    stacks = Stacks(hub.client("cloudformation"), hub.outputs["LookupServiceToken"])
    lookups, names = {}, {}
    for number, source in enumerate((OWN_SOURCE, MEMBER_SOURCE, LATE_SOURCE)):
        account, region = source.split("/")
        place = {"Account": account, "Region": region}
        lookups[f"Of{number}"] = {"Family": "PHI", "JobStatus": "COMPLETED"} | place
        names[f"Of{number}JobName"] = source.replace("/", ":")
    stacks.put("Lookups", lookups, ["JobName"])
    assert stacks.end("Lookups") == "CREATE_COMPLETE", stacks.reasons("Lookups")
    assert stacks.outputs("Lookups") == names


def test_a_role_of_a_member_may_list_and_nothing_else_and_only_the_sync_may_assume_it(hub):
    role = f"arn:aws:iam::{MEMBER}:role/JobLedgerMember"
    asked = {"RoleArn": role, "ExternalId": f"{OWN}/JobLedger"}
    # As the function, whose role an administrator lets the account's root user assume.
    iam, own = hub.client("iam"), "JobLedger-Sync"
    trust = iam.get_role(RoleName=own)["Role"]["AssumeRolePolicyDocument"]
    owner = {"AWS": f"arn:aws:iam::{OWN}:root"}
    root = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": owner}
    changed = trust | {"Statement": [*trust["Statement"], root]}
    iam.update_assume_role_policy(RoleName=own, PolicyDocument=json.dumps(changed))
    sync = hub.client("sts", *keys_of(hub.client("sts"), RoleArn=f"arn:aws:iam::{OWN}:role/{own}"))
    iam.update_assume_role_policy(RoleName=own, PolicyDocument=json.dumps(trust))
    for caller, wrong in (
        (hub.client("sts"), asked),
        (hub.client("sts", LATE), asked),
        (sync, asked | {"ExternalId": "somebody-else"}),
        (sync, asked | {"RoleArn": f"arn:aws:iam::{MEMBER}:role/another"}),
        (sync, asked | {"RoleArn": "arn:aws:iam::333344445555:role/JobLedgerMember"}),
        (sync, {"RoleArn": role}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            keys_of(caller, **wrong)
    member = keys_of(sync, **asked)
    reader = hub.client("comprehendmedical", *member, region="eu-west-1")
    # Hostile as it is, the page may be empty.
    assert LIST in reader.list_phi_detection_jobs()
    with pytest.raises(ClientError, match="AccessDenied"):
        start_phi_job(reader, "not allowed")
    with pytest.raises(ClientError, match="AccessDenied"):
        hub.client("s3", *member).list_buckets()


def test_a_dead_source_is_late_by_itself(hub, shell):
    shell(OFF)
    alive = [source for source in SOURCES if source != MEMBER_SOURCE]
    started = {(source, hub.start(source, "while-one-is-dead")) for source in alive}

    def all_others_are_listed():
        assert hub.sync() == dict.fromkeys(alive) | {MEMBER_SOURCE: "ConnectionClosedError"}
        return len(hub.jobs(JobName="while-one-is-dead")) == len(alive)

    wait_until(all_others_are_listed, 60, "the jobs of the others are listed", every=0.5)
    assert hub.unhealthy() == {MEMBER_SOURCE: "ConnectionClosedError"}
    assert_all_once_and_in_order(hub.jobs(JobName="while-one-is-dead"), started)
    assert {(MEMBER_SOURCE, job["JobId"]) for job in JOBS} <= {
        (source_of(job), job["JobId"]) for job in hub.jobs(Account=MEMBER)
    }
    assert '"ConnectionClosedError"' in shell(HEALTH)
    shell(ON)
    assert set(hub.sync().values()) == {None}
    assert hub.unhealthy() == {}


def test_a_role_that_is_revoked_is_an_error_of_its_sources_until_it_comes_back(hub, shell):
    shell(REVOKE)
    errors = hub.sync()
    dead = {source for source, error in errors.items() if error}
    assert dead == set(SOURCES[2:4])
    assert {errors[source] for source in dead} <= {"AccessDenied", "AccessDeniedException"}
    shell(BRING_BACK)
    job_id = hub.start(MEMBER_SOURCE, "the-role-is-back")
    # The first sync may still have the credentials of the old role.
    wait_until(lambda: set(hub.sync().values()) == {None}, 30, "all sources are synced")
    listed = hub.jobs(JobName="the-role-is-back")
    assert [(source_of(job), job["JobId"]) for job in listed] == [(MEMBER_SOURCE, job_id)]


def test_a_source_that_is_removed_from_the_deployed_stack_keeps_its_jobs_marked(hub):
    before = {(source_of(job), job["JobId"]) for job in hub.jobs()}
    left = [source for source in SOURCES[1:] if source != MEMBER_SOURCE]
    with hub.deployed_with(f"sources={','.join(left)}"):
        assert MEMBER_SOURCE not in hub.sync()
        jobs = hub.jobs()
        assert_all_once_and_in_order(jobs, before)
        for job in jobs:
            assert job.get("SourceRemoved") is (True if source_of(job) == MEMBER_SOURCE else None)
    # It is added again: the missed job comes, and no mark is left.
    job_id = hub.start(MEMBER_SOURCE, "missed")
    wait_until(lambda: set(hub.sync().values()) == {None}, 30, "all sources are synced")
    jobs = hub.jobs()
    assert_all_once_and_in_order(jobs, before | {(MEMBER_SOURCE, job_id)})
    assert not any("SourceRemoved" in job for job in jobs)
