"""The sync: updates the ledger every minute, and once during the deployment."""

from aws_cdk import Duration
from constructs import Construct

from jobledger.service import Family, actions
from stacks.first_sync import FirstSync
from stacks.function import Deployment, LedgerFunction
from stacks.permissions import allow
from stacks.scheduler_role import schedule_often

# A minute less than Lambda's limit, so a function that waits for the sync still receives the result.
TIMEOUT = Duration.minutes(14)

# The id that CDK gave the role in the first release.
_ROLE_ID = "SchedulerRoleForTarget-1b2b2b"


class Sync(Construct):
    """The only construct that may call Comprehend Medical and write jobs."""

    def __init__(self, scope: Construct, construct_id: str, deployment: Deployment) -> None:
        """Create function, first sync and schedule."""
        super().__init__(scope, construct_id)
        self.function = LedgerFunction(
            self,
            "Function",
            deployment,
            handler="jobledger.handlers.sync.handler",
            description="Job Ledger: reads new and active jobs from Comprehend Medical into the ledger",
            timeout=TIMEOUT,
            memory_size=512,
            environment=deployment.environment,
        )
        settings, ledger = deployment.settings, deployment.ledger
        ledger.grant_reading(self.function.own_role)
        ledger.grant_recording(self.function.own_role)
        # Comprehend Medical has no resources to name.
        allow(self.function.own_role, "ReadJobs", actions(map(Family, settings.families)), ["*"])
        # The next scheduled run is the retry.
        self.function.configure_async_invoke(retry_attempts=0, max_event_age=Duration.minutes(1))
        self.first = FirstSync(self, "FirstSync", deployment, sync=self.function)
        schedule = schedule_often(
            self,
            "Schedule",
            self.function,
            role_id=_ROLE_ID,
            description="Job Ledger: sync",
            minutes=settings.sync_minutes,
            payload={},
        )
        # Two concurrent first fills would list every job twice.
        schedule.node.add_dependency(self.first)
