"""The role with which EventBridge Scheduler runs one schedule."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.permissions import allow_dead_letters, allow_invoking


def scheduler_role(
    scope: Construct,
    construct_id: str,
    function: lambda_.IFunction,
    *,
    undelivered: sqs.Queue | None = None,
    key: kms.IKey | None = None,
) -> iam.Role:
    """Create a role that may invoke this function, and send events to the dead-letter queue.

    `construct_id` is in the scope of the stack. CDK's own role may also invoke all versions and aliases of the
    function, and may not use the queue's key.
    """
    stack = Stack.of(scope)
    role = iam.Role(
        stack,
        construct_id,
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com",
            conditions={
                "StringEquals": {
                    "aws:SourceAccount": stack.account,
                    "aws:SourceArn": stack.format_arn(
                        service="scheduler", resource="schedule-group", resource_name="default"
                    ),
                }
            },
        ),
    )
    allow_invoking(role, function)
    if undelivered and key:
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
        allow_dead_letters(role, undelivered, key)
    return role
