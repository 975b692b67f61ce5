"""The look-up: the custom resource that other stacks use to find a job or wait for one."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ssm as ssm
from aws_cdk.custom_resources import Provider
from constructs import Construct

from stacks.function import Code, LedgerFunction, log_group_for, shared_environment
from stacks.ledger import Ledger
from stacks.settings import Settings

# A physical name, so that other stacks need no other reference.
TOKEN_PARAMETER = "/job-ledger/lookup-service-token"

_POLL = Duration.seconds(10)
# CloudFormation's limit is an hour. The look-up gives up earlier, with a reason; this is the last resort.
_GIVE_UP = Duration.minutes(59)


class Lookup(Construct):
    """Handles `Custom::ComprehendMedicalJob` from the ledger.

    Its functions cannot write logs or traces. Failure texts quote job names from the template; Lambda's
    runtime would log and trace them, and CDK's framework prints each event. All information goes to
    CloudFormation instead.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: Code,
        ledger: Ledger,
        sync: LedgerFunction,
        key: kms.IKey,
    ) -> None:
        """Create the two functions; only the second may read the ledger and start a sync."""
        super().__init__(scope, construct_id)
        # Stays empty. Without it, CDK creates a log group for each function.
        log_group = log_group_for(self, "Logs", key=key)
        environment = shared_environment(
            table_name=ledger.table_name, ledger_scope=ledger.scope_name, settings=settings
        )
        on_event = _SilentFunction(
            self,
            "OnEvent",
            code=code,
            log_group=log_group,
            handler="jobledger.handlers.lookup.on_event",
            description="Job Ledger: validates the properties of a look-up",
            environment={"FAMILIES": environment["FAMILIES"]},
        )
        is_complete = _SilentFunction(
            self,
            "IsComplete",
            code=code,
            log_group=log_group,
            handler="jobledger.handlers.lookup.is_complete",
            description="Job Ledger: looks up a job in the ledger, after a sync if it waits for one",
            environment={**environment, "SYNC_FUNCTION_NAME": sync.function_name},
        )
        ledger.grant_reading(is_complete)
        sync.grant_invoke(is_complete)
        self.service_token = _service_token(self, on_event, is_complete, log_group)


def _service_token(
    scope: Construct,
    on_event: lambda_.IFunction,
    is_complete: lambda_.IFunction,
    log_group: logs.ILogGroup,
) -> str:
    """Put CDK's provider framework in front of the functions, and publish its ARN."""
    provider = Provider(
        scope,
        "Provider",
        on_event_handler=on_event,
        is_complete_handler=is_complete,
        query_interval=_POLL,
        total_timeout=_GIVE_UP,
        log_group=log_group,
        # CDK's default roles have a managed policy that may write to every log group.
        framework_on_event_role=_silent_role(scope, "FrameworkOnEventRole"),
        framework_complete_and_timeout_role=_silent_role(scope, "FrameworkIsCompleteRole"),
    )
    ssm.StringParameter(
        scope,
        "ServiceToken",
        parameter_name=TOKEN_PARAMETER,
        string_value=provider.service_token,
        description="Job Ledger: the ServiceToken of Custom::ComprehendMedicalJob",
    )
    return provider.service_token


class _SilentFunction(lambda_.Function):
    """A function from the shared bundle whose role cannot write logs or traces."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: Code,
        log_group: logs.ILogGroup,
        handler: str,
        description: str,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            code=code.source,
            runtime=code.runtime,
            architecture=code.architecture,
            handler=handler,
            description=description,
            timeout=Duration.minutes(2),
            memory_size=512,
            role=_silent_role(scope, f"{construct_id}Role"),
            log_group=log_group,
            environment=environment,
        )


def _silent_role(scope: Construct, construct_id: str) -> iam.Role:
    return iam.Role(scope, construct_id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
