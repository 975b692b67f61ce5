"""The setting `sources`: what it adds to a deployed stack, and whose roles the sync may assume."""

import json
import re
import textwrap
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.session import Session

from stacks.settings import Settings
from testing.processes import ROOT, run
from tests.infrastructure import iam
from tests.infrastructure.chosen import FULL, SOURCES
from tests.infrastructure.template_reading import by_path, of_type, path_of, readable
from tests.infrastructure.test_changed_settings import identity

HUB, MEMBER, OTHER = "111122223333", "222233334444", "999999999999"
OWN = "AWS::AccountId/AWS::Region"
SYNC = "Sync/FunctionRole"
HUB_ROLE = f"arn:AWS::Partition:iam::{HUB}:role/JobLedger-Sync"


def listed_sources(count):
    return [f"{100_000_000_000 + number}/us-east-1" for number in range(count)]


def role_of(account, name="JobLedgerMember"):
    return f"arn:AWS::Partition:iam::{account}:role/{name}"


@pytest.fixture(scope="module")
def shared(synthesise):
    """The resources with sources, and nothing else chosen."""
    return synthesise(sources=SOURCES["sources"]).to_json()["Resources"]


def test_without_sources_the_template_has_nothing_of_them(template):
    text = json.dumps(template.to_json())
    words = ("SOURCES", "Sources", "BySource", "SourceKey", "Member", "MEMBER", "EXTERNAL_ID")
    others = ("DIGEST_BY", "RoleName", "JobLedger-Sync", '"Action": "sts:AssumeRole", "Resource"')
    assert [word for word in (*words, *others) if word in text] == []


def test_an_update_adds_an_index_replaces_the_role_of_the_sync_and_nothing_else(resources, shared):
    assert resources.keys() == shared.keys()
    replaced = [
        path_of(resource)
        for name, resource in resources.items()
        if not resource["Type"].startswith("Custom::")
        and identity(name, resource) != identity(name, shared[name])
    ]
    assert replaced == [SYNC]
    ledgers = [by_path(each)["Ledger"]["Properties"] for each in (resources, shared)]
    before, after = (
        {index["IndexName"]: index for index in ledger.pop("GlobalSecondaryIndexes")}
        for ledger in json.loads(json.dumps(ledgers))
    )
    assert before == {name: after[name] for name in before}
    assert after.keys() - before == {"BySource"}
    assert after["BySource"]["Projection"] == {"ProjectionType": "ALL"}
    keys = [key["AttributeName"] for key in after["BySource"]["KeySchema"]]
    assert keys == ["SourceKey", "SK"]


def variables(resources):
    functions = of_type(resources, "AWS::Lambda::Function")
    return {
        path: readable(function.get("Environment", {}).get("Variables", {}), resources)
        for path, function in functions.items()
    }


def test_functions_know_the_sources_and_only_the_sync_how_to_reach_them(shared):
    found = variables(shared)
    text = "AWS::Region=AWS::AccountId;eu-west-1=222233334444;us-east-1=222233334444,333344445555"
    with_sources = {path for path, each in found.items() if each.get("SOURCES") == text}
    assert with_sources == {path for path, each in found.items() if "FAMILIES" in each}
    assert {each.get("SOURCES", text) for each in found.values()} == {text}
    for name, path, value in (
        ("EXTERNAL_ID", "Sync/Function", "AWS::AccountId/JobLedger"),
        ("MEMBER_ROLE_NAME", "Sync/Function", "JobLedgerMember"),
        ("DIGEST_BY", "Digest/Function", "ledger"),
    ):
        assert {p: each[name] for p, each in found.items() if name in each} == {path: value}


def test_settings_of_sources_reach_the_functions(chosen):
    found = variables(chosen)
    assert found["Sync/Function"]["SOURCES"] == "us-gov-west-1=222233334444,333344445555"
    assert found["Sync/Function"]["EXTERNAL_ID"] == "ward-7"
    assert found["Sync/Function"]["MEMBER_ROLE_NAME"] == "Ward7Member"
    assert found["Digest/Function"]["DIGEST_BY"] == "source"
    assert by_path(chosen)[SYNC]["Properties"]["RoleName"] == "Ward7-Sync"


def payloads(resources):
    """Return the sources of each schedule of the sync."""
    found = of_type(resources, "AWS::Scheduler::Schedule")
    return {
        path: json.loads(readable(schedule["Target"]["Input"], resources))
        for path, schedule in found.items()
        if path.startswith("Sync/")
    }


@pytest.mark.parametrize("count, groups", [(1, 1), (24, 1), (25, 2), (49, 2), (50, 3), (200, 9)])
def test_schedules_have_each_source_once_in_groups_of_one_size(synthesise, count, groups):
    sources = listed_sources(count)
    resources = synthesise(sources=",".join(sources)).to_json()["Resources"]
    found = payloads(resources)
    assert list(found) == ["Sync/Schedule", *(f"Sync/Schedule{n}" for n in range(2, groups + 1))]
    run = [payload["Sources"] for payload in found.values()]
    assert sorted(source for group in run for source in group) == sorted([OWN, *sources])
    assert run[0][0] == OWN
    sizes = [len(group) for group in run]
    assert max(sizes) <= 25
    assert max(sizes) - min(sizes) <= 1


def test_the_own_source_is_left_out_or_the_same_when_it_is_listed(synthesise):
    without = synthesise(sources=SOURCES["sources"], ownSource="false").to_json()["Resources"]
    assert OWN not in str(payloads(without))
    from aws_cdk import Stack

    from stacks.sources import member_roles, source_groups

    settings = Settings(sources=("222233334444/us-east-1", "222233334444/eu-west-1"))
    known = Settings(**{**vars(settings), "deployed_to": "222233334444/us-east-1"})
    (group,) = source_groups(Stack(), known)
    assert group[1:] == ["222233334444/eu-west-1"]
    assert member_roles(Stack(), known) == []
    assert len(member_roles(Stack(), settings)) == 1


@pytest.mark.parametrize("name", ["JobLedger", "W" * 58])
def test_200_accounts_fit_into_the_limits_of_functions_and_policies(synthesise, name):
    """Lambda: 4 KB of variables. IAM: 10,240 characters of inline policies, 6,144 of a managed one, ten of these."""
    sources = listed_sources(200)
    given = {**FULL, "outputBuckets": "codes", "sources": ",".join(sources), "name": name}
    resources = synthesise(**given, externalId="x" * 300).to_json()["Resources"]
    names = {path: 8 * len(name) for path in variables(resources)}  # of ARNs, once these exist
    for path, each in variables(resources).items():
        assert sum(map(len, [*each, *each.values()])) + min(names[path], 400) < 4_096, path
    found = iam.statements(resources, SYNC)
    for source in sources:
        account = source.partition("/")[0]
        assert iam.may(found, "sts:AssumeRole", role_of(account, f"{name}Member"))
    sizes: dict[str, list[int]] = {"AWS::IAM::Policy": [], "AWS::IAM::ManagedPolicy": []}
    for kind, of_kind in sizes.items():
        for policy in of_type(resources, kind).values():
            if SYNC in readable(policy.get("Roles", []), resources):
                document = readable(policy["PolicyDocument"], resources)
                of_kind.append(len(json.dumps(document, separators=(",", ":"))))
    assert sum(sizes["AWS::IAM::Policy"]) < 10_240 - 1_500
    assert max(sizes["AWS::IAM::ManagedPolicy"]) < 6_144
    assert len(sizes["AWS::IAM::ManagedPolicy"]) <= 10


def test_the_sync_may_assume_the_roles_of_its_members_and_no_other_role(full):
    found = iam.statements(full, SYNC)
    for arn, allowed in (
        (role_of("222233334444"), True),
        (role_of("333344445555"), True),
        (role_of(OTHER), False),
        (role_of("AWS::AccountId"), False),
        (role_of("222233334444", "JobLedgerMember2"), False),
        (role_of("222233334444", "Administrator"), False),
        (role_of("*"), False),
    ):
        assert iam.may(found, "sts:AssumeRole", arn) == allowed, arn
    others = [path for path in of_type(full, "AWS::IAM::Role") if path != SYNC]
    assert "sts:" not in str([iam.statements(full, path) for path in others])


def test_jobs_of_members_are_in_partitions_that_the_roles_may_write(full):
    """A member's rows are in the partitions of the own source; only its totals have one of their own."""
    totals = f"{OWN}#totals#3#222233334444/eu-west-1"
    for role, action in ((SYNC, "DeleteItem"), ("Outputs/FunctionRole", "UpdateItem")):
        keys = [totals, f"{OWN}/PHI"]
        found = iam.statements(full, role)
        allowed = iam.may(found, f"dynamodb:{action}", "Ledger.Arn", dynamodb__LeadingKeys=keys)
        assert allowed, role


def test_accounts_in_lookup_accounts_may_invoke_the_look_up_and_nothing_else(full):
    by_account = {
        path: permission
        for path, permission in of_type(full, "AWS::Lambda::Permission").items()
        if permission["Principal"] == SOURCES["lookupAccounts"]
    }
    assert readable([*by_account.values()], full) == [
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": "Lookup/Provider/framework-onEvent.Arn",
            "Principal": "222233334444",
        }
    ]


@pytest.fixture(scope="module")
def member_resources(member):
    return member.to_json()["Resources"]


def test_the_stack_of_a_member_is_one_role_without_assets_and_bootstrap(member, member_resources):
    kinds = sorted(resource["Type"] for resource in member_resources.values())
    assert kinds == ["AWS::IAM::Policy", "AWS::IAM::Role"]
    text = member.to_json()
    assert text.keys() == {"Description", "Outputs", "Resources"}
    outputs = {name: each["Value"] for name, each in text["Outputs"].items()}
    assert outputs.keys() == {"RoleArn", "HubRoleArn", "ExternalId"}
    assert outputs["ExternalId"] == f"{HUB}/JobLedger"
    assert readable(outputs["HubRoleArn"], member_resources) == HUB_ROLE


def role_in(resources):
    (role,) = of_type(resources, "AWS::IAM::Role").values()
    return {**readable(role, resources)}


@pytest.mark.parametrize(
    "account, principal, external_id, allowed",
    [
        (HUB, HUB_ROLE, f"{HUB}/JobLedger", True),
        # The confused deputy: another ledger's id, none, and one that only looks like it.
        (HUB, HUB_ROLE, f"{HUB}/Ward7", False),
        (HUB, HUB_ROLE, f"{HUB}/jobledger", False),
        (HUB, HUB_ROLE, "*", False),
        (HUB, HUB_ROLE, None, False),
        # Other principals of the hub's account, whatever their own policies allow.
        (HUB, HUB_ROLE.replace("-Sync", "-Sync2"), f"{HUB}/JobLedger", False),
        (HUB, HUB_ROLE.replace("JobLedger-Sync", "Administrator"), f"{HUB}/JobLedger", False),
        (HUB, f"arn:AWS::Partition:iam::{HUB}:root", f"{HUB}/JobLedger", False),
        # Another account, with a role of the same name.
        (OTHER, HUB_ROLE.replace(HUB, OTHER), f"{HUB}/JobLedger", False),
        (MEMBER, HUB_ROLE.replace(HUB, MEMBER), f"{HUB}/JobLedger", False),
    ],
)
def test_only_the_sync_of_the_hub_with_the_external_id_may_assume_a_members_role(
    member_resources, account, principal, external_id, allowed
):
    said = {"sts__ExternalId": external_id} if external_id else {}
    role = role_in(member_resources)
    assert iam.trusts(role, account, aws__PrincipalArn=principal, **said) == allowed


def test_the_hub_and_its_members_name_each_other(synthesise, synthesise_member_app):
    from aws_cdk.assertions import Template

    given = {"name": "Ward7", "externalId": "ward-7"}
    hub = synthesise(sources="222233334444/us-east-1", **given).to_json()["Resources"]
    stack = synthesise_member_app(HUB, **given).node.find_child("JobLedgerMember")
    role = role_in(Template.from_stack(stack).to_json()["Resources"])
    name = by_path(hub)[SYNC]["Properties"]["RoleName"]
    principal = f"arn:AWS::Partition:iam::{HUB}:role/{name}"
    said = variables(hub)["Sync/Function"]["EXTERNAL_ID"]
    assert iam.trusts(role, HUB, aws__PrincipalArn=principal, sts__ExternalId=said)
    (arn,) = (
        each["Resource"] for each in iam.statements(hub, SYNC) if each["Sid"] == "AssumeMembers"
    )
    assert arn == role_of("222233334444", role["RoleName"])
    assert role["RoleName"] == variables(hub)["Sync/Function"]["MEMBER_ROLE_NAME"]


def test_a_members_role_lists_and_describes_jobs_and_does_nothing_else(member_resources):
    found = iam.statements(member_resources, "JobLedgerMember/Member/Role")
    model = Session().get_service_model("comprehendmedical")
    allowed = {
        name for name in model.operation_names if iam.may(found, f"comprehendmedical:{name}", "*")
    }
    reading = {
        name
        for name in model.operation_names
        if xform_name(name).startswith(("list_", "describe_"))
    }
    assert allowed == reading
    assert len(allowed) == 10
    (statement,) = found
    assert {action.partition(":")[0] for action in statement["Action"]} == {"comprehendmedical"}
    assert not [action for action in statement["Action"] if "*" in action]


def test_a_member_of_some_families_may_not_read_the_others(synthesise_member_app):
    from aws_cdk.assertions import Template

    stack = synthesise_member_app(families="PHI").node.find_child("JobLedgerMember")
    resources = Template.from_stack(stack).to_json()["Resources"]
    (statement,) = iam.statements(resources, "JobLedgerMember/Member/Role")
    assert statement["Action"] == [
        "comprehendmedical:DescribePHIDetectionJob",
        "comprehendmedical:ListPHIDetectionJobs",
    ]


DOCUMENT = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def forwarder():
    """The template in the document, for stacks in another region."""
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(text)


def test_cfn_lint_accepts_the_forwarder(forwarder, tmp_path):
    template = tmp_path / "forwarder.yaml"
    template.write_text(forwarder)
    done = run(ROOT / ".venv" / "bin" / "cfn-lint", template)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_forwarder_passes_a_request_on_to_the_region_of_the_token(forwarder, monkeypatch):
    (code,) = re.findall(r"ZipFile: \|\n(.*?)\n  Role:", forwarder, re.DOTALL)
    token = "arn:aws:lambda:eu-west-1:111122223333:function:f"
    monkeypatch.setenv("TOKEN", token)
    calls: list[Any] = []

    class Client:
        def __init__(self, *arguments: str, **more: str) -> None:
            calls.append((arguments, more))

        def invoke(self, **arguments: str) -> None:
            calls.append(arguments)

    monkeypatch.setattr(boto3, "client", Client)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code), names)
    names["handler"]({"RequestType": "Create"}, None)
    assert calls == [
        (("lambda",), {"region_name": "eu-west-1"}),
        {"FunctionName": token, "InvocationType": "Event", "Payload": '{"RequestType": "Create"}'},
    ]
