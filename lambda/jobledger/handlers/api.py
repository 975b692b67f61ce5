"""The API function: what API Gateway's routes answer."""

import functools
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from jobledger import settings
from jobledger.cursor import seal, unseal
from jobledger.errors import JobLedgerError
from jobledger.ledger import Ledger
from jobledger.observability import annotate, logger, observed
from jobledger.pages import read_page
from jobledger.problems import CONTENT_TYPE, Problem, problem_of
from jobledger.query import DEFAULT_MAX_RESULTS, LIST_PARAMETERS, JobQuery, job_query, read
from jobledger.table import Table
from jobledger.times import rfc3339

app = APIGatewayRestResolver()


@functools.cache
def _ledger() -> Ledger:
    configured = settings.load()
    return Ledger(Table.connect(configured.ledger_table_name), configured.scope, _now)


def _now() -> datetime:
    return datetime.now(UTC)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of API Gateway's proxy integration."""
    return app.resolve(event, context)


@app.get("/jobs")
def list_jobs() -> Response[str]:
    """One page of jobs."""
    values = read(_sent(), LIST_PARAMETERS)
    query = job_query(values)
    ledger = _ledger()
    token = values.get("NextToken")
    start = unseal(token, query, ledger.table.name) if token else None
    max_results = values.get("MaxResults", DEFAULT_MAX_RESULTS)
    page = read_page(ledger, query, max_results, start, rfc3339(_now()))
    annotate(Jobs=len(page.jobs))
    next_token = seal(page.position, query, ledger.table.name) if page.position else None
    body = _list_body(page.jobs, next_token, _as_of(ledger, query))
    return _answer(HTTPStatus.OK, "application/json", body)


def _list_body(jobs: list[str], next_token: str | None, as_of: str | None) -> str:
    """Join the answer from jobs that are JSON already; token and time hold nothing to escape."""
    token = f',"NextToken":"{next_token}"' if next_token else ""
    as_of_json = f'"{as_of}"' if as_of else "null"
    return f'{{"ComprehendMedicalAsyncJobPropertiesList":[{",".join(jobs)}]{token},"AsOf":{as_of_json}}}'


def _as_of(ledger: Ledger, query: JobQuery) -> str | None:
    """Return when all the families of a query last agreed with the service; None before the first fill."""
    states = ledger.states()
    times = [states[family].as_of if family in states else None for family in query.families]
    return None if None in times else min(filter(None, times))


def _sent() -> dict[str, list[str]]:
    event = app.current_event
    repeated: dict[str, list[str]] | None = event.get("multiValueQueryStringParameters")
    if repeated is not None:
        return repeated
    return {name: [text] for name, text in (event.query_string_parameters or {}).items()}


@app.exception_handler(JobLedgerError)  # type: ignore[untyped-decorator] # Powertools leaves it untyped
def _on_our_error(error: JobLedgerError) -> Response[str]:
    logger.info("request refused", extra={"error": error.name})
    return _problem(problem_of(error))


@app.exception_handler(Exception)  # type: ignore[untyped-decorator] # Powertools leaves it untyped
def _on_any_error(error: Exception) -> Response[str]:
    # A message may quote a value, so the log has the error's name and place only.
    where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("request failed", extra={"error": type(error).__name__, "where": where[-3:]})
    return _problem(
        Problem(500, "InternalServerException", "Something went wrong here. Nothing is lost.")
    )


@app.not_found
def _on_unknown_route(_: Exception) -> Response[str]:
    return _problem(Problem(404, "ResourceNotFoundException", "There is no such route."))


def _problem(problem: Problem) -> Response[str]:
    body = problem.body(app.current_event.request_context.request_id or "")
    return _answer(problem.status, CONTENT_TYPE, body, problem.headers)


def _answer(
    status: int, content_type: str, body: str, headers: Mapping[str, str] | None = None
) -> Response[str]:
    request_id = app.current_event.request_context.request_id or ""
    # Job data is health-related: no cache on the way may keep it.
    common = {"Cache-Control": "no-store", "X-Request-Id": request_id}
    return Response(status, content_type, body, headers={**common, **(headers or {})})
