"""DynamoDB throttles, fails or is gone: readers get a Retry-After, and nothing leaks."""

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from testing.api import Api, running_api
from testing.builders import full_job
from testing.memory_dynamodb import error

CODES = (
    "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "InternalServerError",
    "ServiceUnavailable", "ResourceNotFoundException", "AccessDeniedException",
)  # fmt: skip
ERRORS = [
    *(error(code) for code in CODES),
    EndpointConnectionError(endpoint_url="https://dynamodb"),
    ReadTimeoutError(endpoint_url="https://dynamodb"),
]
READS = ["/jobs", f"/jobs/{1:032x}", "/summary", "/health"]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_read_that_fails_is_a_503_with_retry_after(path, nth):
    for failure in ERRORS:
        with running_api() as api:
            api.fill(full_job())
            api.mark_synced()
            api.database.calls.clear()

            def fail(operation: str, api: Api = api, failure: Exception = failure) -> None:
                if operation == "query" and api.database.calls["query"] >= nth - 1:
                    raise failure

            api.database.before = fail
            answer = api.get(path)
        if nth == 2 and path == "/health":
            assert answer.status == 200  # it reads once only
            continue
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5"), failure
        assert answer.json["title"] == "InternalServerException"
        assert "dynamodb" not in answer.body.lower()


def test_the_documents_need_no_ledger():
    def fail(operation: str) -> None:
        raise error("ThrottlingException")

    with running_api() as api:
        api.database.before = fail
        for path in ("/openapi.json", "/docs", "/docs/docs.js"):
            assert api.get(path).status == 200
