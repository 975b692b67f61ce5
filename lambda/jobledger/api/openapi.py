"""The OpenAPI 3.1 document of the API, made from the same parameters that the routes read.

It is made when the code is committed, not when it runs:

    PYTHONPATH=lambda python -m jobledger.api.openapi
"""

import json
from pathlib import Path
from typing import Any

from jobledger.api.digest_request import KEY_RULE
from jobledger.api.export import COLUMNS
from jobledger.api.openapi_schemas import JOB_ID_SCHEMA, SCHEMAS
from jobledger.api.parameters import LIST_PARAMETERS
from jobledger.inputs import FILTERS, Parameter

Node = dict[str, Any]

_FOLDER = Path(__file__).parent
# What is shipped with the functions, and what is there to be read.
FILES = (
    _FOLDER / "static" / "openapi.json",
    _FOLDER.parents[2] / "docs" / "openapi.json",
)
_ABOUT = """\
Every Comprehend Medical job of this account and region, from a ledger that is brought up to date each \
minute: no request here costs a call of the service. Names of parameters and properties are the \
service's own. Times are RFC 3339 in UTC; `AsOf` says when the ledger last agreed with the service.

Requests are signed with Signature Version 4 for `execute-api`. HEAD works where GET does. Errors are \
RFC 9457 problems; what was sent is never quoted in them.
"""
_ERRORS = {
    "400": "Parameters or body are not valid; all that is wrong is listed",
    "403": "Not signed, wrongly signed, or not allowed",
    "404": "There is no such job or route",
    "405": "The route does not take this method; Allow says which it takes",
    "406": "The Accept header excludes all formats",
    "409": "The same digest is being published by another request",
    "413": "The request is too large",
    "415": "The content type is not supported",
    "422": "The Idempotency-Key came before with another body",
    "429": "Too many requests; Retry-After says when to try again",
    "500": "Something went wrong here",
    "503": "The ledger cannot be read now, or not in time",
    "504": "No answer in time",
}
_ALWAYS_POSSIBLE = ("400", "403", "405", "413", "415", "429", "500", "503", "504")
_WITH_RETRY_AFTER = ("409", "429", "503")


def document() -> Node:
    """Return the OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Job Ledger", "version": "1.0.0", "description": _ABOUT},
        # Relative to the document, so that it is right wherever it is served from.
        "servers": [{"url": "."}],
        "security": [{"sigv4": []}],
        "paths": {
            "/jobs": {"get": _list_jobs()},
            "/jobs/{JobId}": {"get": _get_job()},
            "/summary": {"get": _get_summary()},
            "/digests": {"post": _post_digest()},
            "/health": {"get": _get_health()},
            "/openapi.json": {"get": _get_openapi()},
            "/docs": {"get": _get_docs()},
            "/docs/{Asset}": {"get": _get_asset()},
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
    """Return the document as the files have it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _list_jobs() -> Node:
    page = {"$ref": "#/components/schemas/JobList"}
    job = '{"JobId":"7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b","JobStatus":"COMPLETED","Family":"SNOMEDCT"}'
    csv = {"type": "string", "examples": [",".join(f'"{column}"' for column in COLUMNS)]}
    ndjson = {"type": "string", "description": "One job a line", "examples": [job]}
    return {
        "operationId": "ListJobs",
        "summary": "List jobs",
        "description": "One page of jobs in the order of their submission, by any mix of filters. The "
        "same NextToken always gives the same stretch. A page ends early at 5 MB; with JobNamePrefix, "
        "several JobStatus or several Family it may be short, or empty, and still have a NextToken.",
        "parameters": [_parameter(parameter) for parameter in LIST_PARAMETERS.values()],
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
            **_errors("406"),
        },
    }


def _get_job() -> Node:
    return {
        "operationId": "DescribeJob",
        "summary": "Describe a job",
        "description": "A job of whatever family with its history, also when the service has forgotten it.",
        "parameters": [_in_path("JobId", JOB_ID_SCHEMA)],
        "responses": _json("JobDescription", "The job") | _errors("404"),
    }


def _get_summary() -> Node:
    return {
        "operationId": "SummariseJobs",
        "summary": "Count jobs",
        "description": "Counts, durations and what needs attention, over all jobs that match.",
        "parameters": [_parameter(parameter) for parameter in FILTERS.values()],
        "responses": _json("Summary", "The summary") | _errors(),
    }


def _post_digest() -> Node:
    key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]([ -~]*[!-~])?$"}
    return {
        "operationId": "PublishDigest",
        "summary": "Publish a digest now",
        "description": "For a window of time, or from the end of the last digest on. The same "
        "Idempotency-Key with the same body gives the same answer and no second message; without the "
        "header the window is the key.",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": f"{KEY_RULE} (IETF draft-ietf-httpapi-idempotency-key-header)",
                "schema": key,
                "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
            }
        ],
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
        "summary": "How old the ledger is",
        "description": "503 when a family has not agreed with the service for ten sync intervals.",
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
    content = {"text/html": {"schema": {"type": "string"}}}
    return {
        "operationId": "GetDocs",
        "summary": "This document, to read and to try",
        "responses": _success("A page with Swagger UI", content) | _errors(),
    }


def _get_asset() -> Node:
    content = {media: {"schema": {"type": "string"}} for media in ("text/javascript", "text/css")}
    return {
        "operationId": "GetDocsAsset",
        "summary": "A part of that page",
        "parameters": [_in_path("Asset", {"type": "string", "examples": ["docs.js"]})],
        "responses": _success("A script or a style sheet", content) | _errors("404"),
    }


def _parameter(parameter: Parameter) -> Node:
    # In the schema and not beside it: Swagger UI would fill the latter into every request.
    schema: Node = dict(parameter.schema)
    if parameter.example is not None:
        schema["examples"] = [parameter.example]
    if parameter.repeatable:
        schema = {"type": "array", "minItems": 1, "items": schema}
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": schema,
    }


def _in_path(name: str, schema: Node) -> Node:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _json(schema: str, description: str) -> Node:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return _success(description, {"application/json": {"schema": reference}})


def _success(description: str, content: Node) -> Node:
    headers = _headers_of("X-Request-Id")
    return {"200": {"description": description, "headers": headers, "content": content}}


def _errors(*more: str) -> Node:
    statuses = sorted({*_ALWAYS_POSSIBLE, *more})
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _problem(status: str) -> Node:
    names = ["X-Request-Id"]
    names += ["Retry-After"] if status in _WITH_RETRY_AFTER else []
    names += ["Allow"] if status == "405" else []
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": _ERRORS[status],
        "headers": _headers_of(*names),
        "content": {"application/problem+json": {"schema": schema}},
    }


def _headers_of(*names: str) -> Node:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _headers() -> Node:
    meanings = {
        "X-Request-Id": "What to look for in the logs",
        "Link": "RFC 8288; rel=next is the next page, relative to this one",
        "X-As-Of": "AsOf, for the formats whose body has no place for it",
        "X-Stale": "true when a ConsistentRead could not ask the service",
        "Retry-After": "Seconds",
        "Allow": "The methods that the route takes",
    }
    return {
        name: {"description": meaning, "schema": {"type": "string"}}
        for name, meaning in meanings.items()
    }


if __name__ == "__main__":
    for file in FILES:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text(), encoding="utf-8")
