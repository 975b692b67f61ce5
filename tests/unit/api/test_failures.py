"""DynamoDB throttles, fails or is gone: readers get a Retry-After, and nothing leaks."""

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from testing.api import running_api
from testing.builders import full_job
from testing.memory_dynamodb import error

ERRORS = [
    error("ProvisionedThroughputExceededException"),
    error("ThrottlingException"),
    error("RequestLimitExceeded"),
    error("InternalServerError", 500),
    error("ServiceUnavailable", 503),
    error("ResourceNotFoundException"),
    error("AccessDeniedException"),
    EndpointConnectionError(endpoint_url="https://dynamodb"),
    ReadTimeoutError(endpoint_url="https://dynamodb"),
]
READS = ["/jobs", f"/jobs/{1:032x}", "/summary", "/health"]


@pytest.mark.row(9, count="4 routes, 9 errors, at the first and second query")
@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("failure", ERRORS, ids=repr)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_read_that_fails_is_a_503_with_retry_after(path, failure, nth):
    with running_api() as api:
        api.fill(full_job())
        api.mark_synced()
        before = api.database.calls["query"]

        def fail(operation: str) -> None:
            if operation == "query" and api.database.calls["query"] - before >= nth - 1:
                raise failure

        api.database.before = fail
        answer = api.get(path)
    if nth == 2 and path == "/health":
        assert answer.status == 200  # it reads once only
        return
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "InternalServerException"
    assert "dynamodb" not in answer.body.lower()


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/docs.js"])
def test_the_documents_need_no_ledger(path):
    with running_api() as api:

        def fail(operation: str) -> None:
            raise error("ThrottlingException")

        api.database.before = fail
        assert api.get(path).status == 200
