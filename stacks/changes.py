"""Change events: sends each change in the ledger's change log to EventBridge's default bus."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.change_log import stream_of_changes
from stacks.dead_letters import dead_letter_queue
from stacks.function import Deployment, LedgerFunction
from stacks.permissions import allow, allow_dead_letters


class Changes(Construct):
    """The only construct that may put events; reads the stream of the ledger's table."""

    def __init__(self, scope: Construct, construct_id: str, deployment: Deployment) -> None:
        """Create the function, its stream source and its dead-letter queue."""
        super().__init__(scope, construct_id)
        settings, key = deployment.settings, deployment.key
        # It contains positions in the stream and keys of rows, but no job data.
        self.undelivered = dead_letter_queue(self, "Undelivered", key=key)
        self.function = LedgerFunction(
            self,
            "Function",
            deployment,
            handler="jobledger.handlers.changes.handler",
            description="Job Ledger: sends each job status change to EventBridge",
            timeout=Duration.minutes(3),
            memory_size=256,
            environment={
                **deployment.environment,
                "EVENT_SOURCE": settings.event_source,
                "INCLUDE_JOB_DETAILS": "true" if settings.include_job_details else "false",
                "UNDELIVERED_QUEUE_URL": self.undelivered.queue_url,
            },
        )
        allow_dead_letters(self.function.own_role, self.undelivered, key)
        _allow(self.function.own_role, deployment)
        self.function.add_event_source(stream_of_changes(deployment.ledger, self.undelivered))


def _allow(role: iam.Role, deployment: Deployment) -> None:
    settings, ledger = deployment.settings, deployment.ledger
    ledger.grant_reading_stream(role)
    if settings.include_job_details:
        # The change log contains no names.
        allow(role, "ReadJobName", ["dynamodb:GetItem"], [ledger.table_arn])
    stack = Stack.of(role)
    bus = stack.format_arn(service="events", resource="event-bus", resource_name="default")
    only_own = {"StringEquals": {"events:source": settings.event_source}}
    allow(role, "PutEvents", ["events:PutEvents"], [bus], only_own)
