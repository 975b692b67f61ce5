"""The only user of Powertools' Logger, Tracer and Metrics, and so of the X-Ray SDK.

Job names, keys, roles and messages never appear in logs, traces or metrics: only ids, counts and error
names do. POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE set service and namespace.

A trace: Lambda's segment → the handler → subsegments for each step → each AWS call. The steps of a thread are beside
the handler, not below it. All have the annotation
`Outcome` (`ok` or the error's name), steps also `Operation`, and `Family` and `Jobs` where there are any. The
handler's has `ColdStart` and `Service`, which Powertools adds.
"""

import functools
import os
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.lambda_launcher import LAMBDA_TRACE_HEADER_KEY, LambdaContext
from botocore.client import BaseClient
from botocore.endpoint import Endpoint

from jobledger.errors import JobLedgerError, UnexpectedError
from jobledger.metrics import Metric

Annotate = Callable[[str, Any], None]
Handler = Callable[[dict[str, Any], Any], Any]

CORRELATION_ID = "CorrelationId"
"""The member of an invocation's payload that carries the request id of the API's caller.

Lambda's client context cannot carry it: asynchronous invocations and the local AWS have none.
"""
# Threads print metrics, text and end of line apart: two lines would become one, which CloudWatch does not read.
_ONE_LINE = threading.Lock()
_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


class _Emitter(UDPEmitter):  # type: ignore[misc] # the X-Ray SDK has no types
    """Sends subsegments to the X-Ray daemon without the messages of exceptions.

    The SDK records the message of each exception that passes a subsegment; a service's can quote its input.
    """

    def send_entity(self, entity: Any) -> None:
        _drop_messages(entity)
        super().send_entity(entity)


def _drop_messages(entity: Any) -> None:
    # The cause is an id when an inner subsegment has recorded the same exception.
    for exception in entity.cause.get("exceptions", ()) if isinstance(entity.cause, dict) else ():
        exception.message = None
    for inner in entity.subsegments:
        _drop_messages(inner)


class _Context(LambdaContext):  # type: ignore[misc] # the X-Ray SDK has no types
    """Reads the trace's header when Lambda has set another one; the SDK parses it 18 times for a small page."""

    def _refresh_context(self) -> None:
        header = os.environ.get(LAMBDA_TRACE_HEADER_KEY)
        known = getattr(self._local, "segment", None) is not None
        if not known or header != getattr(self._local, "header", None):
            super()._refresh_context()
            self._local.header = header


def _tracer() -> Tracer:
    # By default, the Tracer imports every HTTP and SQL library that the X-Ray SDK can patch.
    tracer = Tracer(patch_modules=["botocore"])
    if not tracer.disabled:
        recorder: Any = tracer.provider  # X-Ray's own, whose type Powertools hides
        recorder.emitter = _Emitter()
        from aws_xray_sdk.ext.boto_utils import whitelist  # imported already, to patch botocore

        whitelist["services"].pop("s3", None)  # it records the keys of objects
        if isinstance(recorder.context, LambdaContext):
            recorder.context = _Context()
    return tracer


def _only_when_sampled(owner: type, method: str) -> None:
    """Run the SDK's wrapper of a botocore method only in sampled invocations, which are few."""
    traced = vars(owner)[method]

    @functools.wraps(traced.__wrapped__)
    def chosen(instance: Any, *args: Any, **kwargs: Any) -> Any:
        if _recorded() is None:
            return traced.__wrapped__(instance, *args, **kwargs)
        return traced.__get__(instance, owner)(*args, **kwargs)

    setattr(owner, method, chosen)


logger = Logger()
tracer = _tracer()
if not tracer.disabled:
    _only_when_sampled(BaseClient, "_make_api_call")
    _only_when_sampled(Endpoint, "prepare_request")


def observed(handler: Handler) -> Handler:
    """Add log context and a trace to a Lambda handler, without its payload.

    An error that is not of this package is logged and replaced by UnexpectedError, because Lambda logs and
    traces the text of what a handler raises.
    """
    module = handler.__module__.rpartition(".")[2]
    operation = module if handler.__name__ == "handler" else f"{module}.{handler.__name__}"

    @functools.wraps(handler)
    def annotated(event: dict[str, Any], context: Any) -> Any:
        correlation, payload = _without_correlation_id(event, context)
        logger.set_correlation_id(correlation)
        annotate(Operation=operation, Outcome="ok")
        try:
            return handler(payload, context)
        except JobLedgerError as error:
            annotate(Outcome=error.name)
            raise
        except Exception as error:
            annotate(Outcome=type(error).__name__)
            logger.error("invocation failed", extra=described(error))
            unexpected = UnexpectedError(
                f"{type(error).__name__} in {described(error)['where'][-1]}"
            )
        raise unexpected

    # Powertools also reads POWERTOOLS_TRACER_CAPTURE_*; the arguments hold without the stack's settings.
    traced = tracer.capture_lambda_handler(annotated, capture_response=False, capture_error=False)
    wrapped: Handler = logger.inject_lambda_context(traced, log_event=False, clear_state=True)
    return wrapped


def described(error: Exception) -> dict[str, Any]:
    """Return an error's name and place for a log record. Its message can quote a value."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return {
        "error": type(error).__name__,
        "where": [f"{frame.name}:{frame.lineno}" for frame in frames],
    }


def _without_correlation_id(event: Any, context: Any) -> tuple[str, Any]:
    """Return the id that connects the log lines of one request, and the event as its sender made it.

    It is API Gateway's request id, also in the functions that the API invokes, and CloudFormation's for look-ups.
    Without a valid id, it is the invocation's own.
    """
    own = str(context.aws_request_id)
    if not isinstance(event, dict):
        return own, event
    gateway = event.get("requestContext")
    given = gateway.get("requestId") if isinstance(gateway, dict) else None
    given = given or event.get(CORRELATION_ID) or event.get("RequestId")
    known = given if isinstance(given, str) and _ID.fullmatch(given) else own
    return known, {name: value for name, value in event.items() if name != CORRELATION_ID}


def with_correlation_id(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the payload for a function that works for the current request."""
    known = logger.get_correlation_id()
    return {**payload, CORRELATION_ID: known} if known else payload


def annotate(**values: str | float) -> None:
    """Annotate the trace with counts, sizes and names of ours, never with job data."""
    recorded = _recorded()
    if recorded is not None:
        for name, value in values.items():
            recorded.put_annotation(name, value)


def _recorded() -> Any | None:
    """Return the current segment or subsegment; None in an invocation that X-Ray does not sample.

    Most are not sampled, and each call of the SDK reads the trace's header anew.
    """
    recorder: Any = tracer.provider  # X-Ray's own, whose type Powertools hides
    current = None if tracer.disabled else recorder.get_trace_entity()
    return current if current is not None and current.sampled else None


def _ignore(name: str, value: Any) -> None:
    """Annotate nothing."""


@contextmanager
def step(operation: str, **annotations: str) -> Iterator[Annotate]:
    """Trace one step of an invocation; yield the function that annotates it. Its Outcome is `ok` unless given."""
    if _recorded() is None:
        yield _ignore
        return
    with tracer.provider.in_subsegment(name=f"## {operation}") as segment:
        put: Annotate = segment.put_annotation
        for name, value in {"Operation": operation, "Outcome": "ok", **annotations}.items():
            put(name, value)
        try:
            yield put
        except Exception as error:
            put(
                "Outcome", error.name if isinstance(error, JobLedgerError) else type(error).__name__
            )
            raise


def publish_metrics(
    values: Mapping[Metric, float | Sequence[float]], family: str | None = None
) -> None:
    """Publish metrics, each with one value or up to 100. The family is a dimension of those that are per family.

    For the others it is a property of the log line: Logs Insights can select it, and CloudWatch does not bill it.
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
    with _ONE_LINE:
        line.flush_metrics()
