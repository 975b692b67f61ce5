"""Job alerts: an EventBridge rule sends changes to selected statuses to an SNS topic, without code."""

from collections.abc import Iterable

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.dead_letters import dead_letter_queue
from stacks.settings import Settings


class JobAlerts(Construct):
    """The topic for changes to the statuses in the setting alertOn."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        key: kms.IKey,
    ) -> None:
        """Create topic, rule and subscriptions."""
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(
            self, "Topic", display_name="Job Ledger alerts", master_key=key, enforce_ssl=True
        )
        for address in settings.alert_emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
        self.undelivered: sqs.Queue | None = None
        if settings.alert_on:
            self.undelivered = dead_letter_queue(self, "Undelivered", key=key)
            events.Rule(
                self,
                "Rule",
                description="Job Ledger: job status changes that need attention",
                event_pattern=events.EventPattern(
                    source=[settings.event_source],
                    detail_type=["Comprehend Medical Job State Change"],
                    detail={"JobStatus": list(settings.alert_on)},
                ),
                # CDK lets EventBridge publish to the topic, without a condition: AWS supports none there.
                # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
                targets=[
                    targets.SnsTopic(
                        self.topic,
                        message=_message(),
                        dead_letter_queue=self.undelivered,
                    )
                ],
            )

    def notify_of(self, alarms: Iterable[cloudwatch.Alarm]) -> None:
        """Send this deployment's own alarms to the topic as well."""
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        for alarm in alarms:
            alarm.add_alarm_action(actions.SnsAction(self.topic))


def _message() -> events.RuleTargetInput:
    """A short text with ids and times only, as in the event."""
    field = events.EventField.from_path
    return events.RuleTargetInput.from_multiline_text(
        f"Comprehend Medical job {field('$.detail.JobId')} ({field('$.detail.Family')}) "
        f"is {field('$.detail.JobStatus')}.\n"
        f"Submitted {field('$.detail.SubmitTime')}, ended {field('$.detail.EndTime')}, "
        f"seen by Job Ledger {field('$.detail.ObservedAt')}.\n"
        f"Account {field('$.detail.Account')}, region {field('$.detail.Region')}. "
        f"To look closer: GET /jobs/{field('$.detail.JobId')} on the Job Ledger API,\n"
        f"jobledger job {field('$.detail.JobId')} in a shell, or its page in a browser:\n"
        f"jobledger open {field('$.detail.JobId')}\n"
        "To choose what is sent here: the setting alertOn of the deployment."
    )
