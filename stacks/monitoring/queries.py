"""Saved queries of CloudWatch Logs Insights, which the runbook uses.

They select fields that the functions and API Gateway write: ids, counts, times and error names.
"""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_logs as logs
from constructs import Construct

_LATEST = "sort @timestamp desc\n| limit 100"

# Title in CloudWatch, the log groups by their names in `SavedQueries`, and the query.
QUERIES: Mapping[str, tuple[Sequence[str], str]] = {
    "Sync failures": (
        ("sync",),
        (
            "fields @timestamp, family, error, cause, as_of, upstream_calls\n"
            f'| filter message = "synced" and ispresent(error)\n| {_LATEST}'
        ),
    ),
    "Counter repairs": (
        ("sync",),
        f"fields @timestamp, Family, CountersRepaired\n| filter CountersRepaired > 0\n| {_LATEST}",
    ),
    "Upstream calls by hour": (
        ("sync",),
        (
            "filter ispresent(UpstreamCalls)\n"
            "| stats sum(UpstreamCalls) as calls, sum(UpstreamThrottles) as throttles by bin(1h), Family"
        ),
    ),
    "Digest runs": (
        ("digest",),
        (
            "fields @timestamp, level, message, error, digest_id, correlation_id\n"
            f"| filter ispresent(digest_id) or ispresent(error)\n| {_LATEST}"
        ),
    ),
    "Event failures": (
        ("changes",),
        f'fields @timestamp, message, error, job_id, sequence_number\n| filter level = "ERROR"\n| {_LATEST}',
    ),
    "API failures": (
        ("api",),
        f'fields @timestamp, error, where.0, correlation_id\n| filter level = "ERROR"\n| {_LATEST}',
    ),
    "API requests": (
        ("access",),
        (
            "filter ispresent(route)\n"
            "| stats count() as requests, pct(latencyMs, 50) as p50, pct(latencyMs, 90) as p90, "
            "pct(latencyMs, 99) as p99 by route, status"
        ),
    ),
    "Look-ups": (
        ("lookup",),
        (
            "fields @timestamp, level, message, error, correlation_id\n"
            f"| filter ispresent(message)\n| {_LATEST}"
        ),
    ),
    "Output problems": (
        ("outputs",),
        (
            "fields @timestamp, level, message, error, family, job_id, problem\n"
            f'| filter ispresent(problem) or level = "ERROR"\n| {_LATEST}'
        ),
    ),
    "Function failures": (
        ("sync", "digest", "changes", "alerts", "api", "lookup", "outputs"),
        (
            "fields @timestamp, @log, type, record.status, record.errorType\n"
            f'| filter type = "platform.report" and record.status != "success"\n| {_LATEST}'
        ),
    ),
    "Function durations": (
        ("sync", "digest", "changes", "alerts", "api", "lookup"),
        (
            'filter type = "platform.report"\n'
            "| stats count() as runs, pct(record.metrics.durationMs, 99) as p99_ms, "
            "max(record.metrics.durationMs) as max_ms, max(record.metrics.maxMemoryUsedMB) as max_mb by @log"
        ),
    ),
}


class SavedQueries(Construct):
    """The queries, in a folder of the deployment's name: those of the capabilities that it has."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        folder: str,
        log_groups: Mapping[str, Sequence[logs.ILogGroup]],
    ) -> None:
        """`log_groups`: those of each capability, by the names that QUERIES uses."""
        super().__init__(scope, construct_id)
        for title, (names, text) in QUERIES.items():
            groups = [group.log_group_name for name in names for group in log_groups[name]]
            if not groups:
                continue
            logs.CfnQueryDefinition(
                self,
                title.replace(" ", "").replace("-", ""),
                name=f"{folder}/{title}",
                query_string=text,
                log_group_names=groups,
            )
