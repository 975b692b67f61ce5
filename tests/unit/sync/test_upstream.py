"""What is asked of Comprehend Medical, and what is made of its answers and errors."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import pytest
from botocore.config import Config

from jobledger.clients import session
from jobledger.errors import InvalidResponse, JobUnknown, TokenRefused, UpstreamError
from jobledger.service import Family, operations
from jobledger.sync.upstream import CONFIG, Upstream, UpstreamPage
from testing.scripted_server import Scripted, ScriptedServer, scripted

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
    list_jobs, describe_job = operations([family])
    assert asked(server) == [(list_jobs, {"MaxResults": 500}), (describe_job, {"JobId": "job"})]


@pytest.mark.parametrize(
    "after,token,parameters",
    [
        *((None, None, {}), (None, "token", {"NextToken": "token"})),
        ("2026-11-23T12:00:00.000Z", None, {"Filter": {"SubmitTimeAfter": 1_795_435_200}}),
    ],
)
@pytest.mark.parametrize(
    "given", [{"NextToken": "next"}, {"NextToken": None}, {"NextToken": ""}, {}]
)
def test_a_page_asks_for_500_jobs_after_a_time_or_a_token(after, token, parameters, given):
    with service(answer(**{LIST: []}, **given)) as (upstream, server):
        page = UpstreamPage((), given.get("NextToken") or None)
        assert upstream.page(Family.PHI, after, token) == page
    assert asked(server)[0][1] == {"MaxResults": 500} | parameters


@pytest.mark.parametrize("job_id", [None, "", 7, ["job"], {}, True])
def test_entries_without_an_id_are_left_out_of_a_page_and_counted(job_id, caplog):
    listed = [JOB, {"JobStatus": "FAILED"}, JOB | {"JobId": job_id}, JOB]
    with service(answer(**{LIST: listed})) as (upstream, _):
        page = upstream.page(Family.PHI, None, None)
    assert [job.job_id for job in page.jobs] == ["job", "job"]
    assert page.without_id == 2
    assert [record.position for record in caplog.records] == [1, 2]


@pytest.mark.parametrize(
    "code,of_token,of_describe",
    [
        ("InvalidRequestException", TokenRefused, UpstreamError),
        ("ValidationException", TokenRefused, UpstreamError),
        ("AccessDeniedException", UpstreamError, UpstreamError),
        ("ResourceNotFoundException", UpstreamError, JobUnknown),
    ],
)
def test_an_error_says_whether_it_is_one_of_the_token_or_of_the_job(code, of_token, of_describe):
    with service(problem(code)) as (upstream, _):
        for error, ask in (
            (of_token, lambda: upstream.page(Family.PHI, None, "token")),
            (UpstreamError, lambda: upstream.page(Family.PHI, None, None)),
            (of_describe, lambda: upstream.describe(Family.PHI, "job")),
        ):
            with pytest.raises(UpstreamError) as failed:
                ask()
            assert (type(failed.value), failed.value.name) == (error, code)


NO_ANSWERS = [b"", b"{}", b"null", b"[]", b'"text"', b"7", b"{", b"<html>Sign in</html>", b"\xff"]
ODD = [None, "text", 7, True, {"S3Bucket": "b"}]


def every(*bodies: Any) -> list[Scripted]:
    return [Scripted(body=body) for body in NO_ANSWERS] + [answer(**body) for body in bodies]


@pytest.mark.parametrize(
    "given",
    every(
        *({LIST: odd} for odd in ODD),
        *({LIST: [JOB, odd]} for odd in [*ODD[:4], [], [JOB]]),
        *({LIST: [JOB], "NextToken": odd} for odd in [7, True, ["next"], {}]),
        {"NextToken": "next"},
        {ONE: JOB},
    ),
)
def test_a_page_that_is_none_is_an_error_and_nothing_follows_from_it(given):
    with service(given) as (upstream, _), pytest.raises(InvalidResponse) as failed:
        upstream.page(Family.PHI, None, None)
    assert failed.value.name == "InvalidResponse"


@pytest.mark.parametrize(
    "given",
    every(
        *({ONE: odd} for odd in ODD),
        *({ONE: []}, {ONE: {}}, {ONE: JOB | {"JobId": 7}}, {ONE: JOB | {"JobId": "another"}}),
        {LIST: [JOB]},
    ),
)
def test_a_description_that_is_none_says_nothing_of_the_job(given):
    with service(given) as (upstream, _), pytest.raises(InvalidResponse):
        upstream.describe(Family.PHI, "job")


@pytest.mark.parametrize(
    "given,name",
    [
        (None, "ConnectionClosedError"),
        (Scripted(headers={"Content-Length": "99"}, body=b'{"'), "InvalidResponse"),
        *((problem(f"{n}", n), f"{n}") for n in (500, 503)),
    ],
    ids=["closed", "cut off", "500", "503"],
)
def test_an_answer_that_does_not_come_is_tried_for_again_and_is_an_error(given, name):
    with service(given) as (upstream, server):
        with pytest.raises(UpstreamError) as failed:
            upstream.page(Family.PHI, None, None)
        assert failed.value.name == name
        assert (upstream.calls, upstream.throttles) == (len(server.received), 0)


@pytest.mark.parametrize("waiting,name", [(0, "ReadTimeoutError"), (3, "ConnectTimeoutError")])
def test_a_service_that_hangs_or_does_not_accept_connections_is_an_error_in_bounded_time(
    waiting, name
):
    """No connection is accepted: the first one waits in the queue, and those after it before the queue."""
    with ExitStack() as stack:
        listener, *clients = [stack.enter_context(socket.socket()) for _ in range(waiting + 1)]
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in clients:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        short = Config(connect_timeout=0.2, read_timeout=0.2, retries={"total_max_attempts": 1})
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        upstream = Upstream(
            session().create_client("comprehendmedical", config=short, endpoint_url=url)
        )
        with pytest.raises(UpstreamError, match=name):
            upstream.page(Family.PHI, None, None)


@pytest.mark.parametrize(
    "code,status",
    [
        *(("TooManyRequestsException", 400), ("ThrottlingException", 429)),
        ("InternalServerException", 500),
    ],
)
@pytest.mark.parametrize("failures", [0, 1, 3, 4, 7])
def test_throttles_are_retried_a_bounded_number_of_times_and_counted(failures, code, status):
    given = [problem(code, status)] * failures + [answer(**{LIST: []})]
    with service(*given) as (upstream, server):
        # The service gives the last answer from then on.
        error = nullcontext() if failures < 4 else pytest.raises(UpstreamError, match=code)
        with error:
            upstream.page(Family.PHI, None, None)
        assert upstream.calls == len(server.received) == min(failures + 1, 4)
        assert upstream.throttles == (0 if status == 500 else min(failures, 4))
        upstream.reset()
        assert (upstream.calls, upstream.throttles) == (0, 0)


def test_what_is_called_before_each_attempt_can_keep_it_from_being_made():
    left = iter([1])

    def before_call() -> None:
        if not next(left, 0):
            raise InterruptedError

    with service(answer(**{LIST: []})) as (given, server):
        upstream = Upstream(given._client, before_call)
        assert upstream.page(Family.PHI, None, None).jobs == ()
        for one in (upstream, Upstream.connect(before_call)):
            with pytest.raises(InterruptedError):
                one.page(Family.PHI, None, None)
        assert (upstream.calls, len(server.received)) == (1, 1)
