"""What the last 30 days cost, by the deployment's own metrics and list prices."""

from datetime import timedelta

from job_ledger.doctor.deployment import Deployment
from job_ledger.doctor.findings import Check, Finding, named, ok
from job_ledger.doctor.metrics import Metric, emitted, of_function, read_values
from job_ledger.doctor.monitoring import api_dimensions
from job_ledger.doctor.table import metrics_of, read_table

_DAYS = 30
_MILLION = 1_000_000
_GIB = 2**30
# Dollars in us-east-1, as in the table of costs: tests/unit/doctor compares them.
PRICES = {
    "metric": 0.30,
    "log GB": 0.50,
    "million writes": 0.625,
    "million reads": 0.125,
    "stored GB": 0.45,
    "GB-second": 0.0000133334,
    "million calls": 0.20,
    "million requests": 3.50,
    "million events": 1.00,
    "key": 1.00,
    "alarm": 0.10,
}


def last_month(deployment: Deployment) -> Finding:
    """The price of what the metrics count. It is never a problem."""
    read = _Reader(deployment)
    items = {
        "Lambda": _lambda(deployment, read),
        "DynamoDB": _tables(deployment, read),
        "API": read.totals([Metric("AWS/ApiGateway", "Count", api_dimensions(deployment))])[0]
        / _MILLION
        * PRICES["million requests"],
        "logs": _logs(deployment, read),
        "metrics": _metrics(deployment) * PRICES["metric"],
        "alarms": len(deployment.of_kind("AWS::CloudWatch::Alarm")) * PRICES["alarm"],
        "key": len(deployment.of_kind("AWS::KMS::Key")) * PRICES["key"],
        "events": read.totals([emitted(deployment, "EventsSent")])[0]
        / _MILLION
        * PRICES["million events"],
    }
    parts = named(f"{name} {dollars:.2f}" for name, dollars in items.items())
    days = min(_DAYS, (deployment.now - deployment.stack["CreationTime"]).days + 1)
    last = "day" if days == 1 else f"{days} days"
    sources = f" for {several} sources" if (several := len(deployment.sources)) else ""
    return ok(
        f"About ${sum(items.values()):.2f}{sources} for the last {last} at us-east-1 list"
        f" prices, with a month's metrics, alarms and key: {parts}."
    )


class _Reader:
    """Sums over 30 days. Metrics of one kind are read in one call."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def totals(self, metrics: list[Metric]) -> list[float]:
        """Return the sum of each metric."""
        values = read_values(self._deployment, metrics, timedelta(days=_DAYS))
        return [sum(values[metric]) for metric in metrics]


def _lambda(deployment: Deployment, read: _Reader) -> float:
    functions = list(deployment.functions.values())
    names = [function["FunctionName"] for function in functions]
    calls = read.totals([of_function(name, "Invocations") for name in names])
    milliseconds = read.totals([of_function(name, "Duration") for name in names])
    seconds: float = sum(
        ms / 1_000 * function["MemorySize"] / 1_024
        for ms, function in zip(milliseconds, functions, strict=True)
    )
    price = sum(calls) / _MILLION * PRICES["million calls"]
    return price + seconds * PRICES["GB-second"]


def _tables(deployment: Deployment, read: _Reader) -> float:
    """Return the price of requests, of tables and indexes, and of what is stored."""
    dollars = 0.0
    for resource in deployment.of_kind("AWS::DynamoDB::Table"):
        table = read_table(deployment, resource.physical_id)
        dollars += table.get("TableSizeBytes", 0) / _GIB * PRICES["stored GB"]
        for verb, price in (("Read", "million reads"), ("Write", "million writes")):
            metrics = list(metrics_of(table, f"Consumed{verb}CapacityUnits"))
            dollars += sum(read.totals(metrics)) / _MILLION * PRICES[price]
    return dollars


def _logs(deployment: Deployment, read: _Reader) -> float:
    groups = [r.physical_id for r in deployment.of_kind("AWS::Logs::LogGroup")]
    metrics = [Metric("AWS/Logs", "IncomingBytes", (("LogGroupName", name),)) for name in groups]
    return sum(read.totals(metrics)) / _GIB * PRICES["log GB"]


def _metrics(deployment: Deployment) -> int:
    """Return the number of the deployment's own metrics."""
    own = [{"Name": "service", "Value": deployment.service}]
    pages = deployment.aws.pages(
        "cloudwatch", "ListMetrics", "Metrics", Namespace="JobLedger", Dimensions=own
    )
    return sum(1 for _ in pages)


CHECKS = (Check("cost", last_month),)
