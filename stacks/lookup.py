"""The look-up: the custom resource that other stacks use to find a job or wait for one."""

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
    """Handles `Custom::ComprehendMedicalJob` from the ledger."""

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
        environment = {
            **shared_environment(
                table_name=ledger.table_name, ledger_scope=ledger.scope_name, settings=settings
            ),
            "KEY_ARN": key.key_arn,
        }
        on_event = self.on_event = _function(
            self,
            "OnEvent",
            code=code,
            key=key,
            handler="jobledger.handlers.lookup.on_event",
            description="Job Ledger: validates the properties of a look-up",
            environment={name: environment[name] for name in ("FAMILIES", "KEY_ARN")},
        )
        key.grant(on_event, "kms:Encrypt")
        is_complete = self.is_complete = _function(
            self,
            "IsComplete",
            code=code,
            key=key,
            handler="jobledger.handlers.lookup.is_complete",
            description="Job Ledger: looks up a job in the ledger, after a sync if it waits for one",
            environment={**environment, "SYNC_FUNCTION_NAME": sync.function_name},
        )
        key.grant(is_complete, "kms:Decrypt")
        ledger.grant_reading(is_complete)
        sync.grant_invoke(is_complete)
        self.service_token = _service_token(self, on_event, is_complete, key)


def _function(
    scope: Construct,
    construct_id: str,
    *,
    code: Code,
    key: kms.IKey,
    handler: str,
    description: str,
    environment: dict[str, str],
) -> LedgerFunction:
    return LedgerFunction(
        scope,
        construct_id,
        code=code,
        handler=handler,
        description=description,
        timeout=Duration.minutes(2),
        memory_size=512,
        key=key,
        environment=environment,
    )


def _service_token(
    scope: Construct, on_event: lambda_.IFunction, is_complete: lambda_.IFunction, key: kms.IKey
) -> str:
    """Put CDK's provider framework in front of the functions, and publish its ARN."""
    log_group = log_group_for(scope, "Logs", key=key)
    provider = Provider(
        scope,
        "Provider",
        on_event_handler=on_event,
        is_complete_handler=is_complete,
        query_interval=_POLL,
        total_timeout=_GIVE_UP,
        log_group=log_group,
        # At INFO, the framework logs each request with its properties.
        framework_lambda_logging_level=lambda_.ApplicationLogLevel.FATAL,
        # CDK's default roles have a managed policy that may write to every log group.
        framework_on_event_role=_role(scope, "FrameworkOnEventRole", log_group),
        framework_complete_and_timeout_role=_role(scope, "FrameworkIsCompleteRole", log_group),
    )
    ssm.StringParameter(
        scope,
        "ServiceToken",
        parameter_name=TOKEN_PARAMETER,
        string_value=provider.service_token,
        description="Job Ledger: the ServiceToken of Custom::ComprehendMedicalJob",
    )
    return provider.service_token


def _role(scope: Construct, construct_id: str, log_group: logs.ILogGroup) -> iam.Role:
    role = iam.Role(scope, construct_id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    return role
