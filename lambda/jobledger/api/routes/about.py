"""The routes that say what this API is and how old its ledger is."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from jobledger import settings
from jobledger.api import deployment
from jobledger.api.problems import NO_ROUTE, unhealthy_problem
from jobledger.api.request import Request
from jobledger.api.responses import JSON, Answer, json_answer, problem_answer

router = Router()  # type: ignore[no-untyped-call] # Powertools leaves it untyped
request = Request(router)


@router.get("/health")
def get_health() -> Response[str]:
    """Report the age of the ledger."""
    from jobledger.api.health import read_health

    request.parameters({})
    minutes = int(settings.required("SYNC_MINUTES"))
    health = read_health(deployment.ledger(), deployment.families(), minutes, deployment.now())
    if not health.healthy:
        return request.respond(
            problem_answer(unhealthy_problem(health.to_json()), request.caller())
        )
    return request.respond(json_answer({"Status": "ok"} | health.to_json()))


@router.get("/openapi.json")
def get_openapi() -> Response[str]:
    """Return the committed OpenAPI document."""
    from jobledger.api.docs import openapi_json

    request.parameters({})
    return request.respond(Answer(openapi_json(), JSON))


@router.get("/docs")
def get_docs() -> Response[str]:
    """Return the Swagger UI page."""
    from jobledger.api.docs import page

    request.parameters({})
    return request.respond(page())


@router.get("/docs/<name>")
def get_docs_asset(name: str) -> Response[str]:
    """Return one file of the Swagger UI page."""
    from jobledger.api.docs import asset

    request.parameters({})
    return request.respond(asset(name) or problem_answer(NO_ROUTE, request.caller()))
