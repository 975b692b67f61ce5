"""An answer is what was asked for, or an error: each damaged answer, for each method and each command."""

import functools
import gzip
import json
import operator
from collections.abc import Callable
from unittest import mock

import pytest
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from job_ledger import ApiError, JobLedger
from job_ledger.location import open_session
from testing.scripted_server import Scripted, answering, document
from tests.unit.client.commands import run
from tests.unit.client.paged import LIST, SUMMARY

TIME = "2026-11-23T08:00:00.000Z"
JOB = {"JobId": "a", "JobName": "n", "JobStatus": "COMPLETED", "Family": "SNOMEDCT", "SubmitTime": TIME}  # fmt: skip
DESCRIPTION = {
    "ComprehendMedicalAsyncJobProperties": JOB, "History": [{"JobStatus": "COMPLETED", "ObservedAt": TIME}], "AsOf": TIME,
}  # fmt: skip
WINDOW = {"Start": TIME, "End": TIME}
DIGEST = {"DigestId": "d", "MessageId": "m", "Window": WINDOW, "Counts": {"COMPLETED": 1}}
HEALTH = {"Status": "ok", "Families": {"PHI": {"AsOf": TIME, "AgeSeconds": 1, "LastError": None}}}
TYPES = {"json": "application/json", "csv": "text/csv", "ndjson": "application/x-ndjson"}
HTML = b"<!doctype html><title>Sign in</title>"


def sound(request):
    """What the API answers; a list has three pages."""
    number = int(request.query.get("NextToken", ["1"])[0])
    more = number < 3
    page = {LIST: [JOB], "AsOf": TIME} | ({"NextToken": str(number + 1)} if more else {})
    documents = {"/jobs": page, "/summary": SUMMARY, "/digests": DIGEST, "/health": HEALTH}
    bodies = {
        "application/json": json.dumps(documents.get(request.path, DESCRIPTION)).encode(),
        "text/csv": b'"JobId","JobName"\r\n"a","n"\r\n',
        "application/x-ndjson": json.dumps(JOB).encode() + b"\n",
    }
    kind = request.headers["accept"]
    link = {"Link": f'<?NextToken={number + 1}>; rel="next"'} if more else {}
    return Scripted(headers={"Content-Type": kind, "X-As-Of": TIME, **link}, body=bodies[kind])


def with_body(answer, body, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted(answer.status, {**answer.headers, **names}, body)


def half(body):
    return body[: len(body) // 2]


# fmt: off
DAMAGES = {
    "302": lambda a: Scripted(302, {"Location": "https://sign-in.example/"}),
    "302 with the page": lambda a: Scripted(302, {**a.headers, "Location": "/"}, a.body),
    "200 of a sign-in page": lambda a: with_body(a, HTML, Content_Type="text/html"),
    "200 of a page that says it is data": lambda a: with_body(a, HTML),
    "data that says it is a page": lambda a: with_body(a, a.body, Content_Type="text/html"),
    "202": lambda a: Scripted(202, a.headers, a.body), "203": lambda a: Scripted(203, a.headers, a.body),
    "204": lambda a: Scripted(204, body=b""), "304": lambda a: Scripted(304, body=b""),
    "206": lambda a: Scripted(206, a.headers, half(a.body)),
    "empty": lambda a: with_body(a, b""), "half": lambda a: with_body(a, half(a.body)),
    "all but the end": lambda a: with_body(a, a.body[:-1]) if a.body[-1:] == b"}" else None,
    "not UTF-8": lambda a: with_body(a, a.body.replace(b"n", b"\xff")),
    "gzip cut off": lambda a: with_body(a, half(gzip.compress(a.body)), Content_Encoding="gzip"),
    "plain text instead of gzip": lambda a: with_body(a, a.body, Content_Encoding="gzip"),
    "gzip with another checksum": lambda a: with_body(a, gzip.compress(a.body)[:-8] + b"\0" * 8, Content_Encoding="gzip"),
    "gzip of nothing": lambda a: with_body(a, b"", Content_Encoding="gzip"),
    "an encoding that was not asked for": lambda a: with_body(a, a.body, Content_Encoding="br"),
    "a body shorter than its length": lambda a: with_body(a, a.body, Content_Length=str(len(a.body) + 9)),
    "a body longer than its length": lambda a: with_body(a, a.body, Content_Length=str(len(a.body) - 4)),
    "{}": lambda a: with_body(a, b"{}"), "null": lambda a: with_body(a, b"null"), "[]": lambda a: with_body(a, b"[]"),
    "a text": lambda a: with_body(a, b'"text"'), "deep": lambda a: with_body(a, b"[" * 100_000),
}
# Members that another one replaces.
OF_JSON = {
    "a list of null": {LIST: None}, "a list with null": {LIST: [None]}, "a list of text": {LIST: "text"},
    "an empty token": {"NextToken": ""}, "a token that is a number": {"NextToken": 5},
    "a token that is no Unicode": {"NextToken": "\ud800"},
    "a job of null": {"ComprehendMedicalAsyncJobProperties": None},
    "a job without family": {"ComprehendMedicalAsyncJobProperties": {"JobId": "a"}},
    "no history": {"History": None}, "a history without times": {"History": [{"JobStatus": "FAILED"}]},
    "a total that is text": {"Total": "1"}, "counts that are text": {"Counts": {"FAILED": "1"}},
    "a window of null": {"Window": None}, "families of null": {"Families": None},
}
OF_FORMAT = {
    ("csv", "a cell too few"): b'"JobId","JobName"\r\n"a"\r\n',
    ("csv", "half a row"): b'"JobId","JobName"\r\n"a","n"\r\n"b","',
    ("csv", "a cell without quotes"): b'"JobId","JobName"\r\na,n\r\n',
    ("ndjson", "half a line"): json.dumps(JOB).encode() + b'\n{"JobId":"',
    ("ndjson", "a line without its end"): json.dumps(JOB).encode(),
    ("ndjson", "a line of null"): b"null\n",
    ("ndjson", "an empty line"): b"\n",
}
# fmt: on


def with_member(change):
    """Damage a JSON answer that has such a member; another one is as good as before: None."""

    def damage(answer):
        before = json.loads(answer.body) if answer.headers["Content-Type"] == TYPES["json"] else {}
        known = change.keys() <= before.keys() | ({"NextToken"} if LIST in before else set())
        return with_body(answer, json.dumps(before | change).encode()) if known else None

    return damage


def with_text(kind, body):
    return lambda a: with_body(a, body) if a.headers["Content-Type"] == TYPES[kind] else None


DAMAGED = {
    **DAMAGES,
    **{name: with_member(change) for name, change in OF_JSON.items()},
    **{f"{kind}: {name}": with_text(kind, body) for (kind, name), body in OF_FORMAT.items()},
}
METHODS: dict[str, Callable[[JobLedger], object]] = {
    "jobs": lambda ledger: list(ledger.jobs()), "pages": lambda ledger: list(ledger.pages()),
    "page": lambda ledger: ledger.page(next_token="2"), "job": lambda ledger: ledger.job("a"),
    "exported csv": lambda ledger: list(ledger.exported("csv")),
    "exported ndjson": lambda ledger: list(ledger.exported("ndjson")),
    **{name: operator.methodcaller(name) for name in ("summary", "last_digest", "publish_digest", "health")},
}  # fmt: skip
CALLS = {
    "list": lambda ledger: ledger.list_snomedct_inference_jobs(NextToken="2"),
    "describe": lambda ledger: ledger.describe_snomedct_inference_job(JobId="a"),
    "paginate": lambda ledger: list(
        ledger.get_paginator("list_snomedct_inference_jobs").paginate()
    ),
    "wait": lambda ledger: ledger.get_waiter("job_completed").wait(JobId="a"),
}
COMMANDS = {
    "jobs": ("jobs", "--all"), "jobs of one page": ("jobs", "--next-token", "2"), "job": ("job", "a"),
    **{f"jobs as {form}": ("jobs", "--all", "--format", form) for form in TYPES},
    "summary": ("summary",), "wait": ("wait", "--job-name", "n"), "wait for an id": ("wait", "a"),
    "digest": ("digest",), "last digest": ("digest", "--last"), "health": ("health",),
}  # fmt: skip
# These end with an error only: one that is in every answer.
ENDLESS = {"watch": ("watch",), "open a job": ("open", "a")}
IN_EVERY_ANSWER = ("302", "200 of a sign-in page", "204", "empty", "half", "gzip cut off", "{}", "null")  # fmt: skip


class Damaged:
    """The API, one of whose answers is damaged: all, or those of the second page."""

    def __init__(self, damage, page=None):
        self.damage, self.page, self.times = damage, page, 0

    def __call__(self, request):
        answer = sound(request)
        asked = request.query.get("NextToken", ["1"])[0] if request.path == "/jobs" else None
        damaged = self.damage(answer) if self.page in (None, asked) else None
        self.times += damaged is not None
        return damaged or answer


@pytest.fixture(scope="module")
def server():
    # Each run of a command opens a session of botocore, which takes half of the time.
    opened = functools.cache(open_session)
    with answering(sound) as server, mock.patch("job_ledger.account.open_session", opened):
        yield server


@pytest.fixture(scope="module")
def ledger(server):
    with JobLedger(server.url) as ledger:
        ledger._http._sleep = lambda _: None
        yield ledger


def raised(call, ledger, api):
    """What a call raises, if it has got a damaged answer."""
    api.times = 0
    try:
        call(ledger)
    except Exception as error:
        return error
    assert not api.times, "a damaged answer was taken for a good one"
    return None


@pytest.mark.parametrize("page", [None, "2"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_method_raises_for_an_answer_that_is_not_what_was_asked_for(server, ledger, damage, page):
    server.answer = api = Damaged(DAMAGED[damage], page)
    for name, method in METHODS.items():
        error = raised(method, ledger, api)
        assert isinstance(error, ApiError | None), name
        assert "\n" not in str(error)
    if page is None:
        for name, call in CALLS.items():
            expected = WaiterError if name == "wait" else ClientError
            assert isinstance(raised(call, ledger, api), expected | None), name


def test_a_page_that_leads_to_itself_or_nowhere_ends_the_traversal_with_an_error(server, ledger):
    server.answer = lambda _: document({LIST: [JOB], "NextToken": "2"})
    with pytest.raises(ApiError):
        list(ledger.jobs())
    with pytest.raises(BotoCoreError):
        CALLS["paginate"](ledger)
    without_token = ("<?x=1>; rel=next", "next", '<https://a.example>; rel="next"')
    for link in ('<?NextToken=2>; rel="next"', *without_token):
        for form, body in (("csv", b'"JobId"\r\n"a"\r\n'), ("ndjson", b"{}\n")):
            answer = Scripted(headers={"Link": link}, body=body)
            server.answer = lambda _, answer=answer: answer
            with pytest.raises(ApiError):
                list(ledger.exported(form))


@pytest.mark.parametrize("damage", DAMAGED)
def test_every_command_says_in_one_line_that_an_answer_is_none(server, damage):
    server.answer = api = Damaged(DAMAGED[damage])
    for name, arguments in (COMMANDS | (ENDLESS if damage in IN_EVERY_ANSWER else {})).items():
        api.times = 0
        done = run(server.url, *arguments)
        if api.times:
            (line,) = done.stderr.splitlines()
            assert (done.returncode, line[:7]) == (1, "error: "), name


@pytest.mark.parametrize("form", ["csv", "ndjson", "json", "table"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_no_file_has_the_name_of_an_export_that_failed(server, tmp_path, damage, form):
    for page in (None, "2", "3"):
        server.answer = api = Damaged(DAMAGED[damage], page)
        arguments = ("--format", form, "--output", str(tmp_path / "jobs"))
        done = run(server.url, "jobs", "--all", *arguments)
        if api.times:
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), page
            assert list(tmp_path.iterdir()) == []
        else:
            (tmp_path / "jobs").unlink()


def test_what_a_sound_api_answers_is_taken_by_every_caller(server, ledger):
    server.answer = sound
    for each in (*METHODS.values(), *CALLS.values()):
        each(ledger)
    for name, arguments in COMMANDS.items():
        done = run(server.url, *arguments)
        note = "There are more jobs" if "one page" in name else ""
        assert (done.returncode, done.stderr.partition(":")[0]) == (0, note), name
        assert done.stdout
