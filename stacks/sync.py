"""The sync: updates the ledger every minute, and once during the deployment."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from jobledger.service import Family, actions
from stacks.first_sync import FirstSync
from stacks.function import Deployment, LedgerFunction
from stacks.permissions import allow
from stacks.scheduler_role import schedule_often, scheduler_role
from stacks.settings import Settings
from stacks.sources import (
    external_id,
    member_name,
    member_roles,
    source_groups,
    sync_role_name,
)

# A minute less than Lambda's limit, so a function that waits for the sync still receives the result.
TIMEOUT = Duration.minutes(14)

# The id that CDK gave the role in the first release.
_ROLE_ID = "SchedulerRoleForTarget-1b2b2b"
# More are synced side by side in one run, each with its clients, and share the processor, which grows with the memory.
_FEW_SOURCES = 5
# CDK moves statements that do not fit into a role's inline policies to managed policies, which have 6,144 characters.
_ROLES_IN_A_STATEMENT = 40


class Sync(Construct):
    """The only construct that may call Comprehend Medical, assume roles of members, and write jobs."""

    def __init__(self, scope: Construct, construct_id: str, deployment: Deployment) -> None:
        """Create function, first sync and schedules."""
        super().__init__(scope, construct_id)
        settings, ledger = deployment.settings, deployment.ledger
        self.function = LedgerFunction(
            self,
            "Function",
            deployment,
            handler="jobledger.handlers.sync.handler",
            description="Job Ledger: reads new and active jobs from Comprehend Medical into the ledger",
            timeout=TIMEOUT,
            memory_size=512 if len(settings.sources) <= _FEW_SOURCES else 1024,
            environment={**deployment.environment, **_of_members(self, settings)},
            role_name=sync_role_name(settings) if settings.sources else None,
        )
        role = self.function.own_role
        ledger.grant_reading(role)
        ledger.grant_recording(role)
        # Comprehend Medical has no resources to name.
        allow(role, "ReadJobs", actions(map(Family, settings.families)), ["*"])
        _allow_members(self, role, settings)
        # The next scheduled run is the retry.
        self.function.configure_async_invoke(retry_attempts=0, max_event_age=Duration.minutes(1))
        self.first = FirstSync(self, "FirstSync", deployment, sync=self.function)
        self._add_schedules(settings)

    def _add_schedules(self, settings: Settings) -> None:
        """Run the sync for all sources, or for each group of sources."""
        groups = source_groups(self, settings) if settings.sources else []
        payloads = [{"Sources": group} for group in groups] or [{}]
        role = scheduler_role(self, _ROLE_ID, self.function)
        for number, payload in enumerate(payloads, start=1):
            schedule = schedule_often(
                self,
                "Schedule" if number == 1 else f"Schedule{number}",
                self.function,
                role=role,
                description="Job Ledger: sync",
                minutes=settings.sync_minutes,
                payload=payload,
            )
            # Two concurrent first fills would list every job twice.
            schedule.node.add_dependency(self.first)


def _of_members(scope: Construct, settings: Settings) -> dict[str, str]:
    """Return the environment variables with which the sync assumes the roles of members."""
    if not settings.sources:
        return {}
    return {
        "MEMBER_ROLE_NAME": member_name(settings),
        "EXTERNAL_ID": external_id(settings, Stack.of(scope).account),
    }


def _allow_members(scope: Construct, role: iam.Role, settings: Settings) -> None:
    """Allow assuming the members' roles, each by its ARN."""
    arns = member_roles(scope, settings)
    for start in range(0, len(arns), _ROLES_IN_A_STATEMENT):
        sid = f"AssumeMembers{start or ''}"
        allow(role, sid, ["sts:AssumeRole"], arns[start : start + _ROLES_IN_A_STATEMENT])
