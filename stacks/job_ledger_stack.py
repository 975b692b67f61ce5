"""The stack of Job Ledger."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from stacks.acknowledgements import acknowledge
from stacks.alerts import JobAlerts
from stacks.api import Api
from stacks.changes import Changes
from stacks.digest import Digest
from stacks.encryption import encryption_key
from stacks.function import Code
from stacks.ledger import Ledger
from stacks.lookup import Lookup
from stacks.monitoring.monitoring import Monitoring, Parts
from stacks.settings import Settings
from stacks.sync import Sync
from stacks.widget import Widget


class JobLedgerStack(Stack):
    """Comprehend Medical → sync → ledger → API, board, digests, events and look-ups. For any account and region."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, code: Code
    ) -> None:
        """Create and connect the constructs."""
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
        sync = Sync(self, "Sync", settings=settings, code=code, ledger=ledger, key=key)
        changes = Changes(self, "Changes", settings=settings, code=code, ledger=ledger, key=key)
        digest = Digest(self, "Digest", settings=settings, code=code, ledger=ledger, key=key)
        functions = {"sync": sync.function, "digest": digest.function}
        api = Api(self, "Api", settings=settings, code=code, ledger=ledger, key=key, **functions)
        digest.function.add_environment("API_URL", api.address)
        digest.grant_idempotency(api.function)
        lookup = Lookup(
            self, "Lookup", settings=settings, code=code, ledger=ledger, key=key, sync=sync.function
        )
        alerts = JobAlerts(
            self,
            "JobAlerts",
            settings=settings,
            code=code,
            ledger=ledger,
            digest=digest,
            api_url=api.address,
            key=key,
        )
        widget = Widget(self, "Widget", settings=settings, code=code, ledger=ledger, key=key)
        parts = Parts(
            ledger=ledger,
            sync=sync,
            changes=changes,
            alerts=alerts,
            digest=digest,
            api=api,
            lookup=lookup,
            widget=widget,
        )
        monitoring = Monitoring(
            self, "Monitoring", settings=settings, folder=self.stack_name, parts=parts
        )
        alerts.accept(monitoring.alarms)
        self._add_outputs(parts)
        acknowledge(self, settings)

    def _add_outputs(self, parts: Parts) -> None:
        """The addresses and names that callers, subscribers and operators need."""
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
        if parts.digest.chat_topic is not None:
            values["ChatTopicArn"] = parts.digest.chat_topic.topic_arn
        for name, value in values.items():
            CfnOutput(self, name, value=value)
