"""boto3's list and describe methods on the ledger, against a real botocore client and its model."""

import inspect
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    OperationNotPageableError,
    ParamValidationError,
    WaiterError,
)
from botocore.session import Session

from job_ledger import JobLedger
from job_ledger.comprehend_medical import NOUNS, ComprehendMedicalCalls
from testing.scripted_server import Scripted, problem, scripted
from testing.served_api import JOBS
from tests.contract.shapes import check
from tests.unit.client.paged import LIST as KEY
from tests.unit.client.paged import described, page

LIST = "list_snomedct_inference_jobs"
DESCRIBE = "describe_snomedct_inference_job"
PHI_FAILED, PHI_STOPPED = f"{9_001:032x}", f"{9_002:032x}"


@pytest.fixture(scope="module")
def real():
    return Session().create_client("comprehendmedical", region_name="us-east-1")


def test_the_methods_are_the_five_lists_and_describes_of_the_model(real, ledger):
    mapping = real.meta.method_to_api_mapping
    wanted = {name for name, api in mapping.items() if api.startswith(("List", "Describe"))}
    own = {name for name, _ in inspect.getmembers(ComprehendMedicalCalls, inspect.isfunction)}
    assert {name for name in own if name.startswith(("list_", "describe_"))} == wanted
    assert len(wanted) == 2 * len(NOUNS) == 10
    assert all(ledger.can_paginate(name) == name.startswith("list_") for name in wanted)
    with pytest.raises(OperationNotPageableError):
        ledger.get_paginator(DESCRIBE)


def test_a_list_and_a_description_validate_against_the_model(ledger):
    listed = ("list_phi_detection_jobs", "list_rx_norm_inference_jobs", LIST)
    calls: list[tuple[str, dict[str, Any]]] = [(name, {"MaxResults": 500}) for name in listed]
    for method, parameters in (*calls, ("describe_phi_detection_job", {"JobId": PHI_STOPPED})):
        answer = getattr(ledger, method)(**parameters)
        metadata = answer.pop("ResponseMetadata")
        assert (metadata["HTTPStatusCode"], bool(metadata["RequestId"])) == (200, True)
        operation = ledger.meta.method_to_api_mapping[method]
        check(ledger.meta.service_model.operation_model(operation).output_shape, answer)
    job = answer["ComprehendMedicalAsyncJobProperties"]
    assert not {"Family", "Message"} & job.keys(), "not in the model, and absent"
    assert job["SubmitTime"].tzinfo


def test_what_a_job_processed_is_left_out_as_it_is_not_in_the_model():
    job: Any = {"JobId": "a", "Family": "PHI", "Output": {"InputFileCount": 1}}
    with scripted(described(job), page(job)) as server:
        client = JobLedger(url=server.url)
        answer = client.describe_phi_detection_job(JobId="a")
        assert answer["ComprehendMedicalAsyncJobProperties"] == {"JobId": "a"}
        listed = client.list_phi_detection_jobs()["ComprehendMedicalAsyncJobPropertiesList"]
        assert listed == [{"JobId": "a"}]


@pytest.mark.parametrize(
    "method, parameters",
    [
        (LIST, {"MaxResults": 0}),
        (LIST, {"MaxResults": None}),
        (LIST, {"Filter": {"SubmitTimeAfter": "yesterday"}}),
        (LIST, {"Filter": {"Bogus": "x"}}),
        (LIST, {"Bogus": "x"}),
        (DESCRIBE, {}),
        (DESCRIBE, {"JobId": 5}),
    ],
)
def test_arguments_are_checked_as_botocore_does(ledger, real, server, method, parameters):
    said = []
    for client in (real, ledger):
        with pytest.raises(ParamValidationError) as refused:
            getattr(client, method)(**parameters)
        said.append(str(refused.value))
        with pytest.raises(TypeError):  # only keyword arguments are taken
            getattr(client, method)(parameters)
    assert said[0] == said[1]
    assert server.requests == []


def test_the_exceptions_of_every_boto3_client_catch_the_ledgers(ledger, real):
    boto3.setup_default_session(region_name="us-east-1")
    session = boto3.Session(region_name="eu-west-1")
    for client in (boto3.client("comprehendmedical"), session.client("comprehendmedical"), real):
        with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
            ledger.describe_phi_detection_job(JobId="absent")
        assert isinstance(caught.value, ledger.exceptions.ResourceNotFoundException)
        with pytest.raises(client.exceptions.ValidationException):
            ledger.list_phi_detection_jobs(Filter={"JobStatus": "BOGUS"})
        assert not isinstance(caught.value, client.exceptions.ValidationException)


def test_a_call_that_is_not_the_ledgers_goes_to_the_service_on_request(server, ledger, real):
    with JobLedger(server.url, service=real) as both:
        for method in ("start_phi_detection_job", "stop_phi_detection_job", "infer_rx_norm"):
            said = rf"call {method} of boto3.client\('comprehendmedical'"
            with pytest.raises(AttributeError, match=said):
                getattr(ledger, method)
            assert getattr(both, method) == getattr(real, method)
        assert both.list_phi_detection_jobs()["ComprehendMedicalAsyncJobPropertiesList"]
    with pytest.raises(AttributeError, match="no attribute 'start_no_job'"):
        _ = ledger.start_no_job


def test_an_unknown_job_or_one_of_another_family_is_not_found(ledger):
    for name in ("absent", ".", "..", "a" * 32, PHI_FAILED):
        with pytest.raises(ledger.exceptions.ResourceNotFoundException) as caught:
            ledger.describe_snomedct_inference_job(JobId=name)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        assert caught.value.operation_name == "DescribeSNOMEDCTInferenceJob"


@pytest.mark.parametrize(
    "status, name",
    [
        (400, "InvalidRequestException"), (400, "ValidationException"), (404, "ResourceNotFoundException"),
        (429, "TooManyRequestsException"), (500, "InternalServerException"), (403, "AccessDeniedException"),
    ],
)  # fmt: skip
def test_an_error_has_the_class_of_its_name(status, name):
    answer = problem(status, name, Retry_After="60", X_Request_Id="the-id")
    with scripted(answer) as server, JobLedger(server.url) as ledger:
        wanted = getattr(ledger.exceptions, name, ClientError)
        assert (wanted is ClientError) == (name == "AccessDeniedException"), "not in the model"
        with pytest.raises(wanted) as caught:
            ledger.list_phi_detection_jobs()
    response, metadata = caught.value.response, caught.value.response["ResponseMetadata"]
    assert response["Error"] == {"Code": name, "Message": "It failed."}
    assert (metadata["HTTPStatusCode"], metadata["RequestId"]) == (status, "the-id")
    assert len(server.received) == 1, "neither client repeats what is to wait a minute"


def test_no_connection_is_botocores_own_error():
    ledger = JobLedger("http://127.0.0.1:1")
    ledger._http._sleep = lambda _: None
    with pytest.raises(EndpointConnectionError):
        ledger.list_phi_detection_jobs()
    with pytest.raises(EndpointConnectionError):  # as a waiter of boto3
        wait(ledger, "a", attempts=5)


def test_a_paginator_reads_all_pages_stops_at_max_items_and_resumes_there(ledger):
    paginator = ledger.get_paginator(LIST)
    every = [f"{n:032x}" for n in reversed(range(JOBS))]
    for size in (None, 500):
        pages = list(paginator.paginate(PaginationConfig={"PageSize": size} if size else {}))
        assert {len(page[KEY]) for page in pages[:-1]} == {size or 100}
        assert [job["JobId"] for page in pages for job in page[KEY]] == every
    first = paginator.paginate(PaginationConfig={"MaxItems": 150}).build_full_result()
    rest = paginator.paginate(PaginationConfig={"StartingToken": first["NextToken"]})
    jobs = first[KEY] + rest.build_full_result()[KEY]
    assert [job["JobId"] for job in jobs] == every


def wait(ledger, job_id, attempts=1):
    settings = {"Delay": 0, "MaxAttempts": attempts}
    ledger.get_waiter("job_completed").wait(JobId=job_id, WaiterConfig=settings)


def test_the_waiter_fails_with_the_last_answer_when_a_job_ends_otherwise(ledger):
    failed, partial = f"{1:032x}", f"{2:032x}"
    ended = {failed: "FAILED", partial: "PARTIAL_SUCCESS", PHI_STOPPED: "STOPPED"}
    for job_id, status in ended.items():
        with pytest.raises(WaiterError, match=f'matched expected path: "{status}"') as caught:
            wait(ledger, job_id, attempts=5)
        answer = caught.value.last_response["ComprehendMedicalAsyncJobProperties"]
        assert (answer["JobStatus"], answer["JobId"]) == (status, job_id)


def test_the_waiter_waits_for_an_unknown_job_and_ends_at_an_error_that_stays(ledger, server):
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        wait(ledger, "absent", attempts=3)
    assert len(server.requests) == 6, "the family, then the job, three times"
    denied = problem(403, "AccessDeniedException")
    with scripted(denied) as other, pytest.raises(WaiterError, match="AccessDeniedException"):
        wait(JobLedger(other.url), "x", attempts=5)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, None])
def test_the_waiter_outlives_a_transient_failure(status):
    """As `jobledger wait` does; only a connection must have been there once."""
    failure = status and problem(status, Retry_After="60")
    if status == 502:
        failure = Scripted(502, {"Retry-After": "60"}, b"<html>")
    running, ended = (
        described({"JobId": "a", "JobStatus": status, "Family": "PHI"})
        for status in ("IN_PROGRESS", "COMPLETED")
    )
    answers = (running, running, *[failure] * 8, ended)
    with scripted(*answers) as server, JobLedger(server.url) as ledger:
        ledger._http._sleep = lambda _: None
        wait(ledger, "a", attempts=7)


def test_the_waiter_checks_its_argument_and_its_name(ledger):
    with pytest.raises(ParamValidationError):
        ledger.get_waiter("job_completed").wait()
    with pytest.raises(ValueError, match="Waiter does not exist"):
        ledger.get_waiter("job_done")
    assert ledger.waiter_names == ["job_completed"]
