"""Who may call the API, and from where: endpoint, resource policy, TLS, and policies for callers."""

from typing import cast

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.settings import Settings

# TLS 1.2 and 1.3 with forward secrecy. Without it, a Regional API accepts TLS 1.0:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies-list.html
_TLS_POLICY = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"


class CallerPolicies(Construct):
    """Managed policies for an administrator to attach to the roles of callers."""

    def __init__(self, scope: Construct, construct_id: str, *, rest: apigateway.RestApi) -> None:
        """Create the policies of readers and publishers, for all routes of the stage."""
        super().__init__(scope, construct_id)
        self.reader = _invoke_policy(
            self,
            "JobLedgerReader",
            "Job Ledger: read jobs, summaries and documents over the API",
            [rest.arn_for_execute_api(method, "/*", _stage(rest)) for method in ("GET", "HEAD")],
        )
        self.publisher = _invoke_policy(
            self,
            "JobLedgerPublisher",
            "Job Ledger: publish digests over the API",
            [rest.arn_for_execute_api("POST", "/digests", _stage(rest))],
        )


def endpoint(scope: Construct, settings: Settings) -> apigateway.EndpointConfiguration:
    """Return a Regional endpoint, or a private one for the setting vpcEndpointIds."""
    # Private APIs are always dual-stack, and API Gateway changes one only to a dual-stack Regional API:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-ip-address-type.html
    dual_stack = apigateway.IpAddressType.DUAL_STACK
    if not settings.vpc_endpoint_ids:
        return apigateway.EndpointConfiguration(
            types=[apigateway.EndpointType.REGIONAL], ip_address_type=dual_stack
        )
    return apigateway.EndpointConfiguration(
        types=[apigateway.EndpointType.PRIVATE],
        ip_address_type=dual_stack,
        vpc_endpoints=[
            ec2.InterfaceVpcEndpoint.from_interface_vpc_endpoint_attributes(
                scope, endpoint_id, port=443, vpc_endpoint_id=endpoint_id
            )
            for endpoint_id in settings.vpc_endpoint_ids
        ],
    )


def resource_policy(settings: Settings) -> iam.PolicyDocument:
    """Return the policy of the API: callers of the deployment's account and of those in the setting allowedAccounts.

    An account is named by its root, so the account's own policies decide which of its roles may call:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
    """
    accounts: list[iam.IPrincipal] = [iam.AccountRootPrincipal()]
    accounts += [iam.AccountPrincipal(account) for account in settings.allowed_accounts]
    statements = [_invoke("Accounts", accounts, ["execute-api:/*"])]
    if settings.vpc_endpoint_ids:
        elsewhere = _invoke("OnlyThroughVpcEndpoints", [iam.AnyPrincipal()], ["execute-api:/*"])
        elsewhere.effect = iam.Effect.DENY
        elsewhere.add_condition(
            "StringNotEquals", {"aws:SourceVpce": list(settings.vpc_endpoint_ids)}
        )
        statements.append(elsewhere)
    return iam.PolicyDocument(statements=statements)


def require_tls_1_2(rest: apigateway.RestApi) -> None:
    """Refuse TLS 1.0 and 1.1. The access mode STRICT also refuses another API's host name."""
    cfn = cast(apigateway.CfnRestApi, rest.node.default_child)
    cfn.security_policy = _TLS_POLICY
    cfn.endpoint_access_mode = "STRICT"


def _stage(rest: apigateway.RestApi) -> str:
    return rest.deployment_stage.stage_name


def _invoke_policy(
    scope: Construct, construct_id: str, description: str, resources: list[str]
) -> iam.ManagedPolicy:
    # Without a name, because two deployments in one account each have these policies.
    return iam.ManagedPolicy(
        scope,
        construct_id,
        description=description,
        statements=[_invoke("InvokeApi", None, resources)],
    )


def _invoke(
    sid: str, principals: list[iam.IPrincipal] | None, resources: list[str]
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid, actions=["execute-api:Invoke"], principals=principals, resources=resources
    )
