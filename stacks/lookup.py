"""The look-up: the custom resource that other stacks use to find a job or wait for one."""

from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.custom_resources import Provider
from constructs import Construct

from stacks.function import Deployment, LedgerFunction, log_group_for
from stacks.permissions import allow, allow_invoking, allow_logs

_POLL = Duration.seconds(10)
# CloudFormation's limit is an hour. The look-up gives up earlier, with a reason; this is the last resort.
_GIVE_UP = Duration.minutes(59)


class Lookup(Construct):
    """Handles `Custom::ComprehendMedicalJob` from the ledger."""

    def __init__(
        self, scope: Construct, construct_id: str, deployment: Deployment, *, sync: LedgerFunction
    ) -> None:
        """Create the two functions; only the second may read the ledger and start a sync."""
        super().__init__(scope, construct_id)
        key, ledger = deployment.key, deployment.ledger
        environment = {**deployment.environment, "KEY_ARN": key.key_arn}
        on_event = self.on_event = _function(
            self,
            "OnEvent",
            deployment,
            handler="jobledger.handlers.lookup.on_event",
            description="Job Ledger: validates the properties of a look-up",
            environment={
                name: value
                for name, value in environment.items()
                if name in ("FAMILIES", "KEY_ARN", "SOURCES")
            },
        )
        allow(on_event.own_role, "EncryptProperties", ["kms:Encrypt"], [key.key_arn])
        is_complete = self.is_complete = _function(
            self,
            "IsComplete",
            deployment,
            handler="jobledger.handlers.lookup.is_complete",
            description="Job Ledger: looks up a job in the ledger, after a sync if it waits for one",
            environment={**environment, "SYNC_FUNCTION_NAME": sync.function_name},
        )
        allow(is_complete.own_role, "DecryptProperties", ["kms:Decrypt"], [key.key_arn])
        ledger.grant_querying(is_complete.own_role)
        allow_invoking(is_complete.own_role, sync)
        self.service_token = _service_token(self, on_event, is_complete, deployment)


def _function(
    scope: Construct,
    construct_id: str,
    deployment: Deployment,
    *,
    handler: str,
    description: str,
    environment: dict[str, str],
) -> LedgerFunction:
    return LedgerFunction(
        scope,
        construct_id,
        deployment,
        handler=handler,
        description=description,
        timeout=Duration.minutes(2),
        memory_size=512,
        environment=environment,
    )


def _service_token(
    scope: Construct,
    on_event: lambda_.IFunction,
    is_complete: lambda_.IFunction,
    deployment: Deployment,
) -> str:
    """Put CDK's provider framework in front of the functions, and publish its ARN."""
    log_group = log_group_for(scope, "Logs", deployment)
    # CDK itself would allow both roles to call all versions of both handlers.
    on_event_role = _framework_role(
        scope, "FrameworkOnEventRole", on_event, log_group, deployment.key
    )
    is_complete_role = _framework_role(
        scope, "FrameworkIsCompleteRole", is_complete, log_group, deployment.key
    )
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
        framework_on_event_role=on_event_role.without_policy_updates(),
        framework_complete_and_timeout_role=is_complete_role.without_policy_updates(),
    )
    entry = cast(lambda_.Function, provider.node.find_child("framework-onEvent"))
    for account in deployment.settings.lookup_accounts:
        # CloudFormation invokes the function with the credentials of the deployment in the other account, whose own
        # policies decide which of its roles may. The answer needs no permission: it goes to a URL that is signed.
        entry.add_permission(f"Account{account}", principal=iam.AccountPrincipal(account))
    machine = cast(
        sfn.CfnStateMachine, provider.node.find_child("waiter-state-machine").node.default_child
    )
    allow(on_event_role, "StartPolling", ["states:StartExecution"], [machine.ref])
    ssm.StringParameter(
        scope,
        "ServiceToken",
        # A physical name, so that other stacks need no other reference.
        parameter_name=deployment.settings.token_parameter,
        string_value=provider.service_token,
        description="Job Ledger: the ServiceToken of Custom::ComprehendMedicalJob",
    )
    return provider.service_token


def _framework_role(
    scope: Construct,
    construct_id: str,
    handler: lambda_.IFunction,
    log_group: logs.ILogGroup,
    key: kms.IKey,
) -> iam.Role:
    role = iam.Role(scope, construct_id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    allow_logs(role, log_group, key)
    call = ["lambda:GetFunction", "lambda:InvokeFunction"]
    allow(role, "CallHandler", call, [handler.function_arn])
    return role
