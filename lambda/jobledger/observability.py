"""The only user of Powertools' Logger, Tracer and Metrics, and so of the X-Ray SDK.

Job names, keys, roles and messages never appear in logs, traces or metrics: only ids, counts and error
names do. POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE set service and namespace. Responses and
errors are not captured in traces, here and by POWERTOOLS_TRACER_CAPTURE_*.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

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


def publish_metrics(values: Mapping[str, float], **dimensions: str) -> None:
    """Publish metrics with one set of dimensions. A name that ends in Seconds has that unit."""
    metrics = EphemeralMetrics()
    for dimension, text in dimensions.items():
        metrics.add_dimension(dimension, text)
    for name, value in values.items():
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        metrics.add_metric(name, unit, value)
    metrics.flush_metrics()
