"""The key that encrypts all data at rest: tables, topics, queues and logs."""

from aws_cdk import ArnFormat, Aws, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.settings import Settings

# What a caller of DynamoDB needs to read a table, and in addition to write one. Actions by name, without wildcards:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
READING = ("kms:Decrypt", "kms:DescribeKey")
WRITING = (
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
# What a sender to an encrypted topic or queue needs:
# https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
SENDING = ("kms:Decrypt", "kms:GenerateDataKey")
# The names of the encryption context of a look-up's properties.
LOOKUP_CONTEXT = ("StackId", "LogicalResourceId", "RequestId")

_ADMINISTRATION = tuple(
    f"kms:{action}"
    for action in (
        "CancelKeyDeletion",
        "CreateAlias",
        "DeleteAlias",
        "DescribeKey",
        "DisableKey",
        "DisableKeyRotation",
        "EnableKey",
        "EnableKeyRotation",
        "GetKeyPolicy",
        "GetKeyRotationStatus",
        "ListGrants",
        "ListKeyPolicies",
        "ListKeyRotations",
        "ListResourceTags",
        "PutKeyPolicy",
        "RevokeGrant",
        "RotateKeyOnDemand",
        "ScheduleKeyDeletion",
        "TagResource",
        "UntagResource",
        "UpdateAlias",
        "UpdateKeyDescription",
    )
)


def encryption_key(scope: Construct, *, settings: Settings) -> kms.IKey:
    """Return the deployment's own key, or the one of the setting kmsKeyArn.

    Job names and locations can identify patients. A customer-managed key lets its owner audit, rotate and
    disable access to them. One key, because a key costs a dollar a month.
    """
    if settings.kms_key_arn:
        return kms.Key.from_key_arn(scope, "Key", settings.kms_key_arn)
    key = kms.Key(
        scope,
        "Key",
        description="Job Ledger: tables, topics, queues and logs",
        enable_key_rotation=True,
        policy=_key_policy(Stack.of(scope)),
        # As for the ledger: the table is unreadable without its key.
        removal_policy=RemovalPolicy.RETAIN if settings.retain_ledger else RemovalPolicy.DESTROY,
    )
    # CDK would add wider statements to the key's policy. It leaves a key that is imported by its ARN alone.
    return kms.Key.from_key_arn(scope, "KeyByArn", key.key_arn)


def through(service: str, scope: Construct) -> dict[str, dict[str, str]]:
    """Return the condition that the key is used by this service only, on a caller's behalf."""
    return {"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(scope).region}.amazonaws.com"}}


def _key_policy(stack: Stack) -> iam.PolicyDocument:
    """Return the key's policy: administration by the account, and use through the services that hold the data.

    With `AccountRootPrincipal`, the account's IAM policies decide who may do what a statement allows. No one may
    decrypt job data with the key directly.
    """
    return iam.PolicyDocument(statements=[*_use_statements(stack), *_delivery_statements(stack)])


def _use_statements(stack: Stack) -> list[iam.PolicyStatement]:
    """Return the statements of what IAM policies may allow to the account's roles and users."""
    names = ("dynamodb", "logs", "sns", "sqs")
    services = [f"{name}.{stack.region}.amazonaws.com" for name in names]
    account = iam.AccountRootPrincipal()
    return [
        _statement("Administration", account, _ADMINISTRATION),
        _statement(
            "UseThroughServices",
            account,
            (*READING, *WRITING),
            _equal("kms:ViaService", services),
        ),
        # Look-ups encrypt their properties (lambda/jobledger/lookup). This cannot decrypt the services' data, which
        # has other encryption contexts.
        _statement(
            "LookupProperties",
            account,
            ["kms:Decrypt", "kms:Encrypt"],
            {
                "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": list(LOOKUP_CONTEXT)},
                "Null": {"kms:EncryptionContextKeys": "false"},
            },
        ),
        # DynamoDB takes a grant for each table, when CloudFormation creates or changes it:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
        _statement(
            "GrantsForTables",
            account,
            ["kms:CreateGrant"],
            _equal("kms:ViaService", services[:1])
            | {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]


def _delivery_statements(stack: Stack) -> list[iam.PolicyStatement]:
    """Return the statements for AWS services that write to the stack's log groups, topics and queues."""
    return [
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        _statement(
            "Logs",
            iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com"),
            (*READING, *WRITING),
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": _log_groups(stack)}},
        ),
        # API Gateway writes access logs with the account's role for logs, which may be another stack's and has
        # no permission for any key. This statement is enough by itself.
        _statement(
            "LogsOfCallers",
            iam.AnyPrincipal(),
            SENDING,
            {
                "StringEquals": {
                    "kms:CallerAccount": stack.account,
                    "kms:ViaService": f"logs.{stack.region}.amazonaws.com",
                }
            },
        ),
        # Alerts and their dead letters. A condition on the source account or ARN is not supported for
        # encrypted topics of EventBridge, whose messages it would drop:
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        _statement("Events", iam.ServicePrincipal("events.amazonaws.com"), SENDING),
        _statement(
            "Alarms",
            iam.ServicePrincipal("cloudwatch.amazonaws.com"),
            SENDING,
            _equal("aws:SourceAccount", [stack.account]),
        ),
    ]


def _statement(
    sid: str,
    principal: iam.IPrincipal,
    actions: tuple[str, ...] | list[str],
    conditions: dict[str, dict[str, object]] | None = None,
) -> iam.PolicyStatement:
    # In a key's policy, `*` is the key.
    return iam.PolicyStatement(
        sid=sid,
        principals=[principal],
        actions=list(actions),
        resources=["*"],
        conditions=conditions,
    )


def _equal(key: str, values: list[str]) -> dict[str, dict[str, object]]:
    return {"StringEquals": {key: values}}


def _log_groups(stack: Stack) -> str:
    """Return the pattern of this stack's log groups: their generated names begin with the stack's name."""
    return stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{Aws.STACK_NAME}-*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
