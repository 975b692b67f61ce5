"""The stack of a member: what its role may do, and who may assume it."""

import pytest
from botocore import xform_name
from botocore.session import Session

from tests.infrastructure import iam
from tests.infrastructure.template_reading import by_path, of_type, readable
from tests.infrastructure.test_sources import HUB, MEMBER, OTHER, SYNC, role_of, variables

HUB_ROLE = f"arn:AWS::Partition:iam::{HUB}:role/JobLedger-Sync"


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
