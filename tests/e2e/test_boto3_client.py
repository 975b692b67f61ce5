"""One suite of calls on real boto3 at the service, and on the client at the ledger: equal results."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from job_ledger import JobLedger
from tests.contract.shapes import check
from tests.e2e.account import FAMILIES, LIST_CALLS, listed
from tests.e2e.stack import LIST

pytestmark = pytest.mark.xdist_group("deployment")

JOB = "ComprehendMedicalAsyncJobProperties"


@pytest.fixture(scope="module")
def service(deployment):
    return deployment.client("comprehendmedical")


@pytest.fixture(scope="module")
def ledger(deployment) -> Iterator[JobLedger]:
    with JobLedger(deployment.api_url) as client:
        yield client


@pytest.fixture(params=["service", "ledger"])
def either(request):
    """What every line of existing code must do on both."""
    return request.getfixturevalue(request.param)


def traverse(client, method, **parameters):
    """All jobs of a list, page by page, as code has to read them from boto3."""
    jobs: dict[str, dict[str, Any]] = {}
    while True:
        answer = getattr(client, method)(**parameters)
        metadata = answer.pop("ResponseMetadata")
        assert metadata["HTTPStatusCode"] == 200
        assert {"RequestId", "HTTPHeaders", "RetryAttempts"} < metadata.keys()
        operation = client.meta.method_to_api_mapping[method]
        check(client.meta.service_model.operation_model(operation).output_shape, answer)
        # The service may repeat a job from one page to the next.
        jobs |= {job["JobId"]: job for job in answer[LIST]}
        if not answer.get("NextToken"):
            return list(jobs.values())
        parameters["NextToken"] = answer["NextToken"]


EARLIEST = datetime(1960, 1, 1, tzinfo=UTC)
FILTERS = {
    "none": lambda _after, _before: {},
    "odd name": lambda _after, _before: {"JobName": "診療記録 夜間"},
    "status": lambda _after, _before: {"JobStatus": "FAILED"},
    "after": lambda after, _before: {"SubmitTimeAfter": after},
    "before": lambda _after, before: {"SubmitTimeBefore": before},
    "after in seconds": lambda after, _before: {"SubmitTimeAfter": int(after.timestamp())},
    "after, naive": lambda after, _before: {"SubmitTimeAfter": after.replace(tzinfo=None)},
    "after 1960": lambda _after, _before: {"SubmitTimeAfter": EARLIEST},
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", FILTERS)
def test_a_list_by_any_filter_is_the_same(deployment, service, ledger, family, name):
    times = [job["SubmitTime"] for job in listed(deployment.jobs[family], {})]
    # Times inside the account's, with a zone of their own, to the millisecond.
    zone = datetime.fromisoformat("2026-11-24T00:00:00+05:30").tzinfo
    bounds = (times[len(times) * 3 // 4], times[len(times) // 4])
    filters = FILTERS[name](*(datetime.fromisoformat(time).astimezone(zone) for time in bounds))
    method = LIST_CALLS[family]
    theirs, ours = (traverse(client, method, Filter=filters) for client in (service, ledger))
    assert {job["JobId"]: job for job in ours} == {job["JobId"]: job for job in theirs}
    assert all(job[key].tzinfo for job in ours for key in ("SubmitTime", "ExpirationTime"))
    if any(key.startswith("SubmitTime") for key in filters):  # the service documents this order
        assert [job["SubmitTime"] for job in ours] == [job["SubmitTime"] for job in theirs]
    elif not filters:  # the service documents none; the ledger lists the newest first
        expected = [job["JobId"] for job in listed(deployment.jobs[family], {})]
        assert [job["JobId"] for job in ours] == expected
        describe = method.replace("list_", "describe_").removesuffix("s")
        theirs, ours = (getattr(c, describe)(JobId=expected[0]) for c in (service, ledger))
        assert ours[JOB] == theirs[JOB]
        check(ledger.meta.service_model.shape_for(JOB), ours[JOB])


@pytest.mark.parametrize(
    "method, parameters, name",
    [
        ("describe_phi_detection_job", {"JobId": "absent"}, "ResourceNotFoundException"),
        ("list_phi_detection_jobs", {"Filter": {"JobStatus": "BOGUS"}}, "ValidationException"),
        ("list_phi_detection_jobs", {"Filter": {"JobName": "no*stars"}}, "ValidationException"),
        ("list_phi_detection_jobs", {"NextToken": "AAAA"}, "InvalidRequestException"),
    ],
    ids=str,
)
def test_an_error_has_the_same_class(either, method, parameters, name):
    with pytest.raises(getattr(either.exceptions, name)) as caught:
        getattr(either, method)(**parameters)
    assert isinstance(caught.value, ClientError)
    assert caught.value.response["Error"]["Code"] == name
    assert caught.value.response["Error"]["Message"] == caught.value.response["Message"]
    assert caught.value.operation_name == either.meta.method_to_api_mapping[method]


def test_two_filters_are_refused_by_the_service_and_mixed_by_the_ledger(service, ledger):
    filters = {"JobName": "nightly-notes", "JobStatus": "COMPLETED"}
    with pytest.raises(service.exceptions.InvalidRequestException):
        service.list_snomedct_inference_jobs(Filter=filters)
    jobs = traverse(ledger, LIST_CALLS["SNOMEDCT"], Filter=filters)
    assert {(job["JobName"], job["JobStatus"]) for job in jobs} == {("nightly-notes", "COMPLETED")}


def test_the_client_finds_the_api_in_the_outputs_of_the_stack(deployment, monkeypatch):
    monkeypatch.delenv("JOB_LEDGER_URL", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployment.aws_endpoint)
    assert JobLedger().url == deployment.outputs["ApiUrl"]
