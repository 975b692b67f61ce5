"""The only user of Powertools' Logger, Tracer and Metrics, and so of the X-Ray SDK.

Job names, keys, roles and messages never appear in logs, traces or metrics: only ids, counts and error
names do. POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE set service and namespace. Responses and
errors are not captured in traces, here and by POWERTOOLS_TRACER_CAPTURE_*.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics

from jobledger.metrics import Metric

logger = Logger()
tracer = Tracer()

Handler = Callable[[dict[str, Any], Any], Any]


def observed(handler: Handler) -> Handler:
    """Add logging context and tracing to a Lambda handler, without its payload."""
    traced = tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False)
    wrapped: Handler = logger.inject_lambda_context(traced, log_event=False, clear_state=True)
    return wrapped


def annotate(**values: str | float) -> None:
    """Annotate the trace with counts and sizes, never with job data."""
    for name, value in values.items():
        tracer.put_annotation(name, value)  # type: ignore[arg-type] # a float is a Number


def publish_metrics(
    values: Mapping[Metric, float | Sequence[float]], family: str | None = None
) -> None:
    """Publish metrics, each with one value or up to 100. The family is a dimension of the metrics that are per family.

    Of the others' log line it is a property, which Logs Insights can select and CloudWatch does not bill.
    """
    for per_family in (False, True):
        chosen = {
            metric: value for metric, value in values.items() if metric.per_family is per_family
        }
        if chosen:
            _write(chosen, family)


def _write(values: Mapping[Metric, float | Sequence[float]], family: str | None) -> None:
    """Write one line of CloudWatch's embedded metric format; its metrics share their dimensions."""
    line = EphemeralMetrics()
    for metric, value in values.items():
        if metric.per_family:
            assert family, f"{metric.name} is a metric of one family"
            line.add_dimension("Family", family)
        elif family:
            line.add_metadata("Family", family)
        for one in value if isinstance(value, Sequence) else (value,):
            line.add_metric(metric.name, metric.unit, one)
    line.flush_metrics()
