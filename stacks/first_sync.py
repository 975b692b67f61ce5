"""The first sync: fills the ledger during the deployment, so that it is full when `cdk deploy` returns."""

import hashlib
from dataclasses import replace
from pathlib import Path

from aws_cdk import CustomResource, Duration
from constructs import Construct

from stacks.function import Deployment, LedgerFunction
from stacks.permissions import allow_invoking

_HANDLER = Path(__file__).with_name("first_sync_handler.py")


class FirstSync(Construct):
    """Runs the sync at creation, and when its code, the families or the sources change.

    `triggers.Trigger` would fail the deployment when the sync fails, and `AwsCustomResource` cannot wait for a
    permission to take effect.
    """

    def __init__(
        self, scope: Construct, construct_id: str, deployment: Deployment, *, sync: LedgerFunction
    ) -> None:
        """Create the function that invokes `sync`, and the custom resource that runs it."""
        super().__init__(scope, construct_id)
        code, settings = deployment.code, deployment.settings
        # A new value triggers a new sync.
        reason = f"{code.digest} {settings.families}"
        if settings.sources:
            reason += f" {settings.sources} {settings.own_source}"
        inlined = replace(deployment, code=code.inline(_HANDLER.read_text(encoding="utf-8")))
        caller = LedgerFunction(
            self,
            "Function",
            inlined,
            handler="index.handler",
            description="Job Ledger: runs one sync during the deployment",
            timeout=Duration.minutes(15),
            memory_size=128,
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
                "Reason": hashlib.sha256(reason.encode()).hexdigest(),
            },
        )
        self.outcome = run.get_att_string("Outcome")
        # The policy is part of the role, so the permission exists before the call.
        run.node.add_dependency(caller.own_role, sync)
