"""Outputs: reads from S3 what each job processed, when it ends, and until it is found."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks import encryption
from stacks.change_log import stream_of_changes
from stacks.function import Deployment, LedgerFunction
from stacks.permissions import allow, allow_dead_letters
from stacks.scheduler_role import schedule_often, scheduler_role

_ROLE_ID = "SchedulerRoleForOutputs"
# The keys of a job's manifest and of what lies in its folder. S3's other objects are clinical texts and their results.
_MANIFESTS = ("*Manifest", "*Manifest_*")


class Outputs(Construct):
    """The only construct that may read S3. Created with outputBuckets only."""

    def __init__(
        self, scope: Construct, construct_id: str, deployment: Deployment, *, undelivered: sqs.Queue
    ) -> None:
        """Create the function, its stream source and its schedule.

        `undelivered` gets what was given up, which a person reads again as a whole: a queue with an alarm that
        exists anyway, because another alarm would be a sixth of what outputs cost.
        """
        super().__init__(scope, construct_id)
        self.function = _function(self, deployment, undelivered)
        role = self.function.own_role
        allow_dead_letters(role, undelivered, deployment.key)
        deployment.ledger.grant_finding(role)
        deployment.ledger.grant_recording_outputs(role)
        deployment.ledger.grant_reading_stream(role)
        _allow_manifests(role, deployment)
        self.function.add_event_source(stream_of_changes(deployment.ledger, undelivered))
        # Without an alarm of its own: a function that fails each time is noticed by what arrives in the queue.
        self.function.configure_async_invoke(
            retry_attempts=2,
            max_event_age=Duration.minutes(10),
            on_failure=destinations.SqsDestination(undelivered),
        )
        schedule_often(
            self,
            "Schedule",
            self.function,
            role=scheduler_role(self, _ROLE_ID, self.function),
            description="Job Ledger: outputs",
            minutes=1,
            payload={},
        )


def _function(scope: Construct, deployment: Deployment, undelivered: sqs.Queue) -> LedgerFunction:
    return LedgerFunction(
        scope,
        "Function",
        deployment,
        handler="jobledger.handlers.outputs.handler",
        description="Job Ledger: reads what each ended job processed from its manifest in S3",
        timeout=Duration.minutes(5),
        memory_size=384,  # a list of 64 MB, with the codes in it
        environment={
            **deployment.environment,
            "OUTPUT_BUCKETS": ",".join(deployment.settings.output_buckets),
            "UNDELIVERED_QUEUE_URL": undelivered.queue_url,
        },
        # X-Ray and Lambda's log would record each run, most of which find nothing to read.
        tracing=lambda_.Tracing.PASS_THROUGH,
        system_log_level=lambda_.SystemLogLevel.WARN,
    )


def _allow_manifests(role: iam.Role, deployment: Deployment) -> None:
    settings, partition = deployment.settings, Stack.of(role).partition
    objects = [
        f"arn:{partition}:s3:::{location}{pattern}"
        for location in settings.output_locations
        for pattern in _MANIFESTS
    ]
    allow(role, "ReadManifests", ["s3:GetObject"], objects)
    if settings.output_key_arns:
        through = encryption.through("s3", role)
        allow(role, "DecryptManifests", ["kms:Decrypt"], settings.output_key_arns, through)
