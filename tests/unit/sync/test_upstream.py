"""What is asked of Comprehend Medical, and what is made of its answers and errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobledger.clients import session
from jobledger.errors import JobUnknown, TokenRefused, UpstreamError
from jobledger.jobs import Family
from jobledger.sync.upstream import CONFIG, Upstream, UpstreamPage
from tests.scripted_server import Scripted, ScriptedServer, scripted

OPERATIONS = {
    Family.SNOMEDCT: "SNOMEDCTInferenceJob",
    Family.ICD10CM: "ICD10CMInferenceJob",
    Family.RXNORM: "RxNormInferenceJob",
    Family.ENTITIES_V2: "EntitiesDetectionV2Job",
    Family.PHI: "PHIDetectionJob",
}
LIST, ONE = "ComprehendMedicalAsyncJobPropertiesList", "ComprehendMedicalAsyncJobProperties"
JOB = {"JobId": "job", "JobStatus": "COMPLETED", "SubmitTime": 1_763_899_200.0}


def answer(**members: Any) -> Scripted:
    return Scripted(body=json.dumps(members).encode())


def problem(code: str, status: int = 400) -> Scripted:
    return Scripted(status, body=json.dumps({"__type": code}).encode())


@contextmanager
def service(*answers: Scripted | None) -> Iterator[tuple[Upstream, ScriptedServer]]:
    """The adapter of a service that gives these answers in turn, and the last one from then on."""
    with scripted(*answers) as server:
        client = session().create_client(
            "comprehendmedical", config=CONFIG, endpoint_url=server.url
        )
        yield Upstream(client), server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.time.sleep", lambda seconds: None)


def asked(server: ScriptedServer) -> list[tuple[str, Any]]:
    """The operation and the parameters of each request."""
    return [
        (request.headers["x-amz-target"].partition(".")[2], json.loads(request.body))
        for request in server.received
    ]


@pytest.mark.parametrize("family", Family)
def test_each_family_is_listed_and_described_by_its_own_operations(family):
    with service(answer(**{LIST: [JOB]}), answer(**{ONE: JOB})) as (upstream, server):
        page = upstream.page(family, None, None)
        described = upstream.describe(family, "job")
    assert page == UpstreamPage(jobs=(described,), next_token=None)
    assert (described.family, described.job_id, described.status) == (family, "job", "COMPLETED")
    assert asked(server) == [
        (f"List{OPERATIONS[family]}s", {"MaxResults": 500}),
        (f"Describe{OPERATIONS[family]}", {"JobId": "job"}),
    ]


@pytest.mark.parametrize(
    "after,token,parameters",
    [
        (None, None, {}),
        (None, "token", {"NextToken": "token"}),
        ("2026-11-23T12:00:00.000Z", None, {"Filter": {"SubmitTimeAfter": 1_795_435_200}}),
    ],
)
def test_a_page_asks_for_500_jobs_after_a_time_or_a_token(after, token, parameters):
    with service(answer(NextToken="next")) as (upstream, server):
        assert upstream.page(Family.PHI, after, token).next_token == "next"
    assert asked(server)[0][1] == {"MaxResults": 500} | parameters


@pytest.mark.parametrize(
    "members",
    [
        {},
        {LIST: None},
        {LIST: [], "NextToken": None},
        {LIST: [{"JobStatus": "X"}], "NextToken": ""},
    ],
)
def test_a_page_without_jobs_and_token_is_the_end(members):
    with service(answer(**members)) as (upstream, _):
        assert upstream.page(Family.PHI, None, None) == UpstreamPage(jobs=(), next_token=None)


def test_entries_without_an_id_are_left_out_of_a_page():
    with service(answer(**{LIST: [JOB, {"JobStatus": "FAILED"}, JOB]})) as (upstream, _):
        page = upstream.page(Family.PHI, None, None)
    assert [job.job_id for job in page.jobs] == ["job", "job"]


@pytest.mark.parametrize("code", ["InvalidRequestException", "ValidationException"])
def test_a_request_that_is_invalid_because_of_its_token_is_a_refused_token(code):
    with service(problem(code)) as (upstream, _):
        with pytest.raises(TokenRefused) as refused:
            upstream.page(Family.PHI, None, "token")
        assert refused.value.name == code
        for ask in (
            lambda: upstream.page(Family.PHI, None, None),
            lambda: upstream.describe(Family.PHI, "job"),
        ):
            with pytest.raises(UpstreamError) as failed:
                ask()
            assert type(failed.value) is UpstreamError
            assert failed.value.name == code


def test_another_error_with_a_token_is_none_of_the_token():
    with (
        service(problem("AccessDeniedException")) as (upstream, _),
        pytest.raises(UpstreamError) as failed,
    ):
        upstream.page(Family.PHI, None, "token")
    assert type(failed.value) is UpstreamError


@pytest.mark.parametrize(
    "found", [problem("ResourceNotFoundException"), answer(), answer(**{ONE: None})]
)
def test_a_job_that_is_not_described_is_unknown(found):
    with service(found) as (upstream, _), pytest.raises(JobUnknown) as unknown:
        upstream.describe(Family.PHI, "job")
    assert unknown.value.name == "ResourceNotFoundException"


@pytest.mark.parametrize(
    "given,name",
    [
        (Scripted(body=b"[]"), "InvalidResponse"),
        (answer(**{LIST: [JOB | {"SubmitTime": "yesterday"}]}), "ValueError"),
        (answer(**{LIST: [JOB | {"SubmitTime": 1e20}]}), "OverflowError"),
    ],
)
def test_an_answer_that_is_not_valid_is_an_error_of_the_service(given, name):
    with service(given) as (upstream, _), pytest.raises(UpstreamError) as failed:
        upstream.page(Family.PHI, None, None)
    assert failed.value.name == name
    assert failed.value.__cause__ is not None


def test_a_service_that_closes_the_connection_is_an_error_of_the_service():
    with service(None) as (upstream, server):
        with pytest.raises(UpstreamError) as failed:
            upstream.page(Family.PHI, None, None)
        assert failed.value.name == "ConnectionClosedError"
        assert (upstream.calls, upstream.throttles) == (len(server.received), 0)


@pytest.mark.parametrize(
    "code,throttles",
    [
        ("TooManyRequestsException", 4),
        ("ThrottlingException", 4),
        ("InternalServerException", 0),
    ],
)
def test_each_attempt_is_counted_and_so_is_each_throttle(code, throttles):
    with service(problem(code, 500)) as (upstream, server):
        with pytest.raises(UpstreamError):
            upstream.page(Family.PHI, None, None)
        assert (upstream.calls, upstream.throttles) == (4, throttles)
        with pytest.raises(UpstreamError):
            upstream.describe(Family.PHI, "job")
        assert (upstream.calls, upstream.throttles) == (8, 2 * throttles)
        assert len(server.received) == 8
        upstream.reset()
        assert (upstream.calls, upstream.throttles) == (0, 0)


def test_what_is_called_before_each_attempt_can_keep_it_from_being_made():
    with scripted(answer()) as server:
        client = session().create_client(
            "comprehendmedical", config=CONFIG, endpoint_url=server.url
        )
        left = 1

        def before_call() -> None:
            nonlocal left
            if not left:
                raise InterruptedError
            left -= 1

        upstream = Upstream(client, before_call)
        assert upstream.page(Family.PHI, None, None).jobs == ()
        with pytest.raises(InterruptedError):
            upstream.page(Family.PHI, None, None)
        assert (upstream.calls, len(server.received)) == (1, 1)


def test_a_connected_adapter_calls_it_too():
    def before_call() -> None:
        raise InterruptedError

    upstream = Upstream.connect(before_call)
    with pytest.raises(InterruptedError):
        upstream.page(Family.PHI, None, None)
    assert upstream.calls == 0
