"""The digest: its function, schedule, topics and subscriptions."""

from aws_cdk import Duration, RemovalPolicy, TimeZone
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.function import Code, LedgerFunction, shared_environment
from stacks.ledger import Ledger
from stacks.settings import Settings


class Digest(Construct):
    """The only construct that may publish digests."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: Code,
        ledger: Ledger,
        key: kms.IKey,
    ) -> None:
        """Create topics, function and schedule."""
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(
            self, "Topic", display_name="Job Ledger", master_key=key, enforce_ssl=True
        )
        for address in settings.digest_emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
        self.chat_topic = _chat_topic(self, key=key) if settings.chat_digests else None
        self._key = key
        self.idempotency_table = _idempotency_table(self, key=key)
        self.function = _function(
            self, settings=settings, code=code, ledger=ledger, key=key, topic=self.topic
        )
        ledger.grant_reading(self.function)
        ledger.grant(self.function, "dynamodb:PutItem")  # the state of the digest windows
        self.grant_idempotency(self.function)
        _let_only(self.function, publish_to=self.topic)
        if self.chat_topic is not None:
            self.function.add_environment("CHAT_TOPIC_ARN", self.chat_topic.topic_arn)
            _let_only(self.function, publish_to=self.chat_topic)
        self.undelivered = _retry_then_keep(self, self.function)
        _schedule(self, settings=settings, function=self.function, undelivered=self.undelivered)

    def grant_idempotency(self, function: LedgerFunction) -> None:
        """Let a function store idempotency records, with the four operations of Powertools."""
        function.add_environment("IDEMPOTENCY_TABLE_NAME", self.idempotency_table.table_name)
        self.idempotency_table.grant(
            function,
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        )
        self._key.grant_encrypt_decrypt(function)


def _chat_topic(scope: Construct, *, key: kms.IKey) -> sns.Topic:
    """A topic of its own: chat messages are not readable as e-mail or JSON."""
    return sns.Topic(
        scope, "ChatTopic", display_name="Job Ledger chat", master_key=key, enforce_ssl=True
    )


def _idempotency_table(scope: Construct, *, key: kms.IKey) -> dynamodb.Table:
    """The records of Powertools idempotency: ids, counts and times, with an expiry."""
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


def _function(
    scope: Construct,
    *,
    settings: Settings,
    code: Code,
    ledger: Ledger,
    key: kms.IKey,
    topic: sns.Topic,
) -> LedgerFunction:
    return LedgerFunction(
        scope,
        "Function",
        code=code,
        handler="jobledger.handlers.digest.handler",
        description="Job Ledger: publishes a digest of job status changes in a time window",
        timeout=Duration.minutes(5),
        memory_size=512,
        key=key,
        environment={
            **shared_environment(
                table_name=ledger.table_name, ledger_scope=ledger.scope_name, settings=settings
            ),
            "DIGEST_TOPIC_ARN": topic.topic_arn,
            "DIGEST_TIMEZONE": settings.digest_timezone,
            "DIGEST_SCHEDULE": f"{settings.digest_schedule} {settings.digest_timezone}",
            "DIGEST_WHEN": settings.digest_when,
            "INCLUDE_JOB_DETAILS": "true" if settings.include_job_details else "false",
            "SYNC_MINUTES": str(settings.sync_minutes),
        },
    )


def _let_only(function: LedgerFunction, *, publish_to: sns.Topic) -> None:
    """Allow only this role to publish; a topic without a policy allows the whole account."""
    publish_to.grant_publish(function.own_role)
    publish_to.add_to_resource_policy(
        iam.PolicyStatement(
            sid="PublishDigests",
            actions=["sns:Publish"],
            principals=[iam.ArnPrincipal(function.own_role.role_arn)],
            resources=[publish_to.topic_arn],
        )
    )


def _retry_then_keep(scope: Construct, function: LedgerFunction) -> sqs.Queue:
    """Retry a digest twice, then keep its event in a queue for two weeks."""
    queue = sqs.Queue(
        scope,
        "Undelivered",
        # Not encrypted with the stack's key, to which the scheduler has no access. Contains times and
        # errors only.
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    function.configure_async_invoke(
        retry_attempts=2,
        max_event_age=Duration.hours(6),
        on_failure=destinations.SqsDestination(queue),
    )
    return queue


def _schedule(
    scope: Construct, *, settings: Settings, function: LedgerFunction, undelivered: sqs.Queue
) -> None:
    """The event carries the scheduled time, so that late and repeated runs cover the same window."""
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
            input=scheduler.ScheduleTargetInput.from_object(event),
            retry_attempts=10,
            max_event_age=Duration.hours(6),
            dead_letter_queue=undelivered,
        ),
    )
