"""The parameters, responses and headers of the OpenAPI document, for `document.py`."""

from typing import Any

from jobledger.inputs.filters import IDEMPOTENCY_KEY
from jobledger.inputs.formats import documented
from jobledger.inputs.validation import Parameter

Node = dict[str, Any]

_ERRORS = {
    "400": "One or more parameters or the body are not valid; errors lists all of them",
    "403": "The request is not signed, its signature is not valid, or the caller is not authorized",
    "404": "The job, digest or route does not exist",
    "405": "The route does not support this method; Allow lists the supported ones",
    "409": "Another request with the same Idempotency-Key, or for the same digest, is in progress",
    "413": "The request is too large",
    "415": "The content type is not supported",
    "422": "The Idempotency-Key was already used with a different request",
    "429": "Too many requests; Retry-After says when to try again",
    "500": "An internal error occurred",
    "503": "The ledger is unavailable or did not respond in time",
    "504": "The service did not respond in time",
    # So that a generated client parses an error that it does not know.
    "default": "Any other error",
}
HEADERS = {
    name: {"description": meaning, "schema": {"type": "string"}}
    for name, meaning in {
        "X-Request-Id": "The request id, for finding the request in the logs",
        "Link": "RFC 8288; rel=next is the next page, relative to this one",
        "X-As-Of": "AsOf, for formats whose body has no place for it",
        "X-Stale": "true when the AsOf of a ConsistentRead is older than the request",
        "X-Examined": "Examined, for formats whose body has no place for it",
        "Retry-After": "Seconds",
        "Allow": "The methods that the route supports",
    }.items()
}
PAGE = {"text/html": {"schema": {"type": "string"}}}
_ALWAYS_POSSIBLE = ("400", "403", "405", "413", "415", "429", "500", "503", "504", "default")
_WITH_RETRY_AFTER = ("409", "429", "503")


def _schema(parameter: Parameter) -> Node:
    # In the schema, not beside it: Swagger UI would send the latter with every request.
    example = {} if parameter.example is None else {"examples": [parameter.example]}
    return documented(parameter.schema) | example


def query_parameter(parameter: Parameter) -> Node:
    schema = _schema(parameter)
    if parameter.repeatable:
        schema = {"type": "array", "minItems": 1, "items": schema}
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": schema,
    }


def idempotency_key() -> Node:
    return {
        "name": IDEMPOTENCY_KEY.name,
        "in": "header",
        "description": f"{IDEMPOTENCY_KEY.allowed} (IETF draft-ietf-httpapi-idempotency-key-header)",
        # Not as the parameter's example: the docs page would send that as every reader's key.
        "schema": documented(IDEMPOTENCY_KEY.schema)
        | {"examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"]},
    }


def path_parameter(parameter: Parameter) -> Node:
    schema = _schema(parameter)
    return {"name": parameter.name, "in": "path", "required": True, "schema": schema}


def json_success(schema: str, description: str) -> Node:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return success(description, {"application/json": {"schema": reference}})


def success(description: str, content: Node) -> Node:
    headers = headers_of("X-Request-Id")
    return {"200": {"description": description, "headers": headers, "content": content}}


def errors(*more: str) -> Node:
    """Return references to the errors that are always possible, and to `more` statuses."""
    statuses = sorted({*_ALWAYS_POSSIBLE, *more})
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def page_errors(*more: str) -> Node:
    """Return the same errors of a route that answers a browser with a page."""
    statuses = sorted({*_ALWAYS_POSSIBLE, *more})
    return {status: problem(status, PAGE) for status in statuses}


def problem(status: str, also: Node | None = None) -> Node:
    """Return the response of an error: an RFC 9457 problem, or `also` other content."""
    names = ["X-Request-Id"]
    names += ["Retry-After"] if status in _WITH_RETRY_AFTER else []
    names += ["Allow"] if status == "405" else []
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": _ERRORS[status],
        "headers": headers_of(*names),
        "content": {"application/problem+json": {"schema": schema}} | (also or {}),
    }


def headers_of(*names: str) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


RESPONSES = {status: problem(status) for status in _ERRORS}
