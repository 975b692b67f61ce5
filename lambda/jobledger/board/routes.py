"""The routes of the board: its pages and their files."""

from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from jobledger.api import deployment
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

    request.parameters({})
    return request.respond(job_page(_reader(), job_id, request.root))


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
