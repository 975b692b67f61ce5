"""The first sync: fills the ledger during the deployment, so that it is full when `cdk deploy` returns."""

import hashlib
from pathlib import Path

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.function import Code, LedgerFunction
from stacks.permissions import allow_invoking
from stacks.settings import Settings

_HANDLER = Path(__file__).with_name("first_sync_handler.py")


class FirstSync(Construct):
    """Runs the sync at creation, and when its code or the families change.

    Alternatives do not fit: `triggers.Trigger` fails the deployment when the sync fails, and
    `AwsCustomResource` cannot wait for a permission to take effect.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: Code,
        sync: LedgerFunction,
        key: kms.IKey,
    ) -> None:
        """Create the function that invokes `sync`, and the custom resource that runs it."""
        super().__init__(scope, construct_id)
        caller = LedgerFunction(
            self,
            "Function",
            code=code.inline(_HANDLER.read_text(encoding="utf-8")),
            handler="index.handler",
            description="Job Ledger: runs one sync during the deployment",
            timeout=Duration.minutes(15),
            memory_size=128,
            settings=settings,
            key=key,
            environment={},
        )
        allow_invoking(caller.own_role, sync)
        run = CustomResource(
            self,
            "Run",
            resource_type="Custom::JobLedgerFirstSync",
            service_token=caller.function_arn,
            # If the function ends without a response, CloudFormation would otherwise wait an hour.
            service_timeout=Duration.minutes(16),
            properties={
                "FunctionName": sync.function_name,
                # A new value triggers a new sync.
                "Reason": hashlib.sha256(f"{code.digest} {settings.families}".encode()).hexdigest(),
            },
        )
        self.outcome = run.get_att_string("Outcome")
        # The role's policy is part of the role: the permission is there before the call.
        run.node.add_dependency(caller.own_role, sync)
