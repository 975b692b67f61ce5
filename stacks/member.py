"""The stack of a member: an account whose jobs the ledger of another account, the hub, lists."""

from aws_cdk import Aws, BootstraplessSynthesizer, CfnOutput, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from jobledger.service import Family, actions
from stacks.acknowledgements import acknowledge
from stacks.permissions import allow
from stacks.settings import Settings
from stacks.sources import external_id, member_name, sync_role_name


class JobLedgerMemberStack(Stack):
    """One role, with which the hub's sync lists and describes the jobs of this account, in all regions.

    The template has no assets and needs no bootstrap, so it can also be the template of a StackSet.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, hub: str
    ) -> None:
        """Create the role for the deployment `settings.name` in the account `hub`."""
        super().__init__(
            scope,
            construct_id,
            stack_name=member_name(settings),
            description="Job Ledger: lets the ledger of another account list this account's Comprehend Medical jobs",
            synthesizer=BootstraplessSynthesizer(),
        )
        member = Construct(self, "Member")
        hub_role = f"arn:{Aws.PARTITION}:iam::{hub}:role/{sync_role_name(settings)}"
        said = external_id(settings, hub)
        role = iam.Role(
            member,
            "Role",
            role_name=member_name(settings),
            description=f"Lets Job Ledger in the account {hub} list and describe Comprehend Medical jobs",
            # The account with a condition on the role, not the role: IAM resolves a role's ARN when this stack is
            # deployed. It would refuse a role that does not exist yet, and stop to trust one that is made anew.
            assumed_by=iam.AccountPrincipal(hub).with_conditions(
                {"StringEquals": {"aws:PrincipalArn": hub_role, "sts:ExternalId": said}}
            ),
        )
        # Comprehend Medical has no resources to name.
        allow(role, "ReadJobs", actions(map(Family, settings.families)), ["*"])
        for name, value in {
            "RoleArn": role.role_arn,
            "HubRoleArn": hub_role,
            "ExternalId": said,
        }.items():
            CfnOutput(self, name, value=value)
        acknowledge(self, settings)
