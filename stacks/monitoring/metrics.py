"""The metrics that the functions emit, by the names in the functions' own code.

An unknown name ends the synthesis, so no alarm waits for a metric that no function emits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch

from jobledger import metrics


def emitted_metrics() -> Mapping[str, bool]:
    """Return the names of all metrics that the functions emit, and whether each family has its own."""
    emitted = (value for value in vars(metrics).values() if isinstance(value, metrics.Metric))
    return {value.name: value.per_family for value in emitted}


@dataclass(frozen=True, kw_only=True)
class EmittedMetrics:
    """The metrics of one deployment: Powertools' namespace, and the service that is their dimension."""

    namespace: str
    service: str

    def metric(
        self, name: str, statistic: str, *, family: str | None = None, label: str | None = None
    ) -> cloudwatch.Metric:
        """Return one metric. Raises ValueError for a name or dimension that the functions do not emit.

        Use `label` in graphs only: with it, CDK makes an alarm a metric-math alarm.
        """
        known = emitted_metrics()
        if known.get(name) is not (family is not None):
            raise ValueError(f"no function emits {name} {'by' if family else 'without'} family")
        dimensions = {"service": self.service} | ({"Family": family} if family else {})
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=statistic,
            label=label,
        )
