"""Job alerts: changes to selected statuses wait in a queue, and become one message a minute on an SNS topic.

A rule of EventBridge could send them to the topic directly, but only as one message for each change, without a subject
and with each line in quotes. Lambda could read the queue itself, but it starts five readers, and each would send a message.
"""

from collections.abc import Iterable

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.dead_letters import dead_letter_queue, waiting_queue
from stacks.function import Deployment, LedgerFunction
from stacks.permissions import allow_publishing, allow_receiving
from stacks.scheduler_role import schedule_often, scheduler_role
from stacks.settings import Settings

_ROLE_ID = "SchedulerRoleForAlerts"
# The statements for the topics that the function's variables name.
_PUBLISHES = {"ALERT_TOPIC_ARN": "PublishAlerts", "CHAT_TOPIC_ARN": "PublishAlertsToChat"}
_TIMEOUT = Duration.minutes(2)
# Longer than a run. When SNS refuses a message, the first run after this time sends it again.
_HIDDEN = Duration.seconds(150)
# Twelve hours: every third run reads a waiting message again.
_TIMES = 240


class JobAlerts(Construct):
    """The topic for changes to the statuses in the setting alertOn, and for this deployment's alarms.

    `function` and `undelivered` are None without alertOn.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        deployment: Deployment,
        *,
        chat_topic: sns.Topic | None,
        api_url: str,
    ) -> None:
        """Create the topic and its subscriptions; with alertOn also the rule, the queue and the function."""
        super().__init__(scope, construct_id)
        settings, key = deployment.settings, deployment.key
        self.topic = sns.Topic(
            self, "Topic", display_name="Job Ledger alerts", master_key=key, enforce_ssl=True
        )
        self.subscriptions = [
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
            for address in settings.alert_emails
        ]
        self.undelivered: sqs.Queue | None = None
        self.function: LedgerFunction | None = None
        if settings.alert_on:
            topics = {"ALERT_TOPIC_ARN": self.topic}
            if chat_topic is not None:
                topics["CHAT_TOPIC_ARN"] = chat_topic
            self.undelivered = dead_letter_queue(self, "Undelivered", key=key)
            self.function = self._publish_changes(deployment, self.undelivered, topics, api_url)

    def _publish_changes(
        self,
        deployment: Deployment,
        undelivered: sqs.Queue,
        topics: dict[str, sns.Topic],
        api_url: str,
    ) -> LedgerFunction:
        """Create the rule, the queue that it sends to, and the function that reads it each minute."""
        waiting = waiting_queue(
            self,
            "Waiting",
            key=deployment.key,
            hidden=_HIDDEN,
            times=_TIMES,
            undelivered=undelivered,
        )
        rule = _rule(self, settings=deployment.settings, waiting=waiting, undelivered=undelivered)
        # In early versions the rule sent to the topic. An update changes the rule before it removes that permission.
        self.topic.node.find_child("Policy").node.add_dependency(rule)
        function = _function(self, deployment, waiting, topics, api_url)
        schedule_often(
            self,
            "Schedule",
            function,
            role=scheduler_role(self, _ROLE_ID, function),
            description="Job Ledger: alerts",
            minutes=1,
            payload={},
        )
        return function

    def accept(self, alarms: Iterable[cloudwatch.Alarm]) -> None:
        """Accept notifications of this deployment's own alarms.

        A new alarm notifies once that it is OK. The addresses are subscribed after the alarms exist, so at a first
        deployment they get this notification only from alarms whose first data comes later.
        """
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        for subscription in self.subscriptions:
            subscription.node.add_dependency(*alarms)


def _function(
    scope: Construct,
    deployment: Deployment,
    waiting: sqs.Queue,
    topics: dict[str, sns.Topic],
    api_url: str,
) -> LedgerFunction:
    """Create the function. `topics`: those that it publishes to, by the names of its variables."""
    function = LedgerFunction(
        scope,
        "Function",
        deployment,
        handler="jobledger.handlers.alerts.handler",
        description="Job Ledger: publishes the job status changes of a minute as one message",
        timeout=_TIMEOUT,
        memory_size=256,
        environment={
            **deployment.environment,
            **deployment.showing_outputs,
            **{name: topic.topic_arn for name, topic in topics.items()},
            "ALERT_QUEUE_URL": waiting.queue_url,
            "API_URL": api_url,
        },
        # X-Ray would record each run, most of which find the queue empty.
        tracing=lambda_.Tracing.PASS_THROUGH,
    )
    # The next scheduled run is the retry.
    function.configure_async_invoke(retry_attempts=0, max_event_age=Duration.minutes(1))
    allow_receiving(function.own_role, waiting, deployment.key)
    statements = {_PUBLISHES[name]: topic for name, topic in topics.items()}
    allow_publishing(function.own_role, statements, deployment.key)
    if deployment.settings.output_buckets:
        # Events do not say what jobs processed.
        deployment.ledger.grant_querying(function.own_role)
    return function


def _rule(
    scope: Construct, *, settings: Settings, waiting: sqs.Queue, undelivered: sqs.Queue
) -> events.Rule:
    # CDK would allow all rules of the account to send to the queue. It leaves a queue that is imported by its ARN alone.
    by_arn = sqs.Queue.from_queue_arn(scope, "WaitingByArn", waiting.queue_arn)
    rule = events.Rule(
        scope,
        "Rule",
        description="Job Ledger: job status changes that need attention",
        event_pattern=events.EventPattern(
            source=[settings.event_source],
            detail_type=["Comprehend Medical Job State Change"],
            detail={"JobStatus": list(settings.alert_on)},
        ),
        targets=[targets.SqsQueue(by_arn, dead_letter_queue=undelivered)],
    )
    waiting.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Events",
            actions=["sqs:SendMessage"],
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            resources=[waiting.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": rule.rule_arn}},
        )
    )
    return rule
