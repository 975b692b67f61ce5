"""The OpenAPI 3.1 document of the API, generated from the parameters that the routes parse.

Generate it before committing; it is not generated at run time:

PYTHONPATH=lambda python -m jobledger.api.openapi
"""

import json
from pathlib import Path
from typing import Any

from jobledger.api.docs import ASSET
from jobledger.api.export import COLUMNS
from jobledger.api.openapi_schemas import SCHEMAS
from jobledger.api.parameters import BOARD_ASSET, BOARD_PARAMETERS, JOB_ID, LIST_PARAMETERS
from jobledger.formats import documented
from jobledger.inputs import FILTERS, IDEMPOTENCY_KEY
from jobledger.validation import Parameter

Node = dict[str, Any]

# Shipped with the API function. docs/openapi.json is a symbolic link to it.
FILE = Path(__file__).with_name("static") / "openapi.json"
_ABOUT = """\
Every Comprehend Medical job of this account and region, from a ledger that syncs every minute. Requests \
do not call the service. Parameters and properties have the service's names. Times are RFC 3339 in UTC; \
`AsOf` is the time of the last agreement between ledger and service.

Requests are signed with Signature Version 4 for `execute-api`. HEAD works where GET does. Errors are \
RFC 9457 problems, which never quote the request.
"""
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
}
_PAGE = {"text/html": {"schema": {"type": "string"}}}
_ALWAYS_POSSIBLE = ("400", "403", "405", "413", "415", "429", "500", "503", "504")
_WITH_RETRY_AFTER = ("409", "429", "503")


def document() -> Node:
    """Return the OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Job Ledger", "version": "1.0.0", "description": _ABOUT},
        # Relative to the document, so it is correct at any address.
        "servers": [{"url": "."}],
        "security": [{"sigv4": []}],
        "paths": {
            "/jobs": {"get": _list_jobs()},
            "/jobs/{JobId}": {"get": _get_job()},
            "/summary": {"get": _get_summary()},
            "/digests": {"get": _get_digest(), "post": _post_digest()},
            "/health": {"get": _get_health()},
            "/openapi.json": {"get": _get_openapi()},
            "/docs": {"get": _get_docs()},
            "/docs/{Asset}": {"get": _get_asset()},
            "/board": {"get": _get_board()},
            "/board/{Asset}": {"get": _get_board_asset()},
            "/board/jobs/{JobId}": {"get": _get_board_job()},
        },
        "components": {
            "schemas": SCHEMAS,
            "headers": _headers(),
            "responses": {status: _problem(status) for status in _ERRORS},
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, service execute-api",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


def text() -> str:
    """Return the document as JSON text."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _list_jobs() -> Node:
    page = {"$ref": "#/components/schemas/JobList"}
    job = '{"JobId":"7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b","JobStatus":"COMPLETED","Family":"SNOMEDCT"}'
    csv = {"type": "string", "examples": [",".join(f'"{column}"' for column in COLUMNS)]}
    ndjson = {"type": "string", "description": "One job a line", "examples": [job]}
    return {
        "operationId": "ListJobs",
        "summary": "List jobs",
        "description": "One page of jobs in submission order, with any mix of filters. The "
        "same NextToken always returns the same range of jobs. A page ends early at 5 MB; with JobNamePrefix, "
        "several JobStatus or several Family it can be short or empty and still have a NextToken. For 24 hours, the "
        "same Idempotency-Key with the same filters and order lists the same jobs, whatever was submitted since; "
        "a NextToken has precedence over the key.",
        "parameters": [
            *(_parameter(parameter) for parameter in LIST_PARAMETERS.values()),
            _idempotency_key(),
        ],
        "responses": {
            "200": {
                "description": "A page",
                "headers": _headers_of("X-Request-Id", "Link", "X-As-Of", "X-Stale"),
                "content": {
                    "application/json": {"schema": page},
                    "text/csv": {"schema": csv},
                    "application/x-ndjson": {"schema": ndjson},
                },
            },
            **_errors("409", "422"),
        },
    }


def _get_job() -> Node:
    return {
        "operationId": "DescribeJob",
        "summary": "Describe a job",
        "description": "A job of any family with its history, including jobs that the service has deleted.",
        "parameters": [_in_path(JOB_ID)],
        "responses": _json("JobDescription", "The job") | _errors("404"),
    }


def _get_summary() -> Node:
    return {
        "operationId": "SummariseJobs",
        "summary": "Count jobs",
        "description": "Counts, durations and jobs that need attention, over all jobs that match. Durations are "
        "within 1 %; all other numbers are exact.",
        "parameters": [_parameter(parameter) for parameter in FILTERS.values()],
        "responses": _json("Summary", "The summary") | _errors(),
    }


def _get_digest() -> Node:
    return {
        "operationId": "GetDigest",
        "summary": "The last digest",
        "description": "What the last digest of the schedule, or of a request without a window, counted.",
        "responses": _json("DigestAnswer", "The digest") | _errors("404"),
    }


def _post_digest() -> Node:
    return {
        "operationId": "PublishDigest",
        "summary": "Publish a digest now",
        "description": "For a time window, or for the time since the last digest. The same "
        "Idempotency-Key with the same body returns the same result and publishes once; without the "
        "header, the window is the key.",
        "parameters": [_idempotency_key()],
        "requestBody": {
            "required": False,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/DigestRequest"}}
            },
        },
        "responses": _json("DigestAnswer", "It was published") | _errors("409", "422"),
    }


def _get_health() -> Node:
    return {
        "operationId": "GetHealth",
        "summary": "The age of the ledger",
        "description": "503 when a family has missed ten sync intervals.",
        "responses": _json("Health", "Every family is recent enough") | _errors(),
    }


def _get_openapi() -> Node:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "GetOpenApi",
        "summary": "This document",
        "responses": _success("OpenAPI 3.1", content) | _errors(),
    }


def _get_docs() -> Node:
    return {
        "operationId": "GetDocs",
        "summary": "This document, to read and to try",
        "responses": _success("A page with Swagger UI", _PAGE) | _errors(),
    }


def _get_asset() -> Node:
    content = {media: {"schema": {"type": "string"}} for media in ("text/javascript", "text/css")}
    return {
        "operationId": "GetDocsAsset",
        "summary": "A file of that page",
        "parameters": [_in_path(ASSET)],
        "responses": _success("A script or a style sheet", content) | _errors("404"),
    }


def _get_board() -> Node:
    return {
        "operationId": "GetBoard",
        "summary": "The board, to read in a browser",
        "description": "Without filters an overview and the newest jobs, otherwise the jobs that match. "
        "Family is ALL by default. Parameters without a value count as not sent. The answer to a browser "
        "(Accept: text/html) is a page even when it is an error.",
        "parameters": [_parameter(parameter) for parameter in BOARD_PARAMETERS.values()],
        "responses": _success("A page", _PAGE) | _page_errors(),
    }


def _get_board_job() -> Node:
    return {
        "operationId": "GetBoardJob",
        "summary": "The board's page of a job",
        "parameters": [_in_path(JOB_ID)],
        "responses": _success("A page", _PAGE) | _page_errors("404"),
    }


def _get_board_asset() -> Node:
    media_types = ("text/css", "text/javascript", "image/svg+xml")
    content = {media: {"schema": {"type": "string"}} for media in media_types}
    return {
        "operationId": "GetBoardAsset",
        "summary": "A file of the board",
        "parameters": [_in_path(BOARD_ASSET)],
        "responses": _success("A style sheet, a script or an icon", content) | _page_errors("404"),
    }


def _page_errors(*more: str) -> Node:
    """Return the errors of a route that answers a browser with a page."""
    statuses = sorted({*_ALWAYS_POSSIBLE, *more})
    return {status: _problem(status, _PAGE) for status in statuses}


def _schema(parameter: Parameter) -> Node:
    # In the schema, not beside it: Swagger UI would send the latter with every request.
    example = {} if parameter.example is None else {"examples": [parameter.example]}
    return documented(parameter.schema) | example


def _parameter(parameter: Parameter) -> Node:
    schema = _schema(parameter)
    if parameter.repeatable:
        schema = {"type": "array", "minItems": 1, "items": schema}
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": schema,
    }


def _idempotency_key() -> Node:
    return {
        "name": IDEMPOTENCY_KEY.name,
        "in": "header",
        "description": f"{IDEMPOTENCY_KEY.allowed} (IETF draft-ietf-httpapi-idempotency-key-header)",
        "schema": documented(IDEMPOTENCY_KEY.schema),
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    }


def _in_path(parameter: Parameter) -> Node:
    schema = _schema(parameter)
    return {"name": parameter.name, "in": "path", "required": True, "schema": schema}


def _json(schema: str, description: str) -> Node:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return _success(description, {"application/json": {"schema": reference}})


def _success(description: str, content: Node) -> Node:
    headers = _headers_of("X-Request-Id")
    return {"200": {"description": description, "headers": headers, "content": content}}


def _errors(*more: str) -> Node:
    statuses = sorted({*_ALWAYS_POSSIBLE, *more})
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _problem(status: str, also: Node | None = None) -> Node:
    names = ["X-Request-Id"]
    names += ["Retry-After"] if status in _WITH_RETRY_AFTER else []
    names += ["Allow"] if status == "405" else []
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": _ERRORS[status],
        "headers": _headers_of(*names),
        "content": {"application/problem+json": {"schema": schema}} | (also or {}),
    }


def _headers_of(*names: str) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _headers() -> Node:
    meanings = {
        "X-Request-Id": "The request id, for finding the request in the logs",
        "Link": "RFC 8288; rel=next is the next page, relative to this one",
        "X-As-Of": "AsOf, for formats whose body has no place for it",
        "X-Stale": "true when a ConsistentRead could not reach the service",
        "Retry-After": "Seconds",
        "Allow": "The methods that the route supports",
    }
    return {
        name: {"description": meaning, "schema": {"type": "string"}}
        for name, meaning in meanings.items()
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
