"""Schedules of EventBridge Scheduler, and the role with which it runs one."""

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
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


def schedule_often(
    scope: Construct,
    construct_id: str,
    function: lambda_.IFunction,
    *,
    role: iam.Role,
    description: str,
    minutes: int,
    payload: Mapping[str, object],
) -> scheduler.Schedule:
    """Invoke a function every few minutes. Nothing repeats a failed run, because the next one follows soon."""
    return scheduler.Schedule(
        scope,
        construct_id,
        description=description,
        schedule=scheduler.ScheduleExpression.rate(Duration.minutes(minutes)),
        target=targets.LambdaInvoke(
            function,
            role=role.without_policy_updates(),
            input=scheduler.ScheduleTargetInput.from_object(dict(payload)),
            retry_attempts=0,
            max_event_age=Duration.minutes(1),
        ),
    )
