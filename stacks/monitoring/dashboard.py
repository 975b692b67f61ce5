"""The CloudWatch dashboard: age of the ledger, status of jobs, answers to people and systems, and cost drivers.

It has at most 50 metrics, because CloudWatch bills three dollars a month for a dashboard that has more
(https://aws.amazon.com/cloudwatch/pricing/). What alarms watch (throttles, dead letters, near timeouts) is left to the
widget of all alarms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.monitoring.metrics import EmittedMetrics
from stacks.settings import Settings

_WIDTH = 24  # columns of a dashboard
_PERIOD = Duration.minutes(5)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What the dashboard shows. The keys of the mappings are the names in the graphs."""

    emitted: EmittedMetrics
    settings: Settings
    alarms: Sequence[cloudwatch.Alarm]
    board: lambda_.IFunction
    api: Mapping[str, cloudwatch.Metric]
    functions: Mapping[str, lambda_.Function]
    tables: Mapping[str, dynamodb.Table]

    def counts(self, *names: str) -> list[cloudwatch.IMetric]:
        """Return the sums of emitted metrics."""
        return [self.emitted.metric(name, "Sum", label=name) for name in names]

    def statistics(self, name: str, *statistics: str) -> list[cloudwatch.IMetric]:
        """Return several statistics of one emitted metric."""
        return [self.emitted.metric(name, each, label=each) for each in statistics]


def dashboard_rows(watched: Watched) -> list[list[cloudwatch.IWidget]]:
    """Return the widgets, row by row, the most important first."""
    return [
        [
            cloudwatch.AlarmStatusWidget(
                title="Alarms", width=_WIDTH, height=4, alarms=list(watched.alarms)
            )
        ],
        [
            cloudwatch.CustomWidget(
                title="Jobs", width=_WIDTH, height=18, function_arn=watched.board.function_arn
            )
        ],
        *_sync_rows(watched),
        *_answer_rows(watched),
        *_resource_rows(watched),
    ]


def _sync_rows(watched: Watched) -> list[list[cloudwatch.IWidget]]:
    count, each = watched.counts, watched.statistics
    ages = [
        watched.emitted.metric("AsOfAgeSeconds", "Maximum", family=family, label=family)
        for family in watched.settings.families
    ]
    return [
        _row(
            _graph("Age of the ledger by family (seconds)", ages),
            _graph("Jobs and status changes", count("JobsObserved", "Transitions")),
            _graph("Duration of jobs (seconds)", each("JobSeconds", "p50", "p90", "Maximum")),
        ),
        _row(
            _graph("Calls of Comprehend Medical", count("UpstreamCalls", "UpstreamThrottles")),
            _graph("Duration of a sync (seconds)", each("SyncSeconds", "p50", "Maximum")),
            _graph(
                "Failed syncs and repaired counters",
                count("SyncFailures", "CountersRepaired", "RowsSkipped", "JobsAltered"),
            ),
        ),
    ]


def _answer_rows(watched: Watched) -> list[list[cloudwatch.IWidget]]:
    count, api = watched.counts, watched.api
    latency = [api["latency"].with_(statistic=each, label=each) for each in ("p50", "p90", "p99")]
    requests = [
        api[name].with_(statistic="Sum", label=name)
        for name in ("requests", "client errors", "server errors")
    ]
    digests = ("DigestRuns", "DigestsPublished", "DigestsResumed", "DigestFailures", "ChatFailures")
    waits = watched.statistics("LookupWaitSeconds", "Maximum")
    return [
        _row(
            _graph("API requests", requests),
            _graph("API latency (milliseconds)", latency),
            _graph("Look-ups", count("LookupsFound", "LookupsFailed"), waits),
        ),
        _row(
            _graph("Digests", count(*digests)),
            _graph("Change events", count("EventsSent", "EventFailures", "RecordsPutAside")),
        ),
    ]


def _resource_rows(watched: Watched) -> list[list[cloudwatch.IWidget]]:
    functions = watched.functions
    return [
        _row(
            _graph("Function errors", _of_functions(functions, "Errors", "Sum")),
            _graph("Cost drivers: invocations", _of_functions(functions, "Invocations", "Sum")),
            _graph("Cost drivers: DynamoDB units", _units(watched.tables)),
        ),
    ]


def create_dashboard(
    scope: Construct, rows: list[list[cloudwatch.IWidget]]
) -> cloudwatch.Dashboard:
    """Create the dashboard with a time range of one day."""
    return cloudwatch.Dashboard(scope, "Dashboard", default_interval=Duration.days(1), widgets=rows)


def _row(*widgets: cloudwatch.GraphWidget) -> list[cloudwatch.IWidget]:
    return list(widgets)


def _graph(
    title: str,
    left: Sequence[cloudwatch.IMetric],
    right: Sequence[cloudwatch.IMetric] = (),
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        right=list(right),
        period=_PERIOD,
        width=_WIDTH // 3,
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
    )


def _of_functions(
    functions: Mapping[str, lambda_.Function], metric: str, statistic: str
) -> list[cloudwatch.IMetric]:
    return [f.metric(metric, label=name, statistic=statistic) for name, f in functions.items()]


def _units(tables: Mapping[str, dynamodb.Table]) -> list[cloudwatch.IMetric]:
    return [
        table.metric(
            f"Consumed{verb}CapacityUnits", label=f"{name} {verb.lower()}s", statistic="Sum"
        )
        for name, table in tables.items()
        for verb in ("Read", "Write")
    ]
