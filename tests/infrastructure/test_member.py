"""The stack of a member: what its role may do, and who may assume it."""

import pytest
from botocore.session import Session

from tests.infrastructure import iam
from tests.infrastructure.chosen import CHOSEN
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


# Account, principal and external id: who may assume the role, and who may not.
HUB_SAYS = (HUB, HUB_ROLE, f"{HUB}/JobLedger")
OTHERS: list[tuple[str, str, str | None]] = [
    # The confused deputy: another ledger's id, none, and one that only looks like it.
    *((HUB, HUB_ROLE, said) for said in (f"{HUB}/Ward7", f"{HUB}/jobledger", "*", None)),
    # Other principals of the hub's account, whatever their own policies allow.
    (HUB, HUB_ROLE.replace("-Sync", "-Sync2"), f"{HUB}/JobLedger"),
    (HUB, HUB_ROLE.replace("JobLedger-Sync", "Administrator"), f"{HUB}/JobLedger"),
    (HUB, f"arn:AWS::Partition:iam::{HUB}:root", f"{HUB}/JobLedger"),
    # Another account, with a role of the same name.
    *((each, HUB_ROLE.replace(HUB, each), f"{HUB}/JobLedger") for each in (OTHER, MEMBER)),
]


@pytest.mark.parametrize("account, principal, external_id", [HUB_SAYS, *OTHERS])
def test_only_the_sync_of_the_hub_with_the_external_id_may_assume_a_members_role(
    member_resources, account, principal, external_id
):
    said = {"sts__ExternalId": external_id} if external_id else {}
    allowed = iam.trusts(role_in(member_resources), account, aws__PrincipalArn=principal, **said)
    assert allowed == ((account, principal, external_id) == HUB_SAYS)


def test_the_hub_and_its_members_name_each_other(chosen, synthesise_member):
    given = {"name": CHOSEN["name"], "externalId": CHOSEN["externalId"], "families": "PHI"}
    resources = synthesise_member(HUB, **given).to_json()["Resources"]
    role = role_in(resources)
    name = by_path(chosen)[SYNC]["Properties"]["RoleName"]
    principal = f"arn:AWS::Partition:iam::{HUB}:role/{name}"
    said = variables(chosen)["Sync/Function"]["EXTERNAL_ID"]
    assert iam.trusts(role, HUB, aws__PrincipalArn=principal, sts__ExternalId=said)
    (arns,) = (
        each["Resource"] for each in iam.statements(chosen, SYNC) if each["Sid"] == "AssumeMembers"
    )
    assert role_of(MEMBER, role["RoleName"]) in arns
    assert role["RoleName"] == variables(chosen)["Sync/Function"]["MEMBER_ROLE_NAME"]
    # A member of some families does not let the others be read.
    (statement,) = iam.statements(resources, "JobLedgerMember/Member/Role")
    actions = ("DescribePHIDetectionJob", "ListPHIDetectionJobs")
    assert statement["Action"] == [f"comprehendmedical:{action}" for action in actions]


def test_a_members_role_lists_and_describes_jobs_and_does_nothing_else(member_resources):
    (statement,) = iam.statements(member_resources, "JobLedgerMember/Member/Role")
    operations = Session().get_service_model("comprehendmedical").operation_names
    assert sorted(statement["Action"]) == [
        f"comprehendmedical:{name}" for name in operations if name.startswith(("List", "Describe"))
    ]
    assert len(statement["Action"]) == 10
