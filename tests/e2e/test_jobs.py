"""GET /jobs of a real deployment, against the file of jobs that the service was loaded with."""

import datetime

import pytest

from tests.e2e.account import COMBINATIONS, FAMILIES, LIST_CALLS, listed, rfc3339

pytestmark = pytest.mark.xdist_group("deployment")


@pytest.fixture(scope="module")
def upstream(deployment):
    """All jobs as boto3 reads them from the service, in JSON's terms."""
    client = deployment.client("comprehendmedical")
    return {family: walk(client, call) for family, call in LIST_CALLS.items()}


def walk(client, call: str) -> list[dict]:
    jobs: dict[str, dict] = {}
    token: dict[str, str] = {}
    while True:
        page = getattr(client, call)(MaxResults=500, **token)
        # The service may repeat a job from one page to the next.
        jobs |= {job["JobId"]: job for job in page["ComprehendMedicalAsyncJobPropertiesList"]}
        if not page.get("NextToken"):
            return [in_json(job) for job in jobs.values()]
        token = {"NextToken": page["NextToken"]}


def in_json(job: dict) -> dict:
    times = {k: rfc3339(v) for k, v in job.items() if isinstance(v, datetime.datetime)}
    return {**job, **times}


@pytest.mark.parametrize("size", [1, 7, 100, 500])
def test_pages_of_any_size_hold_all_jobs_once_newest_first(deployment, upstream, size):
    family = "ENTITIES_V2" if size == 1 else "SNOMEDCT"
    pages = list(deployment.pages(Family=family, MaxResults=size))
    expected = [{**job, "Family": family} for job in listed(upstream[family], {})]
    assert len(expected) == len(deployment.jobs[family])
    assert [job for page in pages for job in page] == expected
    assert {len(page) for page in pages[:-1]} <= {size}


def test_the_default_family_is_snomed_ct_in_pages_of_100(deployment):
    first = next(deployment.pages())
    assert (len(first), {job["Family"] for job in first}) == (100, {"SNOMEDCT"})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("names", COMBINATIONS, ids=lambda names: "+".join(names) or "none")
def test_any_combination_of_filters_gives_what_filtering_the_file_gives(deployment, family, names):
    jobs = deployment.jobs[family]
    newest_first = listed(jobs, {})
    # Bounds that are the very times of jobs: those jobs must be left out.
    values = {
        "JobName": "nightly-notes",
        "JobStatus": "FAILED",
        "SubmitTimeAfter": newest_first[len(jobs) * 4 // 5]["SubmitTime"],
        "SubmitTimeBefore": newest_first[len(jobs) // 5]["SubmitTime"],
    }
    filters = {name: values[name] for name in names}
    found = [job for page in deployment.pages(Family=family, **filters) for job in page]
    assert found == [{**job, "Family": family} for job in listed(jobs, filters)]


@pytest.mark.row(16, count="9 values, over HTTP")
@pytest.mark.parametrize(
    "parameter, value",
    [
        ("MaxResults", "0"),
        ("MaxResults", "501"),
        ("MaxResults", "ten"),
        ("JobStatus", "BOGUS"),
        ("JobName", "no*stars"),
        ("Family", "ICD11"),
        ("SubmitTimeAfter", "yesterday"),
        ("SubmitTimeBefore", "2026-13-01T00:00:00Z"),
        ("NextToken", "AAAA"),
    ],
)
def test_bad_input_is_refused_with_the_name_of_the_parameter(deployment, parameter, value):
    answer = deployment.get("/jobs", **{parameter: value})
    assert answer.status == 400
    assert parameter in str(answer.json)


@pytest.mark.row(15, count="1 altered token, 1 other query, over HTTP")
def test_a_token_is_refused_when_altered_or_used_for_another_query(deployment):
    token = deployment.get("/jobs", MaxResults=1).json["NextToken"]
    middle = len(token) // 2
    altered = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for parameters in ({"NextToken": altered}, {"NextToken": token, "JobStatus": "FAILED"}):
        answer = deployment.get("/jobs", **parameters)
        assert (answer.status, "NextToken" in str(answer.json)) == (400, True)
    assert deployment.get("/jobs", MaxResults=2, NextToken=token).status == 200
