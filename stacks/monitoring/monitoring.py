"""Watches a deployment: alarms that notify the alerts topic, saved log queries and a dashboard."""

from collections.abc import Iterable

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.alerts import JobAlerts
from stacks.api import Api
from stacks.changes import Changes
from stacks.digest import Digest
from stacks.function import METRICS_NAMESPACE
from stacks.ledger import Ledger
from stacks.lookup import Lookup
from stacks.monitoring.alarms import (
    Alarm,
    alert_alarms,
    api_alarms,
    digest_alarms,
    event_alarms,
    function_alarms,
    sync_alarms,
    table_alarms,
)
from stacks.monitoring.dashboard import Watched, create_dashboard, dashboard_rows
from stacks.monitoring.metrics import EmittedMetrics
from stacks.monitoring.queries import SavedQueries
from stacks.settings import Settings
from stacks.sync import Sync
from stacks.widget import Widget


class Monitoring(Construct):
    """`alarms` are all alarms of the deployment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        folder: str,
        ledger: Ledger,
        sync: Sync,
        changes: Changes,
        alerts: JobAlerts,
        digest: Digest,
        api: Api,
        lookup: Lookup,
        widget: Widget,
    ) -> None:
        """Create alarms, queries and dashboard. `folder`: of the saved queries."""
        super().__init__(scope, construct_id)
        emitted = EmittedMetrics(namespace=METRICS_NAMESPACE, service=settings.service_name)
        functions: dict[str, lambda_.Function] = {
            "sync": sync.function,
            "digest": digest.function,
            "changes": changes.function,
            "API": api.function,
        }
        tables = {"ledger": ledger, "idempotency": digest.idempotency_table}
        stage = api.stage
        self.alarms = [
            *_created(sync, sync_alarms(emitted, settings)),
            # In the digest's scope, where they were before: an alarm's id stays what it is.
            *_created(digest, digest_alarms(emitted, settings, digest.undelivered)),
            *_created(changes, event_alarms(emitted, changes.undelivered)),
            *_created(alerts, alert_alarms(alerts.undelivered)),
            *_created(api, api_alarms(stage.metric_server_error(), stage.metric_latency())),
            *_created(ledger, table_alarms(tables)),
        ]
        for name, function in functions.items():
            self.alarms += _created(function, function_alarms(function, name))
        # A look-up that fails is a failure of its function: the deployment that asked says why.
        functions |= {
            "look-up validation": lookup.on_event,
            "look-up": lookup.is_complete,
            "board widget": widget.function,
        }
        SavedQueries(
            self,
            "Queries",
            folder=folder,
            log_groups={
                "sync": [sync.function.log_group],
                "digest": [digest.function.log_group],
                "changes": [changes.function.log_group],
                "api": [api.function.log_group],
                "lookup": [lookup.on_event.log_group, lookup.is_complete.log_group],
                "access": [api.access_logs],
            },
        )
        queues = {"digests": digest.undelivered, "change events": changes.undelivered}
        if alerts.undelivered is not None:
            queues["alerts"] = alerts.undelivered
        watched = Watched(
            emitted=emitted,
            settings=settings,
            alarms=self.alarms,
            board=widget.function,
            api={
                "requests": stage.metric_count(),
                "client errors": stage.metric_client_error(),
                "server errors": stage.metric_server_error(),
                "latency": stage.metric_latency(),
            },
            functions=functions,
            queues=queues,
            tables=tables,
        )
        self.dashboard = create_dashboard(self, dashboard_rows(watched))


def _created(scope: Construct, alarms: Iterable[tuple[str, Alarm]]) -> list[cloudwatch.Alarm]:
    return [alarm.create(scope, construct_id) for construct_id, alarm in alarms]
