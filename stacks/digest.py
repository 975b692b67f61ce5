"""The digest: its function, schedule, topics and subscriptions."""

from aws_cdk import Duration, RemovalPolicy, TimeZone
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.dead_letters import dead_letter_queue
from stacks.function import Deployment, LedgerFunction
from stacks.permissions import (
    allow,
    allow_dead_letters,
    allow_publishing,
    allow_writing_tables,
)
from stacks.scheduler_role import scheduler_role

# The id that CDK gave the role in the first release.
_ROLE_ID = "SchedulerRoleForTarget-b6b93d"


class Digest(Construct):
    """The only construct that may publish digests."""

    def __init__(self, scope: Construct, construct_id: str, deployment: Deployment) -> None:
        """Create topics, function and schedule."""
        super().__init__(scope, construct_id)
        settings, ledger, key = deployment.settings, deployment.ledger, deployment.key
        self.topic = sns.Topic(
            self, "Topic", display_name="Job Ledger", master_key=key, enforce_ssl=True
        )
        for address in settings.digest_emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
        self.chat_topic = _chat_topic(self, key=key) if settings.chat_digests else None
        self._key = key
        self.idempotency_table = _idempotency_table(self, key=key)
        self.function = _function(self, deployment, topic=self.topic)
        role = self.function.own_role
        ledger.grant_reading(role)
        ledger.grant_writing_partition(role, "digest")  # the state of the digest windows
        self.grant_idempotency(self.function)
        topics = {"PublishDigests": self.topic}
        if self.chat_topic is not None:
            self.function.add_environment("CHAT_TOPIC_ARN", self.chat_topic.topic_arn)
            topics["PublishToChat"] = self.chat_topic
        allow_publishing(role, topics, key)
        self.undelivered = _retry_then_keep(self, self.function, key=key)
        _schedule(self, deployment, function=self.function, undelivered=self.undelivered)

    def grant_idempotency(self, function: LedgerFunction) -> None:
        """Let a function store idempotency records.

        Powertools needs no GetItem: since boto3 1.26.164, a refused put returns the record.
        """
        function.add_environment("IDEMPOTENCY_TABLE_NAME", self.idempotency_table.table_name)
        names = ("DeleteItem", "PutItem", "UpdateItem")
        actions = [f"dynamodb:{name}" for name in names]
        allow(function.own_role, "KeepResults", actions, [self.idempotency_table.table_arn])
        allow_writing_tables(function.own_role, self._key)


def _chat_topic(scope: Construct, *, key: kms.IKey) -> sns.Topic:
    """Create a topic for chat messages, which neither people nor programs can read in an e-mail."""
    return sns.Topic(
        scope, "ChatTopic", display_name="Job Ledger chat", master_key=key, enforce_ssl=True
    )


def _idempotency_table(scope: Construct, *, key: kms.IKey) -> dynamodb.Table:
    """Create the table of Powertools' idempotency records: ids, counts and times, with an expiry."""
    return dynamodb.Table(
        scope,
        "Sent",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="expiration",
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=key,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        removal_policy=RemovalPolicy.DESTROY,
    )


def _function(scope: Construct, deployment: Deployment, *, topic: sns.Topic) -> LedgerFunction:
    settings = deployment.settings
    return LedgerFunction(
        scope,
        "Function",
        deployment,
        handler="jobledger.handlers.digest.handler",
        description="Job Ledger: publishes a digest of job status changes in a time window",
        timeout=Duration.minutes(5),
        memory_size=512,
        environment={
            **deployment.environment,
            **deployment.showing_outputs,
            "DIGEST_TOPIC_ARN": topic.topic_arn,
            "DIGEST_TIMEZONE": settings.digest_timezone,
            "DIGEST_SCHEDULE": f"{settings.digest_schedule} {settings.digest_timezone}",
            "DIGEST_WHEN": settings.digest_when,
            "INCLUDE_JOB_DETAILS": "true" if settings.include_job_details else "false",
            "SYNC_MINUTES": str(settings.sync_minutes),
            **({"DIGEST_BY": settings.digest_by} if settings.sources else {}),
        },
    )


def _retry_then_keep(scope: Construct, function: LedgerFunction, *, key: kms.IKey) -> sqs.Queue:
    """Retry a digest twice, then keep its event (times and errors) in a queue."""
    queue = dead_letter_queue(scope, "Undelivered", key=key)
    allow_dead_letters(function.own_role, queue, key)
    function.configure_async_invoke(
        retry_attempts=2,
        max_event_age=Duration.hours(6),
        on_failure=destinations.SqsDestination(queue),
    )
    return queue


def _schedule(
    scope: Construct, deployment: Deployment, *, function: LedgerFunction, undelivered: sqs.Queue
) -> None:
    """Schedule digests. The event has the scheduled time, so late and repeated runs cover the same window."""
    settings = deployment.settings
    event = {
        "ScheduledTime": scheduler.ContextAttribute.scheduled_time,
        "ScheduleArn": scheduler.ContextAttribute.schedule_arn,
    }
    scheduler.Schedule(
        scope,
        "Schedule",
        description="Job Ledger: digest",
        schedule=scheduler.ScheduleExpression.expression(
            settings.digest_schedule, TimeZone.of(settings.digest_timezone)
        ),
        target=targets.LambdaInvoke(
            function,
            role=scheduler_role(
                scope, _ROLE_ID, function, undelivered=undelivered, key=deployment.key
            ).without_policy_updates(),
            input=scheduler.ScheduleTargetInput.from_object(event),
            retry_attempts=10,
            max_event_age=Duration.hours(6),
            dead_letter_queue=undelivered,
        ),
    )
