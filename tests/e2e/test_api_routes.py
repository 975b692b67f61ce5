"""Every route of a real deployment, through API Gateway, Lambda and DynamoDB."""

import functools
import gzip
import json

import pytest

from tests.e2e.account import FAMILIES, ids_in, listed, start_phi_job
from tests.e2e.stack import LIST, wait_until

pytestmark = pytest.mark.xdist_group("deployment")


@pytest.fixture(scope="module")
def api(deployment):
    return deployment.send


def test_head_answers_as_get_does_without_the_body(api):
    for path in ("/jobs", "/summary", "/health", "/openapi.json", "/docs"):
        got, head = api(path), api(path, method="HEAD")
        assert (got.status, head.status, head.content) == (200, 200, b""), path
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert got.headers["Cache-Control"] == "no-store"
        assert got.headers["X-Request-Id"]


def test_what_no_route_takes_is_a_problem(api):
    for method, path, status, allow in (
        ("DELETE", "/jobs", 405, "GET, HEAD"),
        ("POST", "/nowhere", 404, None),
        ("GET", "/jobs/x/y", 404, None),
    ):
        answer = api(path, method=method)
        assert (answer.status, answer.headers["Allow"]) == (status, allow), path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == status


def test_bad_input_is_refused_with_the_name_of_the_parameter(deployment):
    bad = {"JobStatus": "BOGUS", "JobName": "no*stars", "Family": "ICD11", "NextToken": "AAAA"}
    times = {"SubmitTimeAfter": "yesterday", "SubmitTimeBefore": "2026-13-01T00:00:00Z"}
    sizes = [("MaxResults", size) for size in ("0", "501", "ten")]
    for parameter, value in [*bad.items(), *times.items(), *sizes]:
        answer = deployment.get("/jobs", **{parameter: value})
        assert (answer.status, parameter in str(answer.json)) == (400, True), value


def test_a_token_is_refused_when_altered_or_used_for_another_query(deployment):
    token = deployment.get("/jobs", MaxResults=1).json["NextToken"]
    middle = len(token) // 2
    altered = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for parameters in ({"NextToken": altered}, {"NextToken": token, "JobStatus": "FAILED"}):
        answer = deployment.get("/jobs", **parameters)
        assert (answer.status, "NextToken" in str(answer.json)) == (400, True)
    assert deployment.get("/jobs", MaxResults=2, NextToken=token).status == 200


def test_pages_of_any_size_hold_all_jobs_once_newest_first_whatever_the_filters(deployment):
    for family, size in (("ENTITIES_V2", 1), ("SNOMEDCT", 50), ("SNOMEDCT", 500)):
        jobs = deployment.jobs[family]
        newest_first = listed(jobs, {})
        # Bounds that are the very times of jobs: those jobs must be left out.
        mixed = {
            "JobName": "nightly-notes",
            "JobStatus": "COMPLETED",
            "SubmitTimeAfter": newest_first[len(jobs) * 4 // 5]["SubmitTime"],
            "SubmitTimeBefore": newest_first[len(jobs) // 5]["SubmitTime"],
        }
        for filters in ({}, mixed):
            pages = list(deployment.pages(Family=family, MaxResults=size, **filters))
            expected = [{**job, "Family": family} for job in listed(jobs, filters)]
            assert [job for page in pages for job in page] == expected
            assert {len(page) for page in pages[:-1]} <= {size}


def test_gzip_comes_through_as_bytes_and_a_link_leads_through_a_file(api, deployment):
    plain = api("/jobs?MaxResults=100")
    zipped = api("/jobs?MaxResults=100", Accept_Encoding="gzip", Accept="*/*")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(zipped.content))[LIST] == plain.json[LIST]
    found, query = [], "Family=ICD10CM&MaxResults=50"
    while query:
        answer = api(f"/jobs?{query}", Accept="text/csv")
        found += ids_in("csv", answer.content.decode())
        query = (answer.headers["Link"] or "").partition("<?")[2].partition(">")[0]
    assert found == [job["JobId"] for job in listed(deployment.jobs["ICD10CM"], {})]


def test_a_job_of_any_family_has_its_history(api, deployment):
    for family in FAMILIES:
        job = deployment.jobs[family][0]
        body = api(f"/jobs/{job['JobId']}").json
        assert body["ComprehendMedicalAsyncJobProperties"] == {**job, "Family": family}
        assert body["History"][-1]["JobStatus"] == job["JobStatus"]


def test_a_consistent_read_is_younger_than_the_request_or_stale(api, deployment):
    before = api("/jobs?MaxResults=1").json["AsOf"]
    read = functools.partial(api, "/jobs?MaxResults=1&ConsistentRead=true")
    # A read can share the sync of up to two seconds before, which failed if another test wanted it to.
    wait_until(lambda: "Stale" not in read().json, 10, "an answer that is not stale", every=1)
    assert api("/jobs?MaxResults=1").json["AsOf"] >= before
    fault = {"Operation": "ListSNOMEDCT*", "Error": "AccessDeniedException", "Count": 50}
    deployment.control("faults", **fault)
    wait_until(lambda: read().json.get("Stale"), 10, "an answer that is stale", every=1)


def test_a_digest_is_published_once_for_each_key(api):
    window = {"WindowStart": "2026-11-01T00:00:00Z", "WindowEnd": "2026-11-02T00:00:00Z"}
    sent = {"method": "POST", "Idempotency_Key": '"e2e-1"', "Content_Type": "application/json"}
    first, again = (api("/digests", body=json.dumps(window).encode(), **sent) for _ in range(2))
    assert (first.status, first.json) == (200, again.json)
    other = api("/digests", body=b"{}", **sent)
    assert (other.status, other.json["title"]) == (422, "InvalidRequestException")


def test_a_key_begins_the_same_list_after_a_job_was_started(api, deployment):
    deployment.control("settings", late_jobs=False)
    keyed = functools.partial(api, Idempotency_Key="e2e-list")
    first = keyed("/jobs?Family=PHI&MaxResults=2").json[LIST]
    started = start_phi_job(deployment.client("comprehendmedical"), "e2e-list")

    def is_listed() -> bool:
        newest = api("/jobs?Family=PHI&MaxResults=1&ConsistentRead=true").json[LIST]
        return [job["JobId"] for job in newest] == [started]

    wait_until(is_listed, 60, "the job is listed", every=1)
    assert keyed("/jobs?Family=PHI&MaxResults=2").json[LIST] == first
    refused = keyed("/jobs?Family=PHI&JobName=another")
    assert (refused.status, refused.json["title"]) == (422, "InvalidRequestException")
