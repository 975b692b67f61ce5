"""The routes, as API Gateway calls the handler: what each answers, and how each refuses."""

import json
from datetime import timedelta
from unittest import mock
from urllib.parse import parse_qs

import pytest

from jobledger.api.methods import ROUTES
from jobledger.handlers import api as api_module
from jobledger.ledger.states import LastError, SyncState
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import REQUEST_ID, logged_lines, running_api
from testing.builders import NOW, full_job
from testing.recounted import complete_counters
from testing.sigv4 import canonical_query

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def concrete(route: str) -> str:
    asset = "board.css" if route.startswith("/board") else "docs.js"
    return route.replace("{JobId}", f"{1:032x}").replace("{Asset}", asset)


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_accepts_its_methods_and_names_them_to_others(api, route):
    allowed = (*ROUTES[route], "HEAD") if "GET" in ROUTES[route] else ROUTES[route]
    for method in METHODS:
        answer = api.call(concrete(route), method=method)
        if method in allowed:
            assert answer.status == 200
        else:
            assert (answer.status, answer.headers["Allow"]) == (405, ", ".join(allowed))
            assert answer.headers["Content-Type"] == "application/problem+json"
    if "HEAD" in allowed:
        got, head = (api.call(concrete(route), method=method) for method in ("GET", "HEAD"))
        assert (head.content, head.headers) == (b"", got.headers)


def test_an_unknown_path_is_not_found_whatever_the_method(api):
    for path in ("/", "/job", "/jobs/a/b", "/docs/../jobs", "/JOBS", "/docs/x.js"):
        for method in ("GET", "HEAD", "POST"):
            status = api.call(path, method=method).status
            assert status == (405 if path == "/docs/x.js" and method == "POST" else 404)
        assert "/docs" in api.get(path).json["detail"]


@pytest.mark.parametrize("path", [*map(concrete, ROUTES), "/nowhere"])
def test_every_answer_has_the_same_headers_and_no_route_takes_a_parameter_it_does_not_know(
    api, path
):
    method = "POST" if path == "/digests" else "GET"
    headers = api.call(path, method=method).headers
    assert headers["X-Request-Id"] == REQUEST_ID
    is_asset = path.endswith((".js", ".css"))
    assert headers["Cache-Control"] == ("private, max-age=3600" if is_asset else "no-store")
    assert headers["X-Content-Type-Options"] == "nosniff"
    refused = api.call(path, {"bogus": "1"}, method=method)
    assert path == "/nowhere" or "Unknown parameter." in refused.wrong["bogus"]


def test_a_problem_is_as_rfc_9457_has_it(api):
    answer = api.get("/jobs", MaxResults=0, jobname="x")
    assert answer.headers["Content-Type"] == "application/problem+json"
    expected = {"type": "about:blank", "title": "ValidationException", "status": 400}
    assert answer.json.items() >= (expected | {"instance": f"urn:request:{REQUEST_ID}"}).items()
    assert answer.wrong["MaxResults"] == "a whole number from 1 to 500"
    assert "Did you mean JobName?" in answer.wrong["jobname"]


NAMES = ["nächtlich 1/2:a+b=c@d 夜", "a%3E rel=x", "a b", "\u2028", "a+b=c@d%"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("form, heads", [("csv", 1), ("ndjson", 0)])
def test_following_links_that_are_as_aws_computes_them_to_sign_reaches_the_last_page(
    api, name, form, heads
):
    api.fill(*(full_job(number, JobName=name) for number in range(91, 96)))
    api.now += timedelta(milliseconds=1)
    more = {"JobName": name, "JobStatus": ["FAILED", "COMPLETED"], "Format": form}
    query = {"SubmitTimeAfter": "2026-11-01T00:00:00+01:00", "MaxResults": ["2"]} | more
    sizes = []
    while query:
        answer = api.call("/jobs", query)
        assert answer.headers["X-As-Of"] == rfc3339(NOW)
        sizes.append(answer.body.count("\n") - heads)
        link = answer.headers.get("Link", '<?>; rel="next"')
        written = link.removeprefix("<?").removesuffix('>; rel="next"')
        assert written == canonical_query(written)
        query = parse_qs(written)
    assert sizes == [2, 2, 1]


def test_the_accept_header_chooses_the_format(api):
    for name in ("Accept", "accept", "ACCEPT"):
        answer = api.call("/jobs", headers={name: "text/csv"})
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"


def test_a_long_answer_is_in_gzip_when_the_caller_takes_it(api):
    plain = api.call("/jobs")
    zipped = api.call("/jobs", headers={"accept-encoding": "br, gzip", "accept": "*/*"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert (zipped.json, len(zipped.content) < len(plain.content)) == (plain.json, True)
    # API Gateway would hand the base64 to a caller that says nothing of what it accepts.
    for other in (plain, api.call("/jobs", headers={"accept-encoding": "gzip"})):
        assert "Content-Encoding" not in other.headers


def test_a_job_is_found_in_whatever_family_it_is_also_after_the_service_forgot_it(api):
    for number, family, status in ((8, Family.PHI, "FAILED"), (3, Family.SNOMEDCT, "COMPLETED")):
        received = api.get(f"/jobs/{number:032x}").json
        assert received.pop("ComprehendMedicalAsyncJobProperties")["Family"] == family
        history = [{"JobStatus": status, "ObservedAt": rfc3339(NOW)}]
        assert received == {"History": history, "AsOf": rfc3339(NOW)}
    api.ledger.mark_expired(Family.PHI, f"{8:032x}", rfc3339(NOW - timedelta(seconds=99_992)))
    received = api.get(f"/jobs/{8:032x}").json
    assert received["ExpiredUpstream"] is True
    assert received["ComprehendMedicalAsyncJobProperties"]["Message"] == "no"
    api.now += timedelta(days=365)
    assert api.get(f"/jobs/{1:032x}").json["ExpiredUpstream"] is True


def test_a_job_that_was_never_seen_is_not_found_and_what_can_be_no_id_is_refused(api):
    answer = api.get("/jobs/none")
    assert (answer.status, answer.json["title"]) == (404, "ResourceNotFoundException")
    for job_id in ("x" * 33, "a*b", "a;b"):
        assert "1 to 32" in api.get(f"/jobs/{job_id}").wrong["JobId"]
    assert api.get("/jobs/\ud800").status in (400, 404)


def test_a_summary_counts_what_the_filters_match_from_rows_or_counters(api):
    for _ in range(2):
        received = api.get("/summary", Family="ALL").json
        families, statuses = received["ByFamily"], received["ByStatus"]
        assert (received["Total"], families["PHI"], families["RXNORM"]) == (8, 1, 0)
        assert (statuses["FAILED"], statuses["STOP_REQUESTED"]) == (1, 0)
        assert received["Durations"] == {"p50": 1000.0, "p90": 1000.0, "max": 1000.0}
        assert received["AsOf"] == rfc3339(NOW)
        for query, total in (({"JobStatus": "FAILED"}, 0), ({"JobName": "nightly-notes"}, 7)):
            assert api.get("/summary", **query).json["Total"] == total
        complete_counters(api.ledger)
    api.context.milliseconds = 2_000
    answer = api.get("/summary", JobName="nightly-notes")
    assert (answer.status, "Narrow the filters" in answer.json["detail"]) == (503, True)


def test_a_token_that_is_refused_reads_nothing(api):
    token = api.get("/jobs", MaxResults=1).json["NextToken"]
    api.database.calls.clear()
    assert api.get("/jobs", NextToken=token[:-1]).status == 400
    assert api.get("/jobs", NextToken=token, JobStatus="FAILED").status == 400
    assert not api.database.calls


def test_health_reports_each_family_and_fails_when_one_has_missed_ten_syncs(api):
    api.now += timedelta(minutes=10)
    answer = api.get("/health")
    assert (answer.status, answer.json["Status"]) == (200, "ok")
    expected = {"AsOf": rfc3339(NOW), "AgeSeconds": 600.0, "LastError": None}
    assert answer.json["Families"]["PHI"] == expected
    api.now += timedelta(seconds=1)
    answer = api.get("/health")
    assert (answer.status, answer.json["title"]) == (503, "InternalServerException")
    assert answer.json["Families"]["PHI"]["AgeSeconds"] == 601.0
    assert answer.headers["Retry-After"]
    with running_api() as empty:  # never filled
        error = LastError("TooManyRequestsException", rfc3339(NOW))
        empty.ledger.save_state(Family.PHI, SyncState(last_error=error))
        answer = empty.get("/health")
    last = {"Name": "TooManyRequestsException", "At": rfc3339(NOW)}
    expected = {"AsOf": None, "AgeSeconds": None, "LastError": last}
    assert (answer.status, answer.json["Families"]["PHI"]) == (503, expected)


def test_an_error_of_ours_quotes_nothing_in_answer_or_log(api, monkeypatch):
    def break_down(*_: object, **__: object) -> None:
        raise KeyError("a-patient")

    monkeypatch.setattr("jobledger.api.routes.jobs.list_jobs", break_down)
    with logged_lines() as logged:
        answer = api.get("/jobs", JobName="a-patient")
    assert (answer.status, answer.json["title"]) == (500, "InternalServerException")
    (line,) = logged
    assert json.loads(line)["error"] == "KeyError"
    assert "a-patient" not in answer.body + line


def test_openapi_and_docs_are_what_is_on_disk(api):
    assert api.get("/openapi.json").json["openapi"] == "3.1.0"
    page = api.get("/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for asset in ("docs.css", "docs.js", "swagger-ui.css", "swagger-ui.js"):
        assert f"docs/{asset}" in page.body
        assert api.get(f"/docs/{asset}").status == 200


def test_all_families_are_those_that_the_deployment_keeps(api, monkeypatch):
    api.fill(full_job(1), family=Family.RXNORM)
    api.mark_synced([Family.RXNORM])
    monkeypatch.setattr("jobledger.api.deployment.families", lambda: (Family.RXNORM,))
    for query in ({}, {"Family": "ALL"}, {"Family": "RXNORM"}):
        assert [job["Family"] for job in api.get(**query).jobs] == ["RXNORM"]
    wrong = {"Family": "a family in this ledger: RXNORM, or ALL"}
    assert api.get(Family="PHI").wrong == wrong
    api.now += timedelta(seconds=10)
    assert api.get(Family="ALL", ConsistentRead="true").json["Stale"]
    assert api.asked[0][1]["Families"] == [Family.RXNORM]


def test_a_warm_up_reads_nothing_logs_nothing_and_counts_nothing(api, capfd):
    # What the schedule sends: tests/infrastructure/test_api.py holds it against the template.
    calls = api.database.calls.copy()
    with logged_lines() as logged, mock.patch.object(api_module, "_handle_request") as handled:
        assert api_module.handler({"WarmUp": True}, api.context) == {}
    assert not handled.called
    assert (api.database.calls, logged) == (calls, [])
    assert capfd.readouterr() == ("", "")
