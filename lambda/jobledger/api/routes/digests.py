"""The routes of digests: the last one, and one now."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from jobledger.api import deployment
from jobledger.api.request import Request
from jobledger.api.responses import json_answer

router = Router()  # type: ignore[no-untyped-call] # Powertools leaves it untyped
request = Request(router)


@router.get("/digests")
def get_digest() -> Response[str]:
    """Show the last digest."""
    from jobledger.api.last_digest import read_last_digest

    request.parameters({})
    return request.respond(json_answer(read_last_digest(deployment.ledger())))


@router.post("/digests")
def post_digest() -> Response[str]:
    """Publish a digest now."""
    from jobledger.api.digest_request import invoke_digest, read_digest_request

    request.parameters({})
    key = request.header("Idempotency-Key")
    asked = read_digest_request(request.body(), key, deployment.now())
    function = deployment.function("DIGEST_FUNCTION_NAME")
    return request.respond(json_answer(invoke_digest(function, asked)))
