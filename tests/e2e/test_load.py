"""Many callers at once, while syncs run."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from testing.full import in_full
from tests.e2e.stack import is_complete, opened

pytestmark = pytest.mark.xdist_group("deployment")

CALLS = in_full(200, 1_000)
CONCURRENCY = 50
CALLERS_SECONDS = 300
QUERIES = (
    "/jobs?MaxResults=100",
    "/jobs?Family=ALL&JobStatus=FAILED",
    "/jobs?Family=ICD10CM&Format=csv",
    "/summary?Family=ALL",
    "/jobs?JobName=nightly-notes&SubmitTimeAfter=2026-01-01",
)


@pytest.mark.full
def test_concurrent_calls_have_no_error_while_syncs_run(deployment):
    ended = threading.Event()
    synced = []

    def sync() -> None:
        while not ended.is_set():
            synced.append(deployment.invoke("SyncFunctionName"))

    def call(number: int) -> int:
        url = deployment.api_url + QUERIES[number % len(QUERIES)]
        with opened(url, CALLERS_SECONDS) as answer:
            assert answer.read()
            return answer.status

    with ThreadPoolExecutor(CONCURRENCY + 1) as pool:
        syncs = pool.submit(sync)
        statuses = [pool.submit(call, number) for number in range(CALLS)]
        try:
            assert {status.result() for status in statuses} == {200}
        finally:
            ended.set()
        syncs.result()
    assert synced
    for answer in synced:
        is_complete(answer["Families"])  # fails on errors other than an overtaken sync
