"""The stack of Job Ledger."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from stacks.acknowledgements import acknowledge
from stacks.alerts import JobAlerts
from stacks.api import Api
from stacks.changes import Changes
from stacks.digest import Digest
from stacks.encryption import encryption_key
from stacks.function import Code, Deployment
from stacks.ledger import Ledger
from stacks.lookup import Lookup
from stacks.monitoring.monitoring import Monitoring, Parts
from stacks.outputs import Outputs
from stacks.settings import Settings
from stacks.sync import Sync
from stacks.widget import Widget


class JobLedgerStack(Stack):
    """Comprehend Medical → sync → ledger → API, board, digests, events and look-ups. For any account and region."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, code: Code
    ) -> None:
        """Create all resources of a deployment."""
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.name,
            description="Job Ledger: a permanent, queryable ledger of Comprehend Medical jobs",
        )
        # CDK makes every function depend on its role by name and by reference, which is harmless.
        self.template_options.metadata = {"cfn-lint": {"config": {"ignore_checks": ["W3005"]}}}
        key = encryption_key(self, settings=settings)
        ledger = Ledger(self, "Ledger", settings=settings, key=key)
        deployment = Deployment(settings=settings, code=code, key=key, ledger=ledger)
        parts = self._add_parts(deployment)
        monitoring = Monitoring(
            self, "Monitoring", settings=settings, folder=self.stack_name, parts=parts
        )
        parts.alerts.accept(monitoring.alarms)
        self._add_outputs(parts)
        acknowledge(self, settings)

    def _add_parts(self, deployment: Deployment) -> Parts:
        """Create and connect the capabilities."""
        sync = Sync(self, "Sync", deployment)
        changes = Changes(self, "Changes", deployment)
        digest = Digest(self, "Digest", deployment)
        api = Api(self, "Api", deployment, sync=sync.function, digest=digest.function)
        digest.function.add_environment("API_URL", api.address)
        digest.grant_idempotency(api.function)
        lookup = Lookup(self, "Lookup", deployment, sync=sync.function)
        alerts = JobAlerts(
            self, "JobAlerts", deployment, chat_topic=digest.chat_topic, api_url=api.address
        )
        outputs = None
        if deployment.settings.output_buckets:
            outputs = Outputs(self, "Outputs", deployment, undelivered=digest.undelivered)
        return Parts(
            ledger=deployment.ledger,
            sync=sync,
            changes=changes,
            alerts=alerts,
            digest=digest,
            api=api,
            lookup=lookup,
            widget=Widget(self, "Widget", deployment),
            outputs=outputs,
        )

    def _add_outputs(self, parts: Parts) -> None:
        """Output the addresses and names that callers, subscribers and operators need."""
        values = {
            "ApiUrl": parts.api.url,
            "ReaderPolicyArn": parts.api.policies.reader.managed_policy_arn,
            "PublisherPolicyArn": parts.api.policies.publisher.managed_policy_arn,
            "DigestTopicArn": parts.digest.topic.topic_arn,
            "JobAlertsTopicArn": parts.alerts.topic.topic_arn,
            "LedgerTableName": parts.ledger.table_name,
            "ApiFunctionName": parts.api.function.function_name,
            "SyncFunctionName": parts.sync.function.function_name,
            "FirstSync": parts.sync.first.outcome,
            "DigestFunctionName": parts.digest.function.function_name,
            "LookupServiceToken": parts.lookup.service_token,
            "WidgetFunctionName": parts.widget.function.function_name,
        }
        if parts.alerts.function is not None:
            values["AlertsFunctionName"] = parts.alerts.function.function_name
        if parts.outputs is not None:
            values["OutputsFunctionName"] = parts.outputs.function.function_name
        if parts.digest.chat_topic is not None:
            values["ChatTopicArn"] = parts.digest.chat_topic.topic_arn
        for name, value in values.items():
            CfnOutput(self, name, value=value)
