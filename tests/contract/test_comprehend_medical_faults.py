"""Faults on demand and the control paths, which a test in another process uses."""

import json
import time

import pytest

from local.comprehend_medical import Family, Hostility, Server, ServiceError
from tests.contract.shapes import LIST_KEY, Clock, client_for, control, job, listed

JOBS = [job(number) for number in range(1, 301)]


@pytest.fixture
def server():
    with Server({Family.SNOMEDCT: JOBS}, Hostility.none(), clock=Clock()) as server:
        yield server


def outcome_of(act):
    """Return what a call answers, or the code and the status of its error."""
    try:
        return act()
    except ServiceError as error:
        return f"{error.code} {error.status or ''}".strip()


def codes(service, calls):
    """Return what so many List calls come to."""
    outcomes = [outcome_of(lambda: listed(service)) for _ in range(calls)]
    return ["ok" if isinstance(each, dict) else each for each in outcomes]


def test_a_fault_fails_the_next_matching_calls_and_no_other(server):
    fault = {"Operation": "List*", "Error": "TooManyRequestsException", "HttpStatus": 400}
    status, answer = control(server, "POST", "faults", fault | {"Count": 2, "Skip": 1})
    assert (status, answer["Pending"][0]["Count"]) == (200, 2)
    with pytest.raises(ServiceError, match="ResourceNotFound"):
        server.call("DescribeSNOMEDCTInferenceJob", '{"JobId": "a"}')
    throttled = "TooManyRequestsException 400"
    assert codes(server, 4) == ["ok", throttled, throttled, "ok"]
    assert control(server, "GET", "faults")[1]["Pending"] == []


def test_boto3_retries_through_a_fault_and_the_calls_are_counted(server):
    server.fault(Operation="List*", Error="TooManyRequestsException", HttpStatus=400)
    assert client_for(server.endpoint, attempts=2).list_snomedct_inference_jobs()[LIST_KEY]
    calls = control(server, "GET", "calls")[1]
    assert calls["Counts"] == {"ListSNOMEDCTInferenceJobs": 2}
    assert calls["Calls"] == [[1_793_000_000.5, "ListSNOMEDCTInferenceJobs"]] * 2


@pytest.mark.parametrize(
    "effect, seen",
    [
        ({"Error": "ResourceNotFoundException"}, "ResourceNotFoundException"),
        ({"Body": "{}"}, "{}"),
        ({"Delay": 0.05}, "described late"),
    ],
)
def test_describe_of_chosen_jobs_fails_hangs_or_is_not_found(server, effect, seen):
    chosen, other = JOBS[0]["JobId"], JOBS[1]["JobId"]
    server.fault(Operation="Describe*", JobId=chosen, Count=1, **effect)

    def describe(job_id):
        began = time.perf_counter()
        body = json.dumps({"JobId": job_id})
        answer = outcome_of(lambda: server.call("DescribeSNOMEDCTInferenceJob", body))
        late = " late" * (time.perf_counter() - began >= 0.05)
        return f"described{late}" if job_id in answer else answer

    found = [describe(job_id) for job_id in (other, chosen, chosen)]
    assert found == ["described", seen, "described"]


def test_jobs_are_put_replaced_and_deleted_whole(server):
    strange = job(1, JobStatus="PAUSED", Tomorrow=[1])
    del strange["JobName"]
    iso = {"JobId": "x", "SubmitTime": "2026-11-02T03:04:05.678901Z"}
    deleted = {"SNOMEDCT": [JOBS[1]["JobId"], "unknown"]}
    wanted = {"Put": {"SNOMEDCT": [strange], "PHI": [iso]}, "Delete": deleted}
    assert control(server, "POST", "jobs", wanted) == (200, {"Jobs": 300})
    truth = control(server, "GET", "jobs")[1]
    assert truth["SNOMEDCT"] == [strange, *JOBS[2:]]
    assert truth["PHI"] == [{"JobId": "x", "SubmitTime": 1_793_588_645.678}]
    replacing = {"Replace": truth | {"PHI": []}}
    assert control(server, "POST", "jobs", replacing) == (200, {"Jobs": 299})
    assert control(server, "GET", "jobs")[1] == replacing["Replace"]


def test_settings_change_at_runtime_and_reset_undoes_them(server):
    changed = {"throttle": True, "late_seconds": 0}
    assert control(server, "POST", "settings", changed)[1].items() >= changed.items()
    server.fault(Error="InternalServerException", Count=9)
    assert codes(server, 1) == ["InternalServerException"]
    assert control(server, "POST", "reset", {}) == (200, {})
    assert codes(server, 20) == ["ok"] * 20
    assert control(server, "GET", "settings")[1]["late_seconds"] == 5
    assert control(server, "GET", "calls")[1]["Counts"] == {"ListSNOMEDCTInferenceJobs": 20}
    assert server.count() == 300, "the jobs stay"


@pytest.mark.parametrize(
    "path, body, words",
    [
        ("faults", {"Eror": "x"}, "Eror is not part of a fault; allowed are Operation"),
        ("faults", {"Count": 2}, "needs an Error, a Body or a Delay"),
        ("settings", {"shufle": False}, "shufle is not a setting; allowed are single_filter"),
        ("settings", {"outcome": "LOST"}, "allowed are COMPLETED, PARTIAL_SUCCESS, FAILED"),
        ("jobs", {"Put": {"SNOMED": []}}, "'SNOMED' is not a family; allowed are SNOMEDCT"),
        ("jobs", {"Add": {}}, "Add is unknown; there are Replace, Delete, Put"),
        ("jobs", {"Delete": {"PHI": "id"}}, "allowed is an object of SNOMEDCT"),
        ("faults?Account=1", {}, "1/us-east-1 is not a source"),
        ("faults?Region=Europe", {}, "000000000000/Europe is not a source"),
        ("faults?Source=x", {}, "Source is unknown"),
        ("nothing", {}, "there are GET or POST /_control/faults"),
    ],
)
def test_a_control_request_that_is_wrong_says_what_is_allowed(server, path, body, words):
    status, answer = control(server, "POST", path, body)
    assert (status, words in answer["Message"]) == (400, True)
