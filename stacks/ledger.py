"""The ledger: the table of jobs, changes and state, and the key that encrypts all data at rest."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

# Index name to partition key. Each index projects whole rows, so that a page needs one query.
_INDEXES = {
    "ByStatus": "StatusKey",
    "ByName": "NameKey",
    "ByNameAndStatus": "NameStatusKey",
}


class EncryptionKey(kms.Key):
    """One key for tables, topics and logs.

    Job names and locations can identify patients. The key lets its owner audit, rotate and disable access
    to them. One key, because a key costs a dollar a month.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retain: bool) -> None:
        """`retain` as for the ledger: the table is unreadable without its key."""
        super().__init__(
            scope,
            construct_id,
            description="Job Ledger: tables, topic and logs",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if retain else RemovalPolicy.DESTROY,
        )
        stack = Stack.of(self)
        logs = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:*"
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        self.add_to_resource_policy(
            iam.PolicyStatement(
                actions=[
                    "kms:Decrypt",
                    "kms:Describe*",
                    "kms:Encrypt",
                    "kms:GenerateDataKey*",
                    "kms:ReEncrypt*",
                ],
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
            )
        )


class Ledger(dynamodb.Table):
    """The table of jobs, status changes and sync states."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, retain: bool) -> None:
        """`retain`: keep the table, with deletion protection, when the stack is deleted."""
        super().__init__(
            scope,
            construct_id,
            partition_key=_string("PK"),
            sort_key=_string("SK"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            # Table instead of TableV2, which needs an explicit region for a customer-managed key.
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=retain,
            removal_policy=RemovalPolicy.RETAIN if retain else RemovalPolicy.DESTROY,
            stream=dynamodb.StreamViewType.NEW_IMAGE,
        )
        self._key = key
        for name, attribute in _INDEXES.items():
            self.add_global_secondary_index(
                index_name=name, partition_key=_string(attribute), sort_key=_string("SK")
            )
        self.add_global_secondary_index(index_name="ById", partition_key=_string("IdKey"))
        stack = Stack.of(self)
        self.scope_name = f"{stack.account}/{stack.region}"

    def grant_reading(self, grantee: iam.IGrantable) -> None:
        """Allow queries and single-row reads, but no scans."""
        self.grant(grantee, "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
        self._key.grant(grantee, "kms:Decrypt", "kms:DescribeKey")

    def grant_recording(self, grantee: iam.IGrantable) -> None:
        """Allow transactions of puts, updates and checks, but no deletes: the ledger keeps everything."""
        self.grant(
            grantee, "dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:UpdateItem"
        )
        self._key.grant_encrypt_decrypt(grantee)


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
