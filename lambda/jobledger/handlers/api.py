"""The API function: composes the routes of the HTTPS API, and turns errors into responses."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from jobledger.api import deployment
from jobledger.api.methods import allowed_methods
from jobledger.api.problems import NO_ROUTE, UNEXPECTED, Problem, method_problem, problem_of
from jobledger.api.request import Request
from jobledger.api.responses import Answer, problem_answer
from jobledger.api.routes import about, digests, jobs
from jobledger.board import routes as board
from jobledger.errors import JobLedgerError
from jobledger.init_phase import finish
from jobledger.observability import annotate, described, logger, observed

# The input of the schedule that `keepWarm` adds (stacks/api.py).
_WARM_UP = {"WarmUp": True}

app = APIGatewayRestResolver()
request = Request(app)
for routes in (jobs, digests, about, board):
    app.include_router(routes.router)


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

    ledger = deployment.ledger()
    with ledger.table.single_attempts():
        recent_as_of(ledger)


finish(_first_read)
