"""The one place that knows Powertools' Logger, Tracer and Metrics (and so X-Ray's SDK).

Job names, keys, roles and messages never go into any of the three: log ids, counts and names of
errors only. Service and namespace come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE;
capture of responses and errors into traces is off, here and by POWERTOOLS_TRACER_CAPTURE_*.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

logger = Logger()
tracer = Tracer()

Handler = Callable[[dict[str, Any], Any], Any]


def observed(handler: Handler) -> Handler:
    """Wrap a Lambda handler in logging context and tracing, with no payload in either."""
    traced = tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False)
    wrapped: Handler = logger.inject_lambda_context(traced, log_event=False, clear_state=True)
    return wrapped


def annotate(**values: str | float) -> None:
    """Annotate the request's trace with counts and sizes; never with data of a job."""
    for name, value in values.items():
        tracer.put_annotation(name, value)  # type: ignore[arg-type] # a float is a Number


def publish_metrics(values: Mapping[str, float], **dimensions: str) -> None:
    """Publish metrics of one set of dimensions; a name that ends in Seconds is in seconds."""
    metrics = EphemeralMetrics()
    for dimension, text in dimensions.items():
        metrics.add_dimension(dimension, text)
    for name, value in values.items():
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        metrics.add_metric(name, unit, value)
    metrics.flush_metrics()
