"""The OpenAPI 3.1 document of the API, generated from the parameters that the routes parse.

Generate it before committing; it is not generated at run time:

PYTHONPATH=lambda python -m openapi.document
"""

import json
from pathlib import Path

from jobledger.api.docs import ASSET
from jobledger.api.export import COLUMNS
from jobledger.api.parameters import (
    BOARD_ASSET,
    BOARD_PARAMETERS,
    JOB_ID,
    JOB_PARAMETERS,
    LIST_PARAMETERS,
)
from jobledger.inputs.filters import FILTERS
from openapi.components import (
    HEADERS,
    PAGE,
    RESPONSES,
    Node,
    errors,
    headers_of,
    idempotency_key,
    json_success,
    page_errors,
    path_parameter,
    query_parameter,
    success,
)
from openapi.schemas import SCHEMAS

_TAGS = {
    "Jobs": "Lists, descriptions and counts of jobs.",
    "Digests": "What subscribers are sent.",
    "Ledger": "The state of this deployment.",
    "Pages": "What a browser shows, and this document.",
}
# Shipped with the API function. docs/openapi.json is a symbolic link to it.
FILE = Path(__file__).parents[1] / "lambda/jobledger/api/static/openapi.json"
_ABOUT = """\
Every Comprehend Medical job of this account and region, or of several, from a ledger that syncs every minute. Requests \
do not call the service. Parameters and properties have the service's names. Times are RFC 3339 in UTC; \
`AsOf` is the time of the last agreement between ledger and service: everything that the service had then is in the ledger as it was then, or later. It stays while the service does not report the status of a job that has not ended.

Requests are signed with Signature Version 4 for `execute-api`. HEAD works where GET does. Errors are \
RFC 9457 problems, which never quote the request.
"""


def document() -> Node:
    """Return the OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Job Ledger",
            "version": "1.0.0",
            "description": _ABOUT,
            "contact": {"name": "The team that deployed this API"},
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the document, so it is correct at any address.
        "servers": [{"url": "."}],
        "security": [{"sigv4": []}],
        "tags": [{"name": name, "description": meaning} for name, meaning in _TAGS.items()],
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "headers": HEADERS,
            "responses": RESPONSES,
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


def _paths() -> Node:
    return {
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
        "tags": ["Jobs"],
        "summary": "List jobs",
        "description": "One page of jobs in submission order, with any mix of filters. The "
        "same NextToken always returns the same range of jobs. A page ends early at 5 MB; with JobNamePrefix, "
        "Account, Region, several JobStatus or several Family it can be short or empty and still have a NextToken. For 24 hours, the "
        "same Idempotency-Key with the same filters and order lists the same jobs, whatever was submitted since; "
        "a NextToken has precedence over the key.",
        "parameters": [
            *(query_parameter(parameter) for parameter in LIST_PARAMETERS.values()),
            idempotency_key(),
        ],
        "responses": {
            "200": {
                "description": "A page",
                "headers": headers_of("X-Request-Id", "Link", "X-As-Of", "X-Stale", "X-Examined"),
                "content": {
                    "application/json": {"schema": page},
                    "text/csv": {"schema": csv},
                    "application/x-ndjson": {"schema": ndjson},
                },
            },
            **errors("409", "422"),
        },
    }


def _get_job() -> Node:
    return {
        "operationId": "DescribeJob",
        "tags": ["Jobs"],
        "summary": "Describe a job",
        "description": "A job of any family with its history, including jobs that the service has deleted. In a ledger "
        "of several accounts or regions, Account and Region choose among jobs with the same id; without them it is the "
        "latest submission.",
        "parameters": [
            path_parameter(JOB_ID),
            *(query_parameter(parameter) for parameter in JOB_PARAMETERS.values()),
        ],
        "responses": json_success("JobDescription", "The job") | errors("404"),
    }


def _get_summary() -> Node:
    return {
        "operationId": "SummariseJobs",
        "tags": ["Jobs"],
        "summary": "Count jobs",
        "description": "Counts, durations and jobs that need attention, over all jobs that match. Durations are "
        "within 1 %; all other numbers are exact.",
        "parameters": [query_parameter(parameter) for parameter in FILTERS.values()],
        "responses": json_success("Summary", "The summary") | errors(),
    }


def _get_digest() -> Node:
    return {
        "operationId": "GetDigest",
        "tags": ["Digests"],
        "summary": "The last digest",
        "description": "What the last digest of the schedule, or of a request without a window, counted.",
        "responses": json_success("DigestAnswer", "The digest") | errors("404"),
    }


def _post_digest() -> Node:
    return {
        "operationId": "PublishDigest",
        "tags": ["Digests"],
        "summary": "Publish a digest now",
        "description": "For a time window, or for the time since the last digest. The same "
        "Idempotency-Key with the same body returns the same result and publishes once; without the "
        "header, the window is the key.",
        "parameters": [idempotency_key()],
        "requestBody": {
            "required": False,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/DigestRequest"}}
            },
        },
        "responses": json_success("DigestAnswer", "It was published") | errors("409", "422"),
    }


def _get_health() -> Node:
    return {
        "operationId": "GetHealth",
        "tags": ["Ledger"],
        "summary": "The age of the ledger",
        "description": "503 when a family of an account and region has missed ten sync intervals.",
        "responses": json_success("Health", "Every family is recent enough") | errors(),
    }


def _get_openapi() -> Node:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "GetOpenApi",
        "tags": ["Pages"],
        "summary": "This document",
        "description": "The OpenAPI document of the deployed version.",
        "responses": success("OpenAPI 3.1", content) | errors(),
    }


def _get_docs() -> Node:
    return {
        "operationId": "GetDocs",
        "tags": ["Pages"],
        "summary": "This document, to read and to try",
        "description": "Swagger UI. In AWS, `jobledger open docs` shows it, with signed requests.",
        "responses": success("A page with Swagger UI", PAGE) | errors(),
    }


def _get_asset() -> Node:
    content = {media: {"schema": {"type": "string"}} for media in ("text/javascript", "text/css")}
    return {
        "operationId": "GetDocsAsset",
        "tags": ["Pages"],
        "summary": "A file of that page",
        "description": "Scripts and style sheets of Swagger UI.",
        "parameters": [path_parameter(ASSET)],
        "responses": success("A script or a style sheet", content) | errors("404"),
    }


def _get_board() -> Node:
    return {
        "operationId": "GetBoard",
        "tags": ["Pages"],
        "summary": "The board, to read in a browser",
        "description": "Without filters an overview and the newest jobs, otherwise the jobs that match. "
        "Family is ALL by default. Parameters without a value count as not sent. The answer to a browser "
        "(Accept: text/html) is a page even when it is an error.",
        "parameters": [query_parameter(parameter) for parameter in BOARD_PARAMETERS.values()],
        "responses": success(
            "A page, or a file of jobs", PAGE | {"text/csv": {"schema": {"type": "string"}}}
        )
        | page_errors("404"),
    }


def _get_board_job() -> Node:
    return {
        "operationId": "GetBoardJob",
        "tags": ["Pages"],
        "summary": "The board's page of a job",
        "description": "A job with its history and commands to copy.",
        "parameters": [path_parameter(JOB_ID)],
        "responses": success("A page", PAGE) | page_errors("404"),
    }


def _get_board_asset() -> Node:
    media_types = ("text/css", "text/javascript", "image/svg+xml")
    content = {media: {"schema": {"type": "string"}} for media in media_types}
    return {
        "operationId": "GetBoardAsset",
        "tags": ["Pages"],
        "summary": "A file of the board",
        "description": "The style sheets, script and icon of the board.",
        "parameters": [path_parameter(BOARD_ASSET)],
        "responses": success("A style sheet, a script or an icon", content) | page_errors("404"),
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
