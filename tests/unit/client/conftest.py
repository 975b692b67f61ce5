"""The API's own handler on a ledger in memory, behind HTTP, and the client of it."""

import functools
from collections.abc import Iterator
from unittest import mock

import pytest
from botocore.loaders import create_loader

from job_ledger import JobLedger
from testing.served_api import ServedApi, fill, served_api

LOADER = functools.cache(create_loader)


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    """Read botocore's models once, which takes most of the time of a client."""
    with mock.patch("botocore.session.create_loader", LOADER):
        yield


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
