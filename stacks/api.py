"""The HTTPS API: one function behind API Gateway, with IAM authorization on every method."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from stacks.api_access import CallerPolicies, endpoint, require_tls_1_2, resource_policy
from stacks.function import Deployment, LedgerFunction, log_group_for
from stacks.gateway_responses import add_problem_responses
from stacks.permissions import allow_invoking
from stacks.scheduler_role import schedule_often, scheduler_role
from stacks.settings import Settings

STAGE = "v1"
# The id that CDK gave the role in its first release.
_KEEP_WARM_ROLE = "SchedulerRoleForTarget-91eb27"
# The event that the function answers before anything else.
WARM_UP = {"WarmUp": True}

# Each route has all methods: the function answers an unsupported one with 405 and lists the supported ones.
# A caller's IAM policy can still name a method, as in `…/v1/GET/jobs`.
ROUTES = (
    "jobs",
    "jobs/{JobId}",
    "summary",
    "digests",
    "health",
    "openapi.json",
    "docs",
    "docs/{Asset}",
    "board",
    "board/{Asset}",
    "board/jobs/{JobId}",
    "{proxy+}",  # all other paths: the function answers that the route does not exist
)


class Api(Construct):
    """Reads the ledger, and invokes the sync and digest functions. It writes idempotency records only."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        deployment: Deployment,
        *,
        sync: LedgerFunction,
        digest: LedgerFunction,
    ) -> None:
        """Create function, routes and stage."""
        super().__init__(scope, construct_id)
        settings = deployment.settings
        self.function = _function(self, deployment)
        self.function.add_environment("SYNC_FUNCTION_NAME", sync.function_name)
        self.function.add_environment("DIGEST_FUNCTION_NAME", digest.function_name)
        if settings.keep_warm:
            _keep_warm(self, self.function, settings)
        role = self.function.own_role
        deployment.ledger.grant_reading(role)
        allow_invoking(role, sync, "InvokeSync")  # for ConsistentRead
        allow_invoking(role, digest, "InvokeDigest")  # for POST /digests
        self.access_logs = log_group_for(self, "AccessLogs", deployment)
        rest = _rest_api(self, settings=settings, access_logs=self.access_logs)
        self.stage = rest.deployment_stage
        add_problem_responses(rest)
        _add_methods(rest, self.function)
        if settings.web_acl_arn:
            stage = self.stage.stage_arn
            wafv2.CfnWebACLAssociation(
                self, "WebAcl", resource_arn=stage, web_acl_arn=settings.web_acl_arn
            )
        self.policies = CallerPolicies(self, "Callers", rest=rest)
        stack = Stack.of(self)
        host = f"{rest.rest_api_id}.execute-api.{stack.region}.{stack.url_suffix}"
        self.url = f"https://{host}/{self.stage.stage_name}"
        # By the stage's name alone, for resources that the stage's deployment depends on.
        self.address = f"https://{host}/{STAGE}"


def _function(scope: Construct, deployment: Deployment) -> LedgerFunction:
    prices = deployment.settings.character_prices
    return LedgerFunction(
        scope,
        "Function",
        deployment,
        handler="jobledger.handlers.api.handler",
        description="Job Ledger: serves the HTTPS API from the ledger",
        timeout=Duration.seconds(29),  # API Gateway's limit
        memory_size=1024,
        environment={
            **deployment.environment,
            **deployment.showing_outputs,
            **({"CHARACTER_PRICES": ",".join(prices)} if prices else {}),
            "SYNC_MINUTES": str(deployment.settings.sync_minutes),
        },
        # API Gateway samples the requests, and the function traces those. The runs of keepWarm are not traced.
        tracing=lambda_.Tracing.PASS_THROUGH,
    )


def _keep_warm(scope: Construct, function: LedgerFunction, settings: Settings) -> None:
    """Call the function at each interval of syncs, so that a lone caller meets no cold start."""
    schedule_often(
        scope,
        "KeepWarm",
        function,
        role=scheduler_role(scope, _KEEP_WARM_ROLE, function),
        description="Job Ledger: keep one environment of the API function warm",
        minutes=settings.sync_minutes,
        payload=WARM_UP,
    )


def _add_methods(rest: apigateway.RestApi, function: LedgerFunction) -> None:
    # One permission for all routes: one each would make every deployment slower.
    integration = apigateway.LambdaIntegration(function, scope_permission_to_method=False)
    for resource in (rest.root, *map(rest.root.resource_for_path, ROUTES)):
        resource.add_method("ANY", integration)
    # A method of its own, because the stage throttles it by its name.
    rest.root.resource_for_path("digests").add_method("POST", integration)


def _rest_api(
    scope: Construct, *, settings: Settings, access_logs: logs.LogGroup
) -> apigateway.RestApi:
    rest = apigateway.RestApi(
        scope,
        "Rest",
        description="Job Ledger",
        endpoint_configuration=endpoint(scope, settings),
        policy=resource_policy(settings),
        # API Gateway decodes the function's base64 bodies, which are mainly gzip.
        binary_media_types=["*/*"],
        default_method_options=apigateway.MethodOptions(
            authorization_type=apigateway.AuthorizationType.IAM
        ),
        # API Gateway writes access logs only with a role for logs. An account has one such role in a region, for all
        # APIs: this one replaces any other, and remains when the stack is deleted.
        cloud_watch_role=settings.api_gateway_account,
        deploy_options=_stage(access_logs),
    )
    require_tls_1_2(rest)
    rest.node.try_remove_child("Endpoint")  # a duplicate output with the same address
    return rest


def _stage(access_logs: logs.LogGroup) -> apigateway.StageOptions:
    return apigateway.StageOptions(
        stage_name=STAGE,
        tracing_enabled=True,
        throttling_rate_limit=50,
        throttling_burst_limit=100,
        # A digest reads the ledger's changes and notifies people. `ConsistentRead` is a parameter of
        # GET /jobs, which a stage cannot see: callers share one sync, and all syncs share one pace.
        method_options={
            "/digests/POST": apigateway.MethodDeploymentOptions(
                throttling_rate_limit=1,
                throttling_burst_limit=5,
                logging_level=apigateway.MethodLoggingLevel.OFF,
                data_trace_enabled=False,
            )
        },
        access_log_destination=apigateway.LogGroupLogDestination(access_logs),
        access_log_format=_access_log_format(),
        # Execution logs would contain query strings, which contain job names.
        logging_level=apigateway.MethodLoggingLevel.OFF,
        data_trace_enabled=False,
    )


def _access_log_format() -> apigateway.AccessLogFormat:
    """Return the caller, the route and the result. A path can contain a job id, so it is not logged."""
    field = apigateway.AccessLogField
    return apigateway.AccessLogFormat.custom(
        "{"
        + ",".join(
            f'"{name}":"{value}"'
            for name, value in {
                "requestId": field.context_request_id(),
                "time": field.context_request_time(),
                "tls": "$context.tlsVersion",
                "caller": field.context_identity_user_arn(),
                "method": field.context_http_method(),
                "route": field.context_resource_path(),
                "status": field.context_status(),
                "latencyMs": field.context_response_latency(),
                "integrationMs": field.context_integration_latency(),
                "bytes": field.context_response_length(),
                "error": field.context_error_response_type(),
                "trace": field.context_xray_trace_id(),
            }.items()
        )
        + "}"
    )
