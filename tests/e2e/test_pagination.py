"""Repeated requests with an Idempotency-Key, while jobs are started and synced."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.e2e.account import start_phi_job
from tests.e2e.deployment import Deployment, opened, wait_until

pytestmark = pytest.mark.xdist_group("deployment")

JOBS = "ComprehendMedicalAsyncJobPropertiesList"


def get(
    deployment: Deployment, key: str | None = None, **query: object
) -> tuple[int, dict[str, Any]]:
    url = f"{deployment.ready['ApiUrl']}/jobs?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, headers={"Idempotency-Key": key} if key else {})
    try:
        with opened(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def walk(deployment: Deployment, key: str | None, **query: object) -> list[tuple[list[str], Any]]:
    """The ids and the token of each page; the first request carries the key."""
    pages = []
    token: dict[str, object] = {}
    while True:
        status, page = get(deployment, None if token else key, **query, **token)
        assert status == 200, page
        pages.append(([job["JobId"] for job in page[JOBS]], page.get("NextToken")))
        if "NextToken" not in page:
            return pages
        token = {"NextToken": page["NextToken"]}


@pytest.fixture
def no_job_is_late(deployment):
    """The service lists a new job late, which is not what these tests are about."""
    deployment.control("settings", late_jobs=False)
    yield
    deployment.control("reset")


def start(deployment: Deployment, name: str) -> str:
    """Start a job, and sync until it is listed."""
    job = start_phi_job(deployment.client("comprehendmedical"), name)

    def is_listed() -> bool:
        sync(deployment)
        return any(job in page for page, _ in walk(deployment, None, Family="PHI"))

    wait_until(is_listed, 60, "the job is listed", every=1)
    sync(deployment)  # the sync that wrote it may be one of the schedule, and still running
    return job


def sync(deployment: Deployment) -> None:
    function = deployment.outputs["SyncFunctionName"]
    answer = deployment.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()


@pytest.mark.usefixtures("no_job_is_late")
def test_a_key_begins_the_same_walk_while_jobs_are_started(deployment):
    lists: dict[str, dict[str, Any]] = {
        "e2e-walk-phi": {"Family": "PHI", "MaxResults": 2},
        "e2e-walk-name": {"Family": "PHI", "JobName": "e2e-walk", "MaxResults": 2},
        "e2e-walk-all": {"Family": "ALL", "MaxResults": 200},
    }
    before = start(deployment, "e2e-walk")
    first = {key: walk(deployment, key, **query) for key, query in lists.items()}
    assert all(before in [job for page in pages for job in page[0]] for pages in first.values())
    for _ in range(3):
        started = start(deployment, "e2e-walk")
        for key, query in lists.items():
            assert walk(deployment, key, **query) == first[key]
            assert started in [job for page in walk(deployment, None, **query) for job in page[0]]
    for key, query in lists.items():  # in pages of another size, the same jobs
        pages = walk(deployment, key, **query | {"MaxResults": query["MaxResults"] + 1})
        assert [job for page in pages for job in page[0]] == [
            job for page in first[key] for job in page[0]
        ]


def test_a_key_of_another_query_is_refused(deployment):
    assert get(deployment, "e2e-reused", Family="PHI")[0] == 200
    status, problem = get(deployment, "e2e-reused", Family="PHI", JobName="e2e-walk")
    assert (status, problem["title"]) == (422, "InvalidRequestException")


def test_the_records_of_walks_name_no_job_and_no_key(deployment):
    assert get(deployment, "e2e-canary-key", Family="PHI", JobName="e2e-canary-name")[0] == 200
    client = deployment.client("dynamodb")
    (table,) = (name for name in client.list_tables()["TableNames"] if "DigestSent" in name)
    records = client.scan(TableName=table)["Items"]
    walks = [record for record in records if record["id"]["S"].startswith("walk#")]
    assert walks
    assert all(json.loads(record["data"]["S"]).keys() == {"Begun"} for record in walks)
    assert "e2e-canary" not in json.dumps(records)
