"""The API function: the routes of the HTTPS API."""

import base64
import functools
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from jobledger import settings
from jobledger.api.listing import headers_of, list_jobs, text_in
from jobledger.api.negotiation import MEDIA_TYPES, chosen_format
from jobledger.api.parameters import DEFAULT_MAX_RESULTS, LIST_PARAMETERS
from jobledger.api.problems import (
    NO_ROUTE,
    UNEXPECTED,
    method_problem,
    problem_of,
    unhealthy_problem,
)
from jobledger.api.responses import JSON, Answer, Caller, json_answer, problem_answer, response
from jobledger.api.routes import allowed_methods
from jobledger.errors import JobLedgerError, TooMuchToSummarise
from jobledger.inputs import FILTERS, parse_parameters
from jobledger.invoke import Function
from jobledger.jobs import Family
from jobledger.ledger.table import Table
from jobledger.ledger.writing import Ledger
from jobledger.observability import annotate, logger, observed

app = APIGatewayRestResolver()

# Time reserved for the response when a summary runs out of time.
_TO_ANSWER = timedelta(seconds=3)


@functools.cache
def _ledger() -> Ledger:
    configured = settings.load()
    return Ledger(Table.connect(configured.ledger_table_name), configured.scope, _now)


@functools.cache
def _kept() -> tuple[Family, ...]:
    """Return the families of this deployment, in the service's order."""
    chosen = settings.load().families
    return tuple(family for family in Family if family in chosen)


@functools.cache
def _function(variable: str) -> Function:
    return Function.connect(settings.required(variable))


def _ask_for_sync(payload: Mapping[str, Any]) -> dict[str, Any]:
    return _function("SYNC_FUNCTION_NAME")(payload)


def _now() -> datetime:
    return datetime.now(UTC)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one API Gateway proxy request. HEAD returns the headers of GET without the body."""
    if event["httpMethod"] != "HEAD":
        return app.resolve(event, context)
    answer = app.resolve(event | {"httpMethod": "GET"}, context)
    return answer | {"body": "", "isBase64Encoded": False}


@app.get("/jobs")
def get_jobs() -> Response[str]:
    """List one page of jobs."""
    values = parse_parameters(_sent(), LIST_PARAMETERS)
    name = chosen_format(_header("Accept"), values.get("Format"))
    listing = list_jobs(_ledger(), values, _ask_for_sync, _now, _kept())
    annotate(Jobs=len(listing.jobs), MaxResults=values.get("MaxResults", DEFAULT_MAX_RESULTS))
    charset = "; charset=utf-8; header=present" if name == "csv" else ""
    content_type = f"{MEDIA_TYPES[name]}{charset}"
    return _answered(
        Answer(text_in(name, listing), content_type, 200, headers_of(listing, _sent()))
    )


@app.get("/jobs/<job_id>")
def get_job(job_id: str) -> Response[str]:
    """Describe one job with its history."""
    from jobledger.api.describe import describe, parse_job_id

    parse_parameters(_sent(), {})
    return _answered(Answer(describe(_ledger(), parse_job_id(job_id), _now())))


@app.get("/summary")
def get_summary() -> Response[str]:
    """Summarize all jobs that match."""
    from jobledger.ledger.facts import read_facts
    from jobledger.ledger.filters import job_query
    from jobledger.ledger.summary import summarise
    from jobledger.sync.freshness import as_of, oldest

    query = job_query(parse_parameters(_sent(), FILTERS), _kept())
    time = oldest(as_of(_ledger()), query.families)
    facts = read_facts(_ledger(), query, _go_on_until(_deadline()))
    summary = summarise(facts, _now(), query.families)
    annotate(Jobs=summary.total)
    return _answered(json_answer(summary.to_json() | {"AsOf": time}))


@app.post("/digests")
def post_digest() -> Response[str]:
    """Publish a digest now."""
    from jobledger.api.digest_request import ask_for_digest, read_digest_request

    parse_parameters(_sent(), {})
    asked = read_digest_request(_body(), _header("Idempotency-Key"), _now())
    return _answered(json_answer(ask_for_digest(_function("DIGEST_FUNCTION_NAME"), asked)))


@app.get("/health")
def get_health() -> Response[str]:
    """Report the age of the ledger."""
    from jobledger.api.health import read_health

    parse_parameters(_sent(), {})
    minutes = int(settings.required("SYNC_MINUTES"))
    health = read_health(_ledger(), _kept(), minutes, _now())
    if not health.healthy:
        return _answered(problem_answer(unhealthy_problem(health.families), _caller()))
    return _answered(json_answer({"Status": "ok", "Families": health.families}))


@app.get("/openapi.json")
def get_openapi() -> Response[str]:
    """Return the committed OpenAPI document."""
    from jobledger.api.docs import openapi_json

    parse_parameters(_sent(), {})
    return _answered(Answer(openapi_json(), JSON))


@app.get("/docs")
def get_docs() -> Response[str]:
    """Return the Swagger UI page."""
    from jobledger.api.docs import page

    parse_parameters(_sent(), {})
    return _answered(page())


@app.get("/docs/<name>")
def get_docs_asset(name: str) -> Response[str]:
    """Return one file of the Swagger UI page."""
    from jobledger.api.docs import asset

    parse_parameters(_sent(), {})
    found = asset(name)
    return _answered(found or problem_answer(NO_ROUTE, _caller()))


@app.exception_handler(JobLedgerError)  # type: ignore[untyped-decorator] # Powertools leaves it untyped
def _on_our_error(error: JobLedgerError) -> Response[str]:
    logger.info("request refused", extra={"error": error.name})
    return _answered(problem_answer(problem_of(error), _caller()))


@app.exception_handler(Exception)  # type: ignore[untyped-decorator] # Powertools leaves it untyped
def _on_any_error(error: Exception) -> Response[str]:
    # A message can quote a value, so the log has only the error's name and place.
    where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("request failed", extra={"error": type(error).__name__, "where": where[-3:]})
    return _answered(problem_answer(UNEXPECTED, _caller()))


@app.not_found
def _on_unknown_route(_: Exception) -> Response[str]:
    allowed = allowed_methods(app.current_event.path)
    # The method matches, so the path has an unknown remainder.
    known = app.current_event.http_method in allowed
    problem = NO_ROUTE if known else method_problem(allowed)
    return _answered(problem_answer(problem, _caller()))


def _answered(answer: Answer) -> Response[str]:
    caller = _caller()
    annotate(RequestId=caller.request_id, Status=answer.status)
    return response(answer, caller)


def _caller() -> Caller:
    request_id = app.current_event.request_context.request_id or ""
    return Caller(request_id, _header("Accept"), _header("Accept-Encoding"))


def _header(name: str) -> str | None:
    """Return a header's value; repeated headers are joined as in RFC 9110 (5.3)."""
    event = app.current_event
    repeated = event.get("multiValueHeaders") or {}
    values = [v for key, sent in repeated.items() if key.lower() == name.lower() for v in sent]
    if values:
        return ", ".join(values)
    return event.headers.get(name)


def _body() -> bytes:
    event = app.current_event
    body: str = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(errors="replace")


def _sent() -> dict[str, list[str]]:
    event = app.current_event
    repeated: dict[str, list[str]] | None = event.get("multiValueQueryStringParameters")
    if repeated is not None:
        return repeated
    return {name: [text] for name, text in (event.query_string_parameters or {}).items()}


def _deadline() -> datetime:
    remaining = app.lambda_context.get_remaining_time_in_millis()
    return _now() + timedelta(milliseconds=remaining) - _TO_ANSWER


def _go_on_until(deadline: datetime) -> Callable[[], None]:
    def go_on() -> None:
        if _now() >= deadline:
            raise TooMuchToSummarise

    return go_on
