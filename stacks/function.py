"""A Lambda function with the defaults of this stack: own role, encrypted logs, tracing, shared bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.ledger import Ledger
from stacks.packaging.bundle import Bundle
from stacks.permissions import allow, allow_logs
from stacks.settings import Settings
from stacks.sources import sources_text

METRICS_NAMESPACE = "JobLedger"

_POWERTOOLS = {
    "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
    "POWERTOOLS_LOG_LEVEL": "INFO",
    # Return values and exceptions can contain job data and must not appear in traces.
    "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "false",
    "POWERTOOLS_TRACER_CAPTURE_ERROR": "false",
}


@dataclass(frozen=True, kw_only=True)
class Code:
    """The code of a function: its source, hash, runtime and architecture."""

    source: lambda_.Code
    digest: str
    runtime: lambda_.Runtime
    architecture: lambda_.Architecture

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> "Code":
        """Return the code in a finished zip. CDK uses the zip unchanged."""
        arm = bundle.target.machine == "arm64"
        return cls(
            source=lambda_.Code.from_asset(str(bundle.path), asset_hash=bundle.digest),
            digest=bundle.digest,
            runtime=lambda_.Runtime(
                f"python{bundle.target.python}",
                lambda_.RuntimeFamily.PYTHON,
                supports_inline_code=True,
            ),
            architecture=lambda_.Architecture.ARM_64 if arm else lambda_.Architecture.X86_64,
        )

    def inline(self, text: str) -> "Code":
        """Return other code, inlined in the template, for the same runtime."""
        return replace(self, source=lambda_.Code.from_inline(text), digest="")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What all capabilities of a deployment share."""

    settings: Settings
    code: Code
    key: kms.IKey
    ledger: Ledger

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of every function that uses the ledger."""
        return {
            "LEDGER_TABLE_NAME": self.ledger.table_name,
            "LEDGER_SCOPE": self.ledger.scope_name,
            "FAMILIES": ",".join(self.settings.families),
            **(
                {"SOURCES": sources_text(self.ledger, self.settings)}
                if self.settings.sources
                else {}
            ),
        }

    @property
    def showing_outputs(self) -> dict[str, str]:
        """The environment variable, with outputBuckets, of a function that shows what jobs processed."""
        return {"READS_OUTPUTS": "true"} if self.settings.output_buckets else {}


class LedgerFunction(lambda_.Function):
    """A Lambda function with the defaults of this stack.

    Use `stacks.permissions` to allow more to `own_role`. CDK's own grants to the function do not change the role.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        deployment: Deployment,
        *,
        handler: str,
        description: str,
        timeout: Duration,
        memory_size: int,
        environment: Mapping[str, str],
        role_name: str | None = None,
        tracing: lambda_.Tracing = lambda_.Tracing.ACTIVE,
        system_log_level: lambda_.SystemLogLevel | None = None,
    ) -> None:
        """Create role, log group and function; callers allow further actions.

        With the level WARN, Lambda writes its own records of failed runs only.
        """
        code = deployment.code
        log_group = log_group_for(scope, f"{construct_id}Logs", deployment)
        self.own_role = _role(
            scope, f"{construct_id}Role", log_group, deployment.key, name=role_name
        )
        super().__init__(
            scope,
            construct_id,
            code=code.source,
            runtime=code.runtime,
            architecture=code.architecture,
            handler=handler,
            description=description,
            timeout=timeout,
            memory_size=memory_size,
            role=self.own_role.without_policy_updates(),
            log_group=log_group,
            # Lambda's own start, end and crash records as JSON, like Powertools' records.
            logging_format=lambda_.LoggingFormat.JSON,
            system_log_level_v2=system_log_level,
            tracing=tracing,
            environment={
                **_POWERTOOLS,
                "POWERTOOLS_SERVICE_NAME": deployment.settings.service_name,
                **environment,
            },
        )


def _role(
    scope: Construct,
    construct_id: str,
    log_group: logs.LogGroup,
    key: kms.IKey,
    *,
    name: str | None,
) -> iam.Role:
    """Create a role that may write one log group, and traces.

    CDK's default role has a managed policy that may write to every log group.
    """
    role = iam.Role(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        role_name=name,
    )
    allow_logs(role, log_group, key)
    # X-Ray has no resources to name.
    allow(role, "WriteTraces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"])
    return role


def log_group_for(scope: Construct, construct_id: str, deployment: Deployment) -> logs.LogGroup:
    """Create an encrypted log group that is deleted with the stack. The group that Lambda makes never expires."""
    group = logs.LogGroup(
        scope, construct_id, encryption_key=deployment.key, removal_policy=RemovalPolicy.DESTROY
    )
    # The construct accepts only some numbers, by name; the resource accepts all that CloudWatch allows.
    resource = cast(logs.CfnLogGroup, group.node.default_child)
    resource.retention_in_days = deployment.settings.log_retention_days
    return group
