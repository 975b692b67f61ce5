"""The list and describe methods of `boto3.client("comprehendmedical")`, answered from the ledger.

They are the methods of a real botocore client whose requests are answered here instead of being sent. So
arguments are checked, answers parsed and errors raised by botocore itself. In a ledger of several sources, they answer
for the session's own account and region.
"""

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, OperationNotPageableError
from botocore.paginate import Paginator
from botocore.waiter import Waiter

from job_ledger.answers import DESCRIPTION, JOB, JOBS, PAGE
from job_ledger.client_errors import as_every_clients
from job_ledger.errors import ApiError, CredentialsUnavailable, JobLedgerError, job_not_found
from job_ledger.filters import Query
from job_ledger.http import Http, Response
from job_ledger.own_source import OwnSource
from job_ledger.waiter import job_completed

if TYPE_CHECKING:
    # Type checkers see the methods of the client that this one stands in for.
    from mypy_boto3_comprehendmedical import ComprehendMedicalClient
else:
    ComprehendMedicalClient = object

SERVICE = "comprehendmedical"
NOUNS = {
    "SNOMEDCT": "SNOMEDCTInferenceJob",
    "ICD10CM": "ICD10CMInferenceJob",
    "RXNORM": "RxNormInferenceJob",
    "ENTITIES_V2": "EntitiesDetectionV2Job",
    "PHI": "PHIDetectionJob",
}
_LISTS = {f"List{noun}s": family for family, noun in NOUNS.items()}
_DESCRIBES = {f"Describe{noun}": family for family, noun in NOUNS.items()}
_BOUNDS = ("SubmitTimeAfter", "SubmitTimeBefore")
_TIMES = ("SubmitTime", "EndTime", "ExpirationTime")
_BAD_GATEWAY = 502

_PAGES = {
    "input_token": "NextToken",
    "output_token": "NextToken",
    "limit_key": "MaxResults",
    "result_key": JOBS,
}


class ComprehendMedicalCalls(ComprehendMedicalClient):
    """The methods, exceptions, paginators and the waiter of a botocore client."""

    def __init__(self, http: Http, service: Any = None) -> None:
        """Answer from the ledger behind `http`; other calls of Comprehend Medical go to `service`."""
        self._http = http
        self._service = service
        self._own_source = OwnSource(http)

    if not TYPE_CHECKING:

        def list_snomedct_inference_jobs(self, **parameters: Any) -> dict[str, Any]:
            """List SNOMED CT jobs."""
            return self._call("list_snomedct_inference_jobs", parameters)

        def list_icd10_cm_inference_jobs(self, **parameters: Any) -> dict[str, Any]:
            """List ICD-10-CM jobs."""
            return self._call("list_icd10_cm_inference_jobs", parameters)

        def list_rx_norm_inference_jobs(self, **parameters: Any) -> dict[str, Any]:
            """List RxNorm jobs."""
            return self._call("list_rx_norm_inference_jobs", parameters)

        def list_entities_detection_v2_jobs(self, **parameters: Any) -> dict[str, Any]:
            """List jobs that detect medical entities."""
            return self._call("list_entities_detection_v2_jobs", parameters)

        def list_phi_detection_jobs(self, **parameters: Any) -> dict[str, Any]:
            """List jobs that detect protected health information."""
            return self._call("list_phi_detection_jobs", parameters)

        def describe_snomedct_inference_job(self, **parameters: Any) -> dict[str, Any]:
            """Describe a SNOMED CT job."""
            return self._call("describe_snomedct_inference_job", parameters)

        def describe_icd10_cm_inference_job(self, **parameters: Any) -> dict[str, Any]:
            """Describe an ICD-10-CM job."""
            return self._call("describe_icd10_cm_inference_job", parameters)

        def describe_rx_norm_inference_job(self, **parameters: Any) -> dict[str, Any]:
            """Describe an RxNorm job."""
            return self._call("describe_rx_norm_inference_job", parameters)

        def describe_entities_detection_v2_job(self, **parameters: Any) -> dict[str, Any]:
            """Describe a job that detects medical entities."""
            return self._call("describe_entities_detection_v2_job", parameters)

        def describe_phi_detection_job(self, **parameters: Any) -> dict[str, Any]:
            """Describe a job that detects protected health information."""
            return self._call("describe_phi_detection_job", parameters)

        @property
        def exceptions(self) -> Any:
            """The client's exception classes by name."""
            return self._client.exceptions

        @property
        def meta(self) -> Any:
            """The botocore client's `meta`: its service model and its events."""
            return self._client.meta

        def can_paginate(self, operation_name: str) -> bool:
            """Whether `get_paginator` has a paginator for the method."""
            return self.meta.method_to_api_mapping.get(operation_name) in _LISTS

        def __getattr__(self, name: str) -> Any:
            """Return the service's own method for a call that the ledger lacks, or say which client has it."""
            if name.startswith("_") or not hasattr(self._client, name):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if self._service is None:
                raise AttributeError(
                    f"The ledger only lists and describes jobs: call {name} of boto3.client({SERVICE!r}), "
                    f"or pass that client as JobLedger(service=…)."
                )
            return getattr(self._service, name)

        def get_paginator(self, operation_name: str) -> Paginator:
            """Return botocore's paginator for a list method."""
            if not self.can_paginate(operation_name):
                raise OperationNotPageableError(operation_name=operation_name)
            model = self.meta.service_model.operation_model(
                self.meta.method_to_api_mapping[operation_name]
            )
            return Paginator(getattr(self, operation_name), _PAGES, model)

    @property
    def waiter_names(self) -> list[str]:
        """The names for `get_waiter`."""
        return ["job_completed"]

    def get_waiter(self, waiter_name: str) -> Waiter:
        """Return botocore's waiter `job_completed`, which waits for `JobId` in any family.

        It describes the job every 30 seconds, up to 120 times. PARTIAL_SUCCESS, FAILED, STOPPED and permanent errors
        raise WaiterError. Unknown jobs and transient failures are retried.
        """
        if waiter_name not in self.waiter_names:
            raise ValueError(f"Waiter does not exist: {waiter_name}")
        return job_completed(self._describe_in_its_family)

    def _describe_in_its_family(self, **parameters: Any) -> dict[str, Any]:
        family = "SNOMEDCT"
        if isinstance(job_id := parameters.get("JobId"), str) and job_id:
            try:
                # An ApiError is raised below, in botocore's form.
                with suppress(ApiError):
                    response = self._own_source.job(_path_of(job_id))
                    family = response.object(DESCRIPTION)[JOB]["Family"]
            except JobLedgerError as error:
                raise _of_botocore(error) from None
        methods = {api: name for name, api in self.meta.method_to_api_mapping.items()}
        return self._call(methods[f"Describe{NOUNS.get(family, NOUNS['SNOMEDCT'])}"], parameters)

    def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, method)(**parameters)
        except ClientError as error:
            raise as_every_clients(error, self.exceptions) from error.__cause__
        return answer

    @cached_property
    def _client(self) -> Any:
        """A client that sends nothing, so its region and signature do not matter."""
        config = Config(signature_version=UNSIGNED)
        client: Any = self._http.account.session.create_client(
            SERVICE, region_name="us-east-1", config=config
        )
        # The API's client has retried already.
        retries = {"unique_id": f"retry-config-{SERVICE}"}
        client.meta.events.unregister(f"needs-retry.{SERVICE}", **retries)
        client.meta.events.register_first(f"before-send.{SERVICE}", self._answer)
        return client

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        """Answer botocore's request from the ledger, in the form of the service."""
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        parameters = json.loads(request.body)
        try:
            if operation in _LISTS:
                response = self._own_source.page(_list_query(_LISTS[operation], parameters))
                body = _listed(response.object(PAGE))
            else:
                response = self._own_source.job(_path_of(parameters["JobId"]))
                body = _described(response, _DESCRIBES[operation])
        except ApiError as error:
            problem = {"__type": error.title, "Message": error.reason}
            # For botocore an error has a status above 300.
            status = error.status if error.status >= 400 else _BAD_GATEWAY
            return _service_response(status, problem, error.request_id)
        except JobLedgerError as error:
            raise _of_botocore(error) from None
        return _service_response(200, body, response.request_id)


def _of_botocore(error: JobLedgerError) -> BaseException:
    """Return what a botocore client raises where this package raises an error that is not an answer."""
    if error.__cause__ is not None:
        return error.__cause__
    return NoCredentialsError() if isinstance(error, CredentialsUnavailable) else error


def _path_of(job_id: str) -> str:
    if not job_id.strip("."):
        raise job_not_found()
    return f"/jobs/{quote(job_id, safe='')}"


def _list_query(family: str, parameters: dict[str, Any]) -> Query:
    """Return the API's parameters for those of a List call; times are epoch seconds in both."""
    given = parameters.pop("Filter", {}) | parameters
    # No job is older than 1970, the API's earliest time.
    times = {name: f"{max(0.0, given[name]):.6f}" for name in _BOUNDS if name in given}
    return [("Family", family), *((name, str(value)) for name, value in (given | times).items())]


def _listed(page: dict[str, Any]) -> dict[str, Any]:
    answer = {JOBS: [_job(job) for job in page[JOBS]]}
    return answer | ({"NextToken": page["NextToken"]} if "NextToken" in page else {})


def _described(response: Response, family: str) -> dict[str, Any]:
    job = response.object(DESCRIPTION)[JOB]
    if job["Family"] != family:
        raise job_not_found(response.request_id)
    return {JOB: _job(job)}


def _job(job: dict[str, Any]) -> dict[str, Any]:
    """Return a job with times as the service sends them."""
    return job | {name: _seconds(job[name]) for name in _TIMES if job.get(name)}


def _seconds(time: Any) -> float | None:
    """Return a time as epoch seconds; None, which botocore leaves out, for a year beyond Python's calendar."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


class _Body(io.BytesIO):
    """A body as urllib3 has it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _service_response(status: int, body: dict[str, Any], request_id: str) -> AWSResponse:
    headers = {"x-amzn-RequestId": request_id, "Content-Type": "application/x-amz-json-1.1"}
    return AWSResponse("", status, headers, _Body(json.dumps(body).encode()))
