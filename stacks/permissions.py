"""Statements of roles: each has a name and says exactly what is allowed.

CDK's own grants are not used for the roles of this stack, because some are wider than needed: they name all
versions of a function, all streams, or all data key actions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from stacks import encryption


def allow(
    role: iam.Role,
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Mapping[str, Any] | None = None,
) -> None:
    """Add a statement of its own to a role; CDK does not merge statements that have a `sid`."""
    role.add_to_policy(
        iam.PolicyStatement(
            sid=sid, actions=list(actions), resources=list(resources), conditions=conditions
        )
    )


def allow_logs(role: iam.Role, log_group: logs.ILogGroup, key: kms.IKey) -> None:
    """Allow writing to one encrypted log group.

    CloudWatch Logs uses the key with its own permission and, on its caller's behalf, with the caller's:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    allow(role, "WriteLogs", actions, [log_group.log_group_arn])
    use = (*encryption.READING, *encryption.WRITING)
    allow(role, "UseKeyOfLogs", use, [key.key_arn], encryption.through("logs", role))


def allow_invoking(role: iam.Role, function: lambda_.IFunction, sid: str = "Invoke") -> None:
    """Allow invoking exactly this function, not its versions or aliases, which do not exist."""
    allow(role, sid, ["lambda:InvokeFunction"], [function.function_arn])


def allow_dead_letters(role: iam.Role, queue: sqs.Queue, key: kms.IKey) -> None:
    """Allow a service to send failed events to an encrypted queue, with this role."""
    allow(role, "SendDeadLetters", ["sqs:SendMessage"], [queue.queue_arn])
    through = encryption.through("sqs", queue)
    allow(role, "UseKeyOfQueue", encryption.SENDING, [key.key_arn], through)


def allow_receiving(role: iam.Role, queue: sqs.Queue, key: kms.IKey) -> None:
    """Allow reading an encrypted queue, and deleting what was read."""
    actions = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
    allow(role, "ReceiveMessages", actions, [queue.queue_arn])
    through = encryption.through("sqs", queue)
    allow(role, "UseKeyOfQueue", ["kms:Decrypt"], [key.key_arn], through)


def allow_publishing(role: iam.Role, topics: Mapping[str, sns.Topic], key: kms.IKey) -> None:
    """Allow publishing to encrypted topics, given by the names of the statements.

    This also gives each topic a policy: a topic without one accepts messages from the whole account.
    """
    through = encryption.through("sns", role)
    allow(role, "UseKeyOfTopics", encryption.SENDING, [key.key_arn], through)
    for sid, topic in topics.items():
        allow(role, sid, ["sns:Publish"], [topic.topic_arn])
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                actions=["sns:Publish"],
                principals=[iam.ArnPrincipal(role.role_arn)],
                resources=[topic.topic_arn],
            )
        )


def allow_reading_tables(role: iam.Role, key: kms.IKey) -> None:
    """Allow using the key of encrypted tables for reading."""
    _allow_key_of_tables(role, "ReadTables", encryption.READING, key)


def allow_writing_tables(role: iam.Role, key: kms.IKey) -> None:
    """Allow using the key of encrypted tables for writing. Reading is a permission of its own."""
    _allow_key_of_tables(role, "WriteTables", encryption.WRITING, key)


def _allow_key_of_tables(role: iam.Role, sid: str, actions: Sequence[str], key: kms.IKey) -> None:
    allow(role, sid, actions, [key.key_arn], encryption.through("dynamodb", role))
