"""Watches a deployment: alarms that notify the alerts topic, saved log queries and a dashboard."""

from collections.abc import Iterable
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.alerts import JobAlerts
from stacks.api import Api
from stacks.changes import Changes
from stacks.digest import Digest
from stacks.function import METRICS_NAMESPACE
from stacks.ledger import Ledger
from stacks.lookup import Lookup
from stacks.monitoring.alarm import Alarm
from stacks.monitoring.alarms import (
    alert_alarms,
    api_alarms,
    digest_alarms,
    event_alarms,
    function_alarms,
    output_alarms,
    sync_alarms,
    table_alarms,
)
from stacks.monitoring.dashboard import Watched, create_dashboard, dashboard_rows
from stacks.monitoring.metrics import EmittedMetrics
from stacks.monitoring.queries import SavedQueries
from stacks.outputs import Outputs
from stacks.settings import Settings
from stacks.sync import Sync
from stacks.widget import Widget


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The constructs of a deployment that are watched."""

    ledger: Ledger
    sync: Sync
    changes: Changes
    alerts: JobAlerts
    digest: Digest
    api: Api
    lookup: Lookup
    widget: Widget
    outputs: Outputs | None

    @property
    def alarmed_functions(self) -> dict[str, lambda_.Function]:
        """The functions with alarms of their own, by name.

        Look-ups have none: when one fails, its function fails, and the deployment that asked says why.
        """
        return {
            "sync": self.sync.function,
            "digest": self.digest.function,
            "changes": self.changes.function,
            "API": self.api.function,
        }

    @property
    def functions(self) -> dict[str, lambda_.Function]:
        """The functions on the dashboard, by name: all but that of outputs, for which it has no free metrics left."""
        alerts = {"alerts": self.alerts.function} if self.alerts.function else {}
        return self.alarmed_functions | {
            **alerts,
            "look-up validation": self.lookup.on_event,
            "look-up": self.lookup.is_complete,
            "board widget": self.widget.function,
        }

    @property
    def tables(self) -> dict[str, dynamodb.Table]:
        """The tables, by name."""
        return {"ledger": self.ledger, "idempotency": self.digest.idempotency_table}

    @property
    def log_groups(self) -> dict[str, list[logs.ILogGroup]]:
        """The log groups of each capability, by the names in the saved queries."""
        return {
            "sync": [self.sync.function.log_group],
            "digest": [self.digest.function.log_group],
            "changes": [self.changes.function.log_group],
            "api": [self.api.function.log_group],
            "lookup": [self.lookup.on_event.log_group, self.lookup.is_complete.log_group],
            "access": [self.api.access_logs],
            "alerts": [self.alerts.function.log_group] if self.alerts.function else [],
            "outputs": [self.outputs.function.log_group] if self.outputs else [],
        }


class Monitoring(Construct):
    """`alarms` are all alarms of the deployment."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, folder: str, parts: Parts
    ) -> None:
        """Create alarms, queries and dashboard. `folder`: of the saved queries."""
        super().__init__(scope, construct_id)
        emitted = EmittedMetrics(namespace=METRICS_NAMESPACE, service=settings.service_name)
        self.alarms = _alarms(emitted, settings, parts)
        SavedQueries(self, "Queries", folder=folder, log_groups=parts.log_groups)
        stage = parts.api.stage
        watched = Watched(
            emitted=emitted,
            settings=settings,
            alarms=self.alarms,
            board=parts.widget.function,
            api={
                "requests": stage.metric_count(),
                "client errors": stage.metric_client_error(),
                "server errors": stage.metric_server_error(),
                "latency": stage.metric_latency(),
            },
            functions=parts.functions,
            tables=parts.tables,
        )
        self.dashboard = create_dashboard(self, dashboard_rows(watched))


def _alarms(emitted: EmittedMetrics, settings: Settings, parts: Parts) -> list[cloudwatch.Alarm]:
    """Create each alarm in the scope of what it watches."""
    digest, stage = parts.digest, parts.api.stage
    declared: list[tuple[Construct, Iterable[Alarm]]] = [
        (parts.sync, sync_alarms(emitted, settings)),
        (digest, digest_alarms(emitted, settings, digest.undelivered)),
        (parts.changes, event_alarms(emitted, parts.changes.undelivered)),
        (parts.alerts, alert_alarms(parts.alerts.function, parts.alerts.undelivered)),
        (parts.api, api_alarms(stage.metric_server_error(), stage.metric_latency())),
        (parts.ledger, table_alarms(parts.ledger, digest.idempotency_table)),
    ]
    if parts.outputs is not None:
        declared.append((parts.outputs, output_alarms(emitted)))
    declared += [
        (function, function_alarms(function, name))
        for name, function in parts.alarmed_functions.items()
    ]
    notification = actions.SnsAction(parts.alerts.topic)
    return [alarm.create(scope, notification) for scope, alarms in declared for alarm in alarms]
