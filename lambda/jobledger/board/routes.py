"""The routes of the board: its pages and their files."""

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from jobledger.api import deployment
from jobledger.api.parameters import JOB_PARAMETERS
from jobledger.api.problems import NO_ROUTE
from jobledger.api.request import Request
from jobledger.api.responses import problem_answer
from jobledger.api.time_check import time_check

if TYPE_CHECKING:
    from jobledger.board.data import BoardReader

router = Router()  # type: ignore[no-untyped-call] # Powertools leaves it untyped
request = Request(router)


@router.get("/board")
def get_board() -> Response[str]:
    """Return the board: an overview, and one page of jobs."""
    from jobledger.board.page import board

    correctable = request.is_for_a_reader
    return request.respond(board(_reader(), request.sent, request.root, correctable=correctable))


@router.get("/board/jobs/<job_id>")
def get_board_job(job_id: str) -> Response[str]:
    """Return the board's page of one job."""
    from jobledger.board.page import job_page

    reader = _reader()
    values = request.parameters(JOB_PARAMETERS, (), reader.ledger.known_sources)
    return request.respond(job_page(reader, job_id, request.root, values))


@router.get("/board/sources")
def get_board_sources() -> Response[str]:
    """Return the board's page of a ledger's sources."""
    from jobledger.board.page import sources_page

    request.parameters({})
    page = sources_page(_reader(), request.root)
    return request.respond(page or problem_answer(NO_ROUTE, request.caller()))


@router.get("/board/<name>")
def get_board_asset(name: str) -> Response[str]:
    """Return one file of the board."""
    from jobledger.board.assets import asset

    request.parameters({})
    return request.respond(asset(name) or problem_answer(NO_ROUTE, request.caller()))


def _reader() -> "BoardReader":
    from jobledger.board.data import BoardReader

    check = time_check(request.lambda_context, deployment.now)
    return BoardReader(deployment.ledger(), deployment.families(), deployment.now, check)
