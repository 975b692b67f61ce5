"""Every route of a real deployment, through API Gateway, Lambda and DynamoDB."""

import gzip
import json
import time
import urllib.parse

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
        ("PUT", "/digests", 405, "GET, POST, HEAD"),
        ("POST", "/nowhere", 404, None),
        *(("GET", path, 404, None) for path in ("/jobs/x/y", "/docs/x", "/jobs/unknown")),
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


@pytest.mark.parametrize("size, family", [(1, "ENTITIES_V2"), (7, "SNOMEDCT"), (500, "SNOMEDCT")])
def test_pages_of_any_size_hold_all_jobs_once_newest_first(deployment, size, family):
    pages = list(deployment.pages(Family=family, MaxResults=size))
    expected = [{**job, "Family": family} for job in listed(deployment.jobs[family], {})]
    assert [job for page in pages for job in page] == expected
    assert {len(page) for page in pages[:-1]} <= {size}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_filters_together_give_what_filtering_the_file_gives(deployment, family):
    jobs = deployment.jobs[family]
    newest_first = listed(jobs, {})
    # Bounds that are the very times of jobs: those jobs must be left out.
    filters = {
        "JobName": "nightly-notes",
        "JobStatus": "COMPLETED",
        "SubmitTimeAfter": newest_first[len(jobs) * 4 // 5]["SubmitTime"],
        "SubmitTimeBefore": newest_first[len(jobs) // 5]["SubmitTime"],
    }
    found = [job for page in deployment.pages(Family=family, **filters) for job in page]
    assert found == [{**job, "Family": family} for job in listed(jobs, filters)]


def test_the_formats_hold_the_same_jobs_page_after_page(api, deployment):
    found: dict[str, list[str]] = {}
    for form, accept in (("csv", "text/csv"), ("ndjson", "application/x-ndjson")):
        query = "Family=ICD10CM&MaxResults=50"
        while query:
            answer = api(f"/jobs?{query}", Accept=accept)
            assert answer.headers["Content-Type"].startswith(accept)
            found[form] = found.get(form, []) + ids_in(form, answer.content.decode())
            link = answer.headers["Link"] or ""
            query = link.partition("<?")[2].partition(">")[0]
    expected = [job["JobId"] for job in listed(deployment.jobs["ICD10CM"], {})]
    assert found["csv"] == found["ndjson"] == expected


def test_gzip_comes_through_as_bytes(api):
    plain = api("/jobs?MaxResults=100")
    zipped = api("/jobs?MaxResults=100", Accept_Encoding="gzip", Accept="*/*")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(zipped.content))[LIST] == plain.json[LIST]
    assert len(zipped.content) < len(plain.content) / 4


def test_a_job_of_any_family_has_its_history(api, deployment):
    for family in FAMILIES:
        job = deployment.jobs[family][0]
        body = api(f"/jobs/{job['JobId']}").json
        assert body["ComprehendMedicalAsyncJobProperties"] == {**job, "Family": family}
        assert body["History"][-1]["JobStatus"] == job["JobStatus"]


def test_the_summary_counts_what_the_file_has(api, deployment):
    body = api("/summary?" + "&".join(f"Family={family}" for family in FAMILIES)).json
    assert body["ByFamily"] == {family: len(deployment.jobs[family]) for family in FAMILIES}
    statuses = [job["JobStatus"] for family in FAMILIES for job in deployment.jobs[family]]
    assert body["ByStatus"]["FAILED"] == statuses.count("FAILED")
    assert body["Durations"]["p50"] <= body["Durations"]["p90"] <= body["Durations"]["max"]


def test_a_consistent_read_is_younger_than_the_request(api):
    before = api("/jobs?MaxResults=1").json["AsOf"]

    def fresh() -> dict | None:
        answer = api("/jobs?MaxResults=1&ConsistentRead=true").json
        return None if "Stale" in answer else answer

    # A read can share the sync of up to two seconds before, which failed if another test wanted it to.
    answer = wait_until(fresh, 10, "an answer that is not stale", every=1)
    assert answer["AsOf"] >= before


def test_a_consistent_read_is_stale_when_the_service_refuses(api, deployment):
    fault = {"Operation": "ListSNOMEDCT*", "Error": "AccessDeniedException", "Count": 50}
    deployment.control("faults", **fault)
    time.sleep(2.1)  # else the last sync would still be shared
    answer = api("/jobs?MaxResults=1&ConsistentRead=true")
    assert (answer.status, answer.json["Stale"]) == (200, True)


def test_a_digest_is_published_once_for_each_key(api):
    window = {"WindowStart": "2026-11-01T00:00:00Z", "WindowEnd": "2026-11-02T00:00:00Z"}
    sent = {"method": "POST", "Idempotency_Key": '"e2e-1"', "Content_Type": "application/json"}
    first = api("/digests", body=json.dumps(window).encode(), **sent)
    again = api("/digests", body=json.dumps(window).encode(), **sent)
    assert (first.status, first.json) == (200, again.json)
    assert set(first.json) >= {"DigestId", "MessageId", "Window", "Counts"}
    other = api("/digests", body=b"{}", **sent)
    assert (other.status, other.json["title"]) == (422, "InvalidRequestException")


def test_a_key_begins_the_same_traversal_after_a_job_was_started(api, deployment):
    deployment.control("settings", late_jobs=False)
    path = "/jobs?Family=PHI&MaxResults=2"

    def traverse(key: str | None) -> list[str]:
        """The ids of all pages; the first request carries the key."""
        ids, token, headers = [], "", {"Idempotency_Key": key} if key else {}
        while True:
            page = api(path + token, **headers).json
            ids += [job["JobId"] for job in page[LIST]]
            if "NextToken" not in page:
                return ids
            token, headers = f"&NextToken={urllib.parse.quote(page['NextToken'])}", {}

    first = traverse("e2e-traversal")
    started = start_phi_job(deployment.client("comprehendmedical"), "e2e-traversal")

    def is_listed() -> bool:
        api("/jobs?Family=PHI&MaxResults=1&ConsistentRead=true")
        return started in traverse(None)

    wait_until(is_listed, 60, "the job is listed", every=1)
    assert traverse("e2e-traversal") == first
    refused = api("/jobs?Family=PHI&JobName=another", Idempotency_Key="e2e-traversal")
    assert (refused.status, refused.json["title"]) == (422, "InvalidRequestException")


def test_the_ledger_is_healthy(api):
    body = api("/health").json
    assert body["Status"] == "ok"
    assert set(body["Families"]) == {*FAMILIES, "PHI"}
