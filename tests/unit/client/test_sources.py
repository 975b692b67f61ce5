"""The client and the command of a ledger with several sources."""

import json
import re
import signal
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, NoRegionError
from rich.cells import cell_len

from job_ledger import JobLedger
from testing.builders import full_job
from testing.scripted_server import Received, Scripted, ScriptedServer, answering, document, problem
from testing.served_api import served_api
from tests.unit.board.test_sources import record, share
from tests.unit.client.commands import Terminal, next_line, on_terminal, run, start
from tests.unit.client.paged import LIST, described, page

OWN, OTHER, THIRD = "111122223333", "444455556666", "777788889999"
US, EU = "us-east-1", "eu-west-1"


def job(number, account=OWN, region=US, **more):
    return {
        "JobId": f"{number:08x}{0:024}", "Family": "PHI", "JobName": "nightly", "JobStatus": "FAILED",
        "SubmitTime": "2026-11-23T08:00:00.000Z", "EndTime": "2026-11-23T10:05:00.000Z",
        **({"Account": account, "Region": region} if account else {}), **more,
    }  # fmt: skip


def number_of(each):
    return int(each["JobId"][:8], 16)


JOBS = [job(1), job(2, OTHER), job(3, OWN, EU), job(4)]
AT = "2026-11-23T11:00:00.000Z"
BAD_TOKEN = problem(400, "InvalidRequestException")
CALLER = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Account>{OWN}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


class Api:
    """Lists one job a page. A token is of its filters; with `searching`, the first page has a token alone."""

    def __init__(self, jobs=JOBS, *, searching=False):
        self.jobs = jobs
        self.searching = searching
        self.calls: list[str] = []

    def __call__(self, request: Received) -> Scripted:
        self.calls.append("STS" if request.method == "POST" else request.path)
        if request.method == "POST":
            return Scripted(headers={"Content-Type": "text/xml"}, body=CALLER.encode())
        chosen = {n: request.query[n] for n in ("Account", "Region") if n in request.query}
        if request.path != "/jobs":
            named = [each for each in self.jobs if request.path.endswith(each["JobId"])]
            found = [each for each in named if all(each[n] in v for n, v in chosen.items())]
            return described(found[0]) if found else problem(404, "ResourceNotFoundException")
        filters = "-".join(sorted(value for values in chosen.values() for value in values)) or "all"
        made, _, at = request.query.get("NextToken", [f"{filters}_0"])[0].partition("_")
        if made != filters or any(value == [""] for value in chosen.values()):
            return BAD_TOKEN
        found = [each for each in self.jobs if all(each[n] in v for n, v in chosen.items())]
        place = int(at)
        if self.searching and place == 0:
            return page(NextToken=f"{filters}_1", AsOf=AT)
        place -= self.searching
        size = int(request.query.get("MaxResults", ["1"])[0])
        more = place + size < len(found)
        token = {"NextToken": f"{filters}_{place + size + self.searching}"} if more else {}
        return page(*found[place : place + size], AsOf=AT, **token)


@pytest.fixture(autouse=True)
def region(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", US)


def drop_in(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> JobLedger:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    return JobLedger(server.url)


def ids(answer) -> list[int]:
    return [number_of(each) for each in answer[LIST]]


def walk(ledger, token=None) -> Iterator[int]:
    paginator = ledger.get_paginator("list_phi_detection_jobs")
    for answer in paginator.paginate(PaginationConfig={"PageSize": 1, "StartingToken": token}):
        yield from ids(answer)


@pytest.mark.parametrize("searching", [False, True])
def test_a_list_of_boto3_has_the_jobs_of_the_sessions_own_account_and_region(
    monkeypatch, searching
):
    with answering(api := Api(searching=searching)) as server:
        ledger = drop_in(server, monkeypatch)
        assert list(walk(ledger)) == [1, 4]
        assert list(walk(ledger)) == [1, 4]
        assert api.calls.count("STS") == 1


@pytest.mark.parametrize("token", [f"{OWN}-{US}_1", "all_3"])
def test_a_token_of_another_process_is_continued_whatever_its_filters(monkeypatch, token):
    with answering(Api()) as server:
        ledger = drop_in(server, monkeypatch)
        answer = ledger.list_phi_detection_jobs(MaxResults=1, NextToken=token)
        assert ids(answer) == [4]
        again = ledger.list_phi_detection_jobs(MaxResults=1, NextToken=token)
        assert ids(again) == [4]
        with pytest.raises(ClientError, match="InvalidRequestException"):
            ledger.list_phi_detection_jobs(NextToken="none_1")


@pytest.mark.parametrize("jobs", [[], [job(1, None), job(2, None)]])
def test_without_sources_the_requests_are_those_of_before(monkeypatch, jobs):
    with answering(api := Api(jobs)) as server:
        ledger = drop_in(server, monkeypatch)
        assert list(walk(ledger)) == [number_of(each) for each in jobs]
        assert api.calls == ["/jobs"] * max(len(jobs), 1)
        with pytest.raises(ClientError, match="InvalidRequestException"):
            ledger.list_phi_detection_jobs(NextToken="none_1")
        assert "STS" not in api.calls


def test_a_description_of_boto3_is_of_the_own_source_alone(monkeypatch):
    with answering(api := Api()) as server:
        ledger = drop_in(server, monkeypatch)
        assert ledger.describe_phi_detection_job(JobId=JOBS[0]["JobId"])
        for other in JOBS[1:3]:
            with pytest.raises(ledger.exceptions.ResourceNotFoundException):
                ledger.describe_phi_detection_job(JobId=other["JobId"])
        assert api.calls.count("STS") == 1


def test_without_a_region_a_call_of_boto3_fails_as_boto3_does(monkeypatch):
    with answering(Api()) as server:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        monkeypatch.delenv("AWS_REGION", raising=False)
        with pytest.raises(NoRegionError):
            drop_in(server, monkeypatch).list_phi_detection_jobs()


def test_the_api_itself_pages_through_the_own_source_and_tells_equal_ids_apart(monkeypatch):
    sources = (f"{OTHER}/{US}", f"{OWN}/{US}", f"{OWN}/{EU}")
    with served_api() as hub, answering(Api()) as sts:
        share(hub.api, *sources)
        for at, source in enumerate(sources):
            record(
                hub.api,
                source,
                *(full_job(n, SubmitTime=1_763_890_000 + 60 * n + at) for n in range(9)),
            )
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        ledger = JobLedger(hub.url)
        pages = ledger.get_paginator("list_phi_detection_jobs").paginate(
            PaginationConfig={"PageSize": 2}
        )
        listed = [each for answer in pages for each in answer[LIST]]
        assert [each["SubmitTime"].second for each in listed] == [41] * 9
        described_job = ledger.describe_phi_detection_job(JobId=f"{3:032x}")
        assert described_job["ComprehendMedicalAsyncJobProperties"]["SubmitTime"].second == 41
        for options, source in (
            (("--job-region", EU), sources[2]),
            (("--account", OTHER), sources[0]),
        ):
            shown = run(hub.url, "job", f"{3:032x}", *options).stdout
            account, _, region = source.partition("/")
            assert re.search(rf"Account +{account}\nRegion +{region}\n", shown)
            assert run(hub.url, "summary", *options).stdout.startswith("9 jobs match ")
        assert ledger.summary(family="ALL", account=[OWN])["Total"] == 18
        # An account of one source with the region of another; then an account and region without a sync yet.
        share(hub.api, sources[1], f"{OTHER}/{EU}")
        client = JobLedger(hub.url)
        monkeypatch.setattr(client._own_source, "_found", [("Account", OTHER), ("Region", US)])
        assert len(ids(client.list_phi_detection_jobs())) == 9, "removed, and its jobs are kept"
        for account, region, known in (
            (OTHER, EU, True),
            (OWN, "us-west-2", False),
            ("1" * 12, US, False),
        ):
            monkeypatch.setattr(
                client._own_source, "_found", [("Account", account), ("Region", region)]
            )
            if known:
                assert ids(client.list_phi_detection_jobs()) == []
            else:
                with pytest.raises(client.exceptions.ValidationException):
                    client.list_phi_detection_jobs()
        share(hub.api, sources[0], sources[2])
        monkeypatch.setattr(client._own_source, "_found", [("Account", OTHER), ("Region", EU)])
        with pytest.raises(client.exceptions.ValidationException, match=f"no jobs of {OTHER}/{EU}"):
            client.list_phi_detection_jobs()


@pytest.mark.parametrize(
    "options, found",
    [
        ((), [1, 2, 3, 4]),
        (("--account", OWN), [1, 3, 4]),
        (("--account", OWN, "--account", OTHER, "--job-region", US), [1, 2, 4]),
        (("--job-region", EU, "--region", US), [3]),
    ],
)
def test_accounts_and_regions_of_jobs_are_filters_of_the_command(options, found):
    with answering(Api()) as server:
        done = run(server.url, "jobs", "--all", *options)
        assert done.stderr == ""
        heading, *lines = done.stdout.splitlines()
        rows = [line.split("\t") for line in lines]
        assert heading.split("\t")[-1] == "SOURCE"
        assert [int(row[5][:8], 16) for row in rows] == found
        sources = {number_of(each): f"{each['Account']}/{each['Region']}" for each in JOBS}
        assert [row[-1] for row in rows] == [sources[number] for number in found]


def test_a_removed_source_is_marked_and_a_job_has_its_source():
    with answering(Api([job(5, SourceRemoved=True)])) as server:
        assert f"{OWN}/{US} (removed)" in run(server.url, "jobs").stdout
        shown = run(server.url, "job", f"{5:08x}").stdout
        assert re.search(rf"Account +{OWN}\nRegion +{US}\nSourceRemoved +true\n", shown)


def test_of_equal_ids_the_browser_shows_the_job_of_the_source_that_was_asked_for():
    same = [job(7), job(7, OTHER), job(7, OWN, EU)]
    with answering(Api(same)) as server:
        asked = ("--account", OWN, "--job-region", EU)
        with start(server.url, "open", *asked, same[0]["JobId"], BROWSER="true") as process:
            address = next_line(process).strip()
            process.send_signal(signal.SIGINT)
            process.wait(30)
        assert address.endswith(f"/board/jobs/{same[0]['JobId']}?Account={OWN}&Region={EU}")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_source_is_shown_where_a_terminal_has_room(columns):
    with answering(Api(JOBS * 2)) as server:
        _, shown = on_terminal(server.url, "jobs", "--all", columns=columns)
        lines = re.sub(r"\x1b\[[\d;?]*\w", "", shown).replace("\r", "").splitlines()
        assert lines.pop().startswith("The ledger is as of")
        assert max(map(cell_len, lines)) <= columns
        assert (f"{OTHER}/{US}" in lines[2]) == (columns >= 80)
        assert all("nigh" in line and "FAILED" in line for line in lines[1:])


def test_an_account_that_is_no_source_is_an_error_in_one_line_with_the_option():
    wrong = {
        "type": "about:blank", "title": "InvalidRequestException", "status": 400, "detail": "Wrong.",
        "instance": "urn:request:r",
        "errors": [{"parameter": "Account", "allowed": f"an account of the ledger: {OWN}"}],
    }  # fmt: skip
    body = json.dumps(wrong).encode()
    with answering(lambda _: Scripted(400, {"Content-Type": "application/problem+json"}, body)) as server:  # fmt: skip
        done = run(server.url, "summary", "--account", "1")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert f"--account: an account of the ledger: {OWN}" in done.stderr


@pytest.mark.parametrize("form", ["table", "csv", "ndjson"])
def test_a_list_says_that_the_sync_before_it_did_not_succeed(form):
    body = {LIST: [job(1)], "AsOf": AT}

    def answer(request: Received) -> Scripted:
        stale = request.query.get("Account") == [OTHER]
        if form == "table":
            return document(body | ({"Stale": True} if stale else {}))
        headers = {"X-As-Of": AT} | ({"X-Stale": "true"} if stale else {})
        line = b'"JobId"\r\n"1"\r\n' if form == "csv" else b'{"JobId": "1"}\n'
        return Scripted(200, headers, line)

    with answering(answer) as server:
        listed = ("jobs", "--consistent-read", "--format", form, "--account")
        assert run(server.url, *listed, OWN).stderr == ""
        stale = run(server.url, *listed, OTHER)
    assert (stale.returncode, stale.stderr) == (
        0,
        "The ledger could not be brought up to date: the jobs are as of 2026-11-23 11:00:00 UTC. See jobledger health.\n",
    )


def test_a_wait_says_that_the_last_sync_did_not_succeed_when_time_is_up():
    active = job(1, OTHER, JobStatus="IN_PROGRESS", EndTime=None)
    with answering(lambda _: page(active, AsOf=AT, Stale=True)) as server:
        done = run(server.url, "wait", "--name", "nightly", "--timeout", "0s")
    assert done.returncode == 5
    assert done.stderr == (
        "Time is up; the job is still active.\n"
        "The last sync before that did not succeed. See jobledger health.\n"
    )


def test_of_equal_ids_the_job_of_the_source_that_was_asked_for_is_waited_for():
    same = [job(7), job(7, OTHER, JobStatus="COMPLETED")]
    with answering(Api(same)) as server:
        assert run(server.url, "wait", same[0]["JobId"], "--account", OTHER).returncode == 0
        assert run(server.url, "wait", same[0]["JobId"], "--account", OWN).returncode == 4


@pytest.mark.parametrize(
    "as_of, note",
    [
        (None, "The ledger has not synced everything yet: jobs may be missing."),
        (AT, "The ledger is as of 2026-11-23 11:00:00 UTC: changes since may be missing."),
        ("9999-11-23T11:00:00.000Z", None),
    ],
)
def test_watch_and_a_list_say_that_the_ledger_is_older_than_the_screen(as_of, note):
    with answering(lambda _: page(job(1, EndTime=None), AsOf=as_of)) as server:
        listed = on_terminal(server.url, "jobs", columns=100)[1].splitlines()
        assert listed[2:] == ([note] if note else [])
        piped = run(server.url, "jobs", "--format", "json").stderr
        assert bool(piped) == (as_of is None)
        terminal = Terminal(server.url, "watch", "--interval", "0s")
        shown = terminal.read_until(note or "1 active")
        terminal.interrupt()
    assert "[ended" not in shown
    assert ("The ledger" in terminal.shown) == bool(note)


def test_health_names_the_sources_that_are_too_old_or_fail():
    state = {"AsOf": None, "AgeSeconds": None, "LastError": {"Name": "AccessDenied", "At": "2026-11-23T08:00:00Z"}}  # fmt: skip
    well = {"AsOf": "2026-11-23T08:00:00Z", "AgeSeconds": 9, "LastError": None}
    failed = state | {"AsOf": well["AsOf"], "AgeSeconds": 9}
    sources = [
        {"Account": account, "Region": US, "Healthy": healthy, "Families": {"PHI": family}}
        for account, healthy, family in (
            (OWN, True, well),
            (OTHER, False, state),
            (THIRD, True, failed),
        )
    ]
    answer = {"Status": "ok", "Families": {"PHI": well}, "Sources": sources}
    with answering(lambda _: document(answer)) as server:
        shown = run(server.url, "health").stdout
    assert "2 of 3 sources are recent enough" in shown
    assert f"{THIRD}/{US}\nPHI" in shown
    assert f"{OTHER}/{US}\nPHI" in shown
    assert "AccessDenied at 2026-11-23 08:00:00" in shown
    assert f"{OWN}/{US}" not in shown
