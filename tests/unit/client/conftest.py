"""The API's own handler on a ledger in memory, behind HTTP, and the client of it."""

from collections.abc import Iterator

import pytest

from job_ledger import JobLedger
from testing.served_api import ServedApi, fill, served_api


@pytest.fixture(scope="module")
def server() -> Iterator[ServedApi]:
    with served_api() as served:
        fill(served.api)
        yield served


@pytest.fixture
def ledger(server: ServedApi) -> Iterator[JobLedger]:
    server.requests.clear()
    with JobLedger(server.url) as client:
        yield client
