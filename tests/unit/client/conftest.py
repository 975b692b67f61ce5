"""The API's own handler on a ledger in memory, behind HTTP, and the client of it."""

from collections.abc import Iterator

import pytest

from job_ledger import JobLedger
from jobledger.jobs import Family
from tests.api import a_job
from tests.served_api import ServedApi, served_api

JOBS = 1_203


@pytest.fixture(scope="module")
def server() -> Iterator[ServedApi]:
    with served_api() as served:
        statuses = ("COMPLETED", "FAILED", "PARTIAL_SUCCESS")
        served.api.fill(*(a_job(n, JobStatus=statuses[n % 3]) for n in range(JOBS)))
        served.api.fill(
            a_job(9_001, JobName="夜 =1+1", JobStatus="FAILED", Message="\x1b[31mno"),
            a_job(9_002, JobStatus="STOPPED"),
            family=Family.PHI,
        )
        served.api.mark_synced()
        yield served


@pytest.fixture
def ledger(server: ServedApi) -> Iterator[JobLedger]:
    server.requests.clear()
    with JobLedger(server.url) as client:
        yield client
