"""CloudWatch metrics in a few calls: sums and latest values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from job_ledger.doctor.deployment import Deployment

_MOST_QUERIES = 500


@dataclass(frozen=True)
class Metric:
    """One metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str = "Sum"


def emitted(deployment: Deployment, name: str, statistic: str = "Sum", **more: str) -> Metric:
    """Return a metric that the functions themselves emit; `more` are dimensions beside the service."""
    dimensions = (("service", deployment.service), *more.items())
    return Metric("JobLedger", name, dimensions, statistic)


def of_function(function: str, name: str) -> Metric:
    """Return one of Lambda's metrics of a function."""
    return Metric("AWS/Lambda", name, (("FunctionName", function),))


def read_values(
    deployment: Deployment, metrics: Iterable[Metric], span: timedelta
) -> Mapping[Metric, list[float]]:
    """Return the values of each metric in the time until now, newest first; none for one without data."""
    wanted = list(dict.fromkeys(metrics))
    # CloudWatch has minutes for 15 days; a month is read by days.
    period = 86_400 if span > timedelta(days=2) else 300
    found: dict[Metric, list[float]] = {metric: [] for metric in wanted}
    for start in range(0, len(wanted), _MOST_QUERIES):
        part = wanted[start : start + _MOST_QUERIES]
        queries = [
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": metric.namespace,
                        "MetricName": metric.name,
                        "Dimensions": [{"Name": n, "Value": v} for n, v in metric.dimensions],
                    },
                    "Period": period,
                    "Stat": metric.statistic,
                },
            }
            for number, metric in enumerate(part)
        ]
        for result in deployment.aws.pages(
            "cloudwatch",
            "GetMetricData",
            "MetricDataResults",
            MetricDataQueries=queries,
            StartTime=deployment.now - span,
            EndTime=deployment.now + timedelta(minutes=1),
        ):
            found[part[int(result["Id"][1:])]] += result["Values"]
    return found
