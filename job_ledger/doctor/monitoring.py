"""Alarms, metrics and access logs."""

from datetime import datetime, timedelta
from typing import Any

from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, CouldNotLook, Finding, counted, named, ok, problem
from job_ledger.doctor.metrics import Metric, emitted, read_values

_MOST_NAMES = 100
# A new alarm has no data until its first periods have passed.
_PATIENCE = timedelta(hours=1)


def alarms(deployment: Deployment) -> Finding:
    """Which alarms are in ALARM."""
    found = _alarms(deployment)
    raised = [alarm for alarm in found.values() if alarm["StateValue"] == "ALARM"]
    if raised:
        titles = named(_title(alarm) for alarm in raised)
        sections = dict.fromkeys(_section(alarm) for alarm in raised)
        return problem(f"In ALARM: {titles}.", named(sections))
    missing = len(deployment.of_kind("AWS::CloudWatch::Alarm")) - len(found)
    if missing:
        return problem(
            f"{counted(missing, 'alarm')} of the stack {'does' if missing == 1 else 'do'} not exist.",
            "make deploy",
        )
    silent = [name for name, alarm in found.items() if not alarm.get("ActionsEnabled", True)]
    if silent:
        return problem(
            f"{counted(len(silent), 'alarm')} would send no notification: their actions are switched off.",
            f"aws cloudwatch enable-alarm-actions --alarm-names {' '.join(silent)}",
        )
    return ok(f"None of {counted(len(found), 'alarm')} is in ALARM, and each notifies its topic.")


def alarm_data(deployment: Deployment) -> Finding:
    """Which alarms have no data."""
    found = _alarms(deployment)
    without = [a for a in found.values() if a["StateValue"] == "INSUFFICIENT_DATA"]
    old = [alarm for alarm in without if _is_overdue(alarm, deployment.now)]
    if old:
        return problem(
            f"Without data for over an hour: {named(_title(a) for a in old)}.",
            "docs/operations.md#metrics",
        )
    if without:
        return ok(f"{counted(len(without), 'alarm')} of {len(found)} wait for their first data.")
    return ok(f"{counted(len(found), 'alarm')} have data.")


def _alarms(deployment: Deployment) -> dict[str, dict[str, Any]]:
    names = [r.physical_id for r in deployment.of_kind("AWS::CloudWatch::Alarm")]
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(names), _MOST_NAMES):
        answer = deployment.call(
            "cloudwatch",
            "DescribeAlarms",
            AlarmNames=names[start : start + _MOST_NAMES],
            MaxRecords=_MOST_NAMES,
        )
        found |= {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"]}
    return found


def _title(alarm: dict[str, Any]) -> str:
    """Return the title of an alarm: its description up to what to do."""
    text = str(alarm.get("AlarmDescription") or alarm["AlarmName"])
    return text.removeprefix("Job Ledger: ").partition(". What to do")[0]


def _section(alarm: dict[str, Any]) -> str:
    """Return the section of the runbook that an alarm's description names."""
    return alarm.get("AlarmDescription", "").rpartition("What to do: ")[2] or "docs/runbook.md"


def _is_overdue(alarm: dict[str, Any], now: datetime) -> bool:
    """Whether an alarm that needs data has had none for an hour, though its evaluation has had time for some.

    A new alarm can wait for as long as it evaluates: that of missed digests for one and a half intervals. Alarms that
    treat missing data as good are left out, because the local AWS leaves them in this state.
    """
    if alarm.get("TreatMissingData", "missing") != "missing":
        return False
    since: datetime = alarm["StateUpdatedTimestamp"]
    configured: datetime = alarm.get("AlarmConfigurationUpdatedTimestamp", since)
    evaluated = timedelta(seconds=alarm.get("Period", 0) * alarm.get("EvaluationPeriods", 0))
    return now - since > _PATIENCE and now - configured > evaluated


def metrics(deployment: Deployment) -> Finding:
    """Whether the metrics of the functions arrive."""
    wanted = {
        family: emitted(deployment, "AsOfAgeSeconds", "Maximum", Family=family)
        for family in deployment.families
    }
    span = timedelta(minutes=max(20, 5 * deployment.sync_minutes))
    values = read_values(deployment, wanted.values(), span)
    missing = [family for family, metric in wanted.items() if not values[metric]]
    if missing:
        return problem(
            f"No metric of {named(missing)} in {span.total_seconds() / 60:.0f} minutes.",
            "docs/runbook.md#ledger-stale",
        )
    return ok(f"The metrics of {counted(len(wanted), 'family', 'families')} arrive.")


def access_logs(deployment: Deployment) -> Finding:
    """Whether API Gateway writes the access log."""
    account = deployment.call("apigateway", "GetAccount")
    if not account.get("cloudwatchRoleArn"):
        return problem(
            "API Gateway has no role to write logs in this account and region.",
            "docs/security.md#access-logs",
        )
    group = deployment.one("AWS::Logs::LogGroup", "ApiAccessLogs")
    streams = deployment.call(
        "logs",
        "DescribeLogStreams",
        logGroupName=group,
        orderBy="LastEventTime",
        descending=True,
        limit=1,
    )["logStreams"]
    if streams:
        return ok("API Gateway writes the access log.")
    requests = Metric("AWS/ApiGateway", "Count", api_dimensions(deployment))
    count = sum(read_values(deployment, [requests], timedelta(days=1))[requests])
    if count:
        return problem(
            f"{counted(round(count), 'request')} in the last day, and no line in the access log.",
            "docs/security.md#access-logs",
        )
    raise CouldNotLook(
        "No request has been logged or counted yet.", "jobledger doctor   (again, in five minutes)"
    )


def api_dimensions(deployment: Deployment) -> tuple[tuple[str, str], ...]:
    """Return the dimensions of the API's own metrics."""
    api = deployment.one("AWS::ApiGateway::RestApi", "ApiRest")
    name = deployment.call("apigateway", "GetRestApi", restApiId=api)["name"]
    stage = deployment.one("AWS::ApiGateway::Stage", "ApiRest")
    return (("ApiName", name), ("Stage", stage))


CHECKS = (
    Check("alarms", alarms),
    Check("alarm data", alarm_data, dropped_locally="metrics of API Gateway and DynamoDB"),
    Check("metrics", metrics),
    Check("access logs", access_logs, dropped_locally="access logs of an API"),
)
