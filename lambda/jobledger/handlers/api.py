"""The API function: the routes of the HTTPS API."""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from jobledger import settings
from jobledger.api.listing import headers_of, list_jobs, text_in
from jobledger.api.negotiation import MEDIA_TYPES, chosen_format
from jobledger.api.parameters import DEFAULT_MAX_RESULTS, JOB_ID, LIST_PARAMETERS
from jobledger.api.problems import (
    NO_ROUTE,
    UNEXPECTED,
    Problem,
    method_problem,
    problem_of,
    unhealthy_problem,
)
from jobledger.api.request import Request
from jobledger.api.responses import JSON, Answer, json_answer, problem_answer
from jobledger.api.routes import allowed_methods
from jobledger.api.time_check import time_check
from jobledger.errors import JobLedgerError
from jobledger.handlers.parts import connect_ledger
from jobledger.handlers.parts import utc_now as _now
from jobledger.init_phase import finish
from jobledger.inputs.filters import FILTERS
from jobledger.inputs.validation import value_of
from jobledger.invoke import Function
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.observability import annotate, described, logger, observed, step

if TYPE_CHECKING:
    from jobledger.board.data import BoardReader

# The input of the schedule that `keepWarm` adds (stacks/api.py).
_WARM_UP = {"WarmUp": True}

app = APIGatewayRestResolver()
request = Request(app)
_families = functools.cache(settings.families)


@functools.cache
def _ledger() -> Ledger:
    return connect_ledger(settings.load(), _now)


@functools.cache
def _function(variable: str) -> Function:
    return Function.connect(settings.required(variable))


def _invoke_sync(payload: Mapping[str, Any]) -> dict[str, Any]:
    return _function("SYNC_FUNCTION_NAME")(payload)


def _beginning_of(key: str) -> Callable[[JobQuery, str], str]:
    """Return the function that looks up, or sets, the beginning of this key's traversal."""
    from jobledger.api.keyed_traversals import keyed_traversals

    def beginning(query: JobQuery, now: str) -> str:
        return keyed_traversals().beginning(key, query, _ledger(), now, request.lambda_context)

    return beginning


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one API Gateway proxy request, or the event that keeps an environment warm."""
    return {} if event == _WARM_UP else _handle_request(event, context)


@observed
def _handle_request(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one request. HEAD returns the headers of GET without the body."""
    annotate(Operation=f"{event['httpMethod']} {event['resource']}")
    if event["httpMethod"] != "HEAD":
        return app.resolve(event, context)
    answer = app.resolve(event | {"httpMethod": "GET"}, context)
    return answer | {"body": "", "isBase64Encoded": False}


@app.get("/jobs")
def get_jobs() -> Response[str]:
    """List one page of jobs. With an Idempotency-Key, of the traversal that the key's first request began."""
    values, key = request.parameters_and_key(LIST_PARAMETERS, _families())
    name = chosen_format(request.header("Accept"), values.get("Format"))
    beginning = _beginning_of(key) if key is not None else None
    with step("ReadPage") as put:
        listing = list_jobs(
            _ledger(), values, _now, _families(), sync=_invoke_sync, beginning=beginning
        )
        put("Jobs", len(listing.jobs))
    annotate(Jobs=len(listing.jobs), MaxResults=values.get("MaxResults", DEFAULT_MAX_RESULTS))
    media_type = MEDIA_TYPES[name]
    charset = "; charset=utf-8; header=present" if media_type == "text/csv" else ""
    content_type = f"{media_type}{charset}"
    return request.respond(
        Answer(text_in(name, listing), content_type, 200, headers_of(listing, request.sent))
    )


@app.get("/jobs/<job_id>")
def get_job(job_id: str) -> Response[str]:
    """Describe one job with its history."""
    from jobledger.api.describe import describe

    request.parameters({})
    return request.respond(Answer(describe(_ledger(), value_of(JOB_ID, job_id), _now())))


@app.get("/summary")
def get_summary() -> Response[str]:
    """Summarize all jobs that match."""
    from jobledger.ledger.as_of import oldest
    from jobledger.ledger.job_query import job_query
    from jobledger.totals.read import read_summary

    query = job_query(request.parameters(FILTERS, _families()), _families())
    states = _ledger().states()
    time = oldest({family: state.as_of for family, state in states.items()}, query.families)
    summary = read_summary(
        _ledger(), query, states, _now(), time_check(request.lambda_context, _now)
    )
    annotate(Jobs=summary.total)
    return request.respond(json_answer(summary.to_json() | {"AsOf": time}))


@app.get("/digests")
def get_digest() -> Response[str]:
    """Show the last digest."""
    from jobledger.api.last_digest import read_last_digest

    request.parameters({})
    return request.respond(json_answer(read_last_digest(_ledger())))


@app.post("/digests")
def post_digest() -> Response[str]:
    """Publish a digest now."""
    from jobledger.api.digest_request import invoke_digest, read_digest_request

    request.parameters({})
    asked = read_digest_request(request.body(), request.header("Idempotency-Key"), _now())
    return request.respond(json_answer(invoke_digest(_function("DIGEST_FUNCTION_NAME"), asked)))


@app.get("/health")
def get_health() -> Response[str]:
    """Report the age of the ledger."""
    from jobledger.api.health import read_health

    request.parameters({})
    minutes = int(settings.required("SYNC_MINUTES"))
    health = read_health(_ledger(), _families(), minutes, _now())
    if not health.healthy:
        return request.respond(problem_answer(unhealthy_problem(health.families), request.caller()))
    return request.respond(json_answer({"Status": "ok", "Families": health.families}))


@app.get("/openapi.json")
def get_openapi() -> Response[str]:
    """Return the committed OpenAPI document."""
    from jobledger.api.docs import openapi_json

    request.parameters({})
    return request.respond(Answer(openapi_json(), JSON))


@app.get("/docs")
def get_docs() -> Response[str]:
    """Return the Swagger UI page."""
    from jobledger.api.docs import page

    request.parameters({})
    return request.respond(page())


@app.get("/docs/<name>")
def get_docs_asset(name: str) -> Response[str]:
    """Return one file of the Swagger UI page."""
    from jobledger.api.docs import asset

    request.parameters({})
    found = asset(name)
    return request.respond(found or problem_answer(NO_ROUTE, request.caller()))


@app.get("/board")
def get_board() -> Response[str]:
    """Return the board: an overview, and one page of jobs."""
    from jobledger.board.page import board

    correctable = request.is_for_a_reader
    return request.respond(board(_reader(), request.sent, request.root, correctable=correctable))


@app.get("/board/jobs/<job_id>")
def get_board_job(job_id: str) -> Response[str]:
    """Return the board's page of one job."""
    from jobledger.board.page import job_page

    request.parameters({})
    return request.respond(job_page(_reader(), job_id, request.root))


@app.get("/board/<name>")
def get_board_asset(name: str) -> Response[str]:
    """Return one file of the board."""
    from jobledger.board.assets import asset

    request.parameters({})
    return request.respond(asset(name) or problem_answer(NO_ROUTE, request.caller()))


def _reader() -> "BoardReader":
    from jobledger.board.data import BoardReader

    return BoardReader(_ledger(), _families(), _now, time_check(request.lambda_context, _now))


@app.exception_handler(JobLedgerError)  # type: ignore[untyped-decorator] # Powertools leaves it untyped
def _on_our_error(error: JobLedgerError) -> Response[str]:
    annotate(Outcome=error.name)
    logger.info("request refused", extra={"error": error.name})
    return request.respond(_refusal(problem_of(error)))


@app.exception_handler(Exception)  # type: ignore[untyped-decorator] # Powertools leaves it untyped
def _on_any_error(error: Exception) -> Response[str]:
    annotate(Outcome=type(error).__name__)
    logger.error("request failed", extra=described(error))
    return request.respond(_refusal(UNEXPECTED))


def _refusal(problem: Problem) -> Answer:
    """Return a problem as JSON, or as a page for someone who reads the board."""
    if not request.is_for_a_reader:
        return problem_answer(problem, request.caller())
    from jobledger.board.page import problem_page

    return problem_page(problem, request.root)


@app.not_found
def _on_unknown_route(_: Exception) -> Response[str]:
    allowed = allowed_methods(app.current_event.path)
    # The method matches, so the path has an unknown remainder.
    known = app.current_event.http_method in allowed
    problem = NO_ROUTE if known else method_problem(allowed)
    annotate(Outcome=problem.title)
    return request.respond(problem_answer(problem, request.caller()))


def _first_read() -> None:
    """Make the client and its connection, and read what the first page needs."""
    from jobledger.ledger.as_of import recent_as_of

    with _ledger().table.single_attempts():
        recent_as_of(_ledger())


finish(_first_read)
