"""The client and the command of a ledger with several sources."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from botocore.exceptions import ClientError, NoRegionError
from rich.cells import cell_len

from job_ledger import JobLedger
from testing.builders import full_job
from testing.scripted_server import Received, Scripted, answering, document, problem, scripted
from testing.served_api import served_api
from tests.unit.board.test_sources import record, share
from tests.unit.client.commands import next_line, plain, run, start
from tests.unit.client.paged import LIST, described, page

OWN, OTHER, THIRD = "111122223333", "444455556666", "777788889999"
US, EU = "us-east-1", "eu-west-1"
AT = "2026-11-23T11:00:00.000Z"
CALLER = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Account>{OWN}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


def job(number, account=OWN, region=US, **more):
    return {
        "JobId": f"{number:08x}{0:024}", "Family": "PHI", "JobName": "nightly", "JobStatus": "FAILED",
        "SubmitTime": "2026-11-23T08:00:00.000Z", "EndTime": "2026-11-23T10:05:00.000Z",
        **({"Account": account, "Region": region} if account else {}), **more,
    }  # fmt: skip


def number_of(each):
    return int(each["JobId"][:8], 16)


JOBS = [job(1), job(2, OTHER), job(3, OWN, EU), job(4)]


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
        found = [each for each in self.jobs if all(each[n] in v for n, v in chosen.items())]
        if request.path != "/jobs":
            named = [each for each in found if request.path.endswith(each["JobId"])]
            return described(named[0]) if named else problem(404, "ResourceNotFoundException")
        filters = "-".join(sorted(value for values in chosen.values() for value in values)) or "all"
        made, _, at = request.query.get("NextToken", [f"{filters}_0"])[0].partition("_")
        if made != filters:
            return problem(400, "InvalidRequestException")
        place = int(at)
        if self.searching and place == 0:
            return page(NextToken=f"{filters}_1", AsOf=AT)
        place -= self.searching
        size = int(request.query.get("MaxResults", ["1"])[0])
        more = place + size < len(found)
        token = {"NextToken": f"{filters}_{place + size + self.searching}"} if more else {}
        return page(*found[place : place + size], AsOf=AT, **token)


@contextmanager
def drop_in(api: Api) -> Iterator[JobLedger]:
    """A client in place of boto3's, in the region and the account of the own source."""
    with answering(api) as server:
        variables = {"AWS_ENDPOINT_URL_STS": server.url, "AWS_DEFAULT_REGION": US}
        with mock.patch.dict(os.environ, variables), JobLedger(server.url) as ledger:
            yield ledger


def ids(answer) -> list[int]:
    return [number_of(each) for each in answer[LIST]]


def walk(ledger) -> list[int]:
    paginator = ledger.get_paginator("list_phi_detection_jobs")
    pages = paginator.paginate(PaginationConfig={"PageSize": 1})
    return [number for answer in pages for number in ids(answer)]


@pytest.mark.parametrize("searching", [False, True])
def test_a_list_of_boto3_has_the_jobs_of_the_sessions_own_account_and_region(searching):
    with drop_in(api := Api(searching=searching)) as ledger:
        assert walk(ledger) == walk(ledger) == [1, 4]
        assert api.calls.count("STS") == 1


@pytest.mark.parametrize("token", [f"{OWN}-{US}_1", "all_3"])
def test_a_token_of_another_process_is_continued_whatever_its_filters(token):
    with drop_in(Api()) as ledger:
        for _ in range(2):
            assert ids(ledger.list_phi_detection_jobs(MaxResults=1, NextToken=token)) == [4]
        with pytest.raises(ClientError, match="InvalidRequestException"):
            ledger.list_phi_detection_jobs(NextToken="none_1")


@pytest.mark.parametrize("jobs", [[], [job(1, None), job(2, None)]])
def test_without_sources_the_requests_are_those_of_before(jobs):
    with drop_in(api := Api(jobs)) as ledger:
        assert walk(ledger) == [number_of(each) for each in jobs]
        assert api.calls == ["/jobs"] * max(len(jobs), 1)
        with pytest.raises(ClientError, match="InvalidRequestException"):
            ledger.list_phi_detection_jobs(NextToken="none_1")
        assert "STS" not in api.calls


def test_a_description_of_boto3_is_of_the_own_source_alone(monkeypatch):
    with drop_in(api := Api()) as ledger:
        assert ledger.describe_phi_detection_job(JobId=JOBS[0]["JobId"])
        for other in JOBS[1:3]:
            with pytest.raises(ledger.exceptions.ResourceNotFoundException):
                ledger.describe_phi_detection_job(JobId=other["JobId"])
        assert api.calls.count("STS") == 1
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name)
        with pytest.raises(NoRegionError):  # as of boto3's own
            JobLedger(ledger.url).list_phi_detection_jobs()


def test_the_api_itself_pages_through_the_own_source_and_tells_equal_ids_apart(monkeypatch):
    sources = (f"{OTHER}/{US}", f"{OWN}/{US}", f"{OWN}/{EU}")

    def list_of(account, region):
        """What a client of this own source lists."""
        client = JobLedger(hub.url)
        found = [("Account", account), ("Region", region)]
        monkeypatch.setattr(client._own_source, "_found", found)
        return ids(client.list_phi_detection_jobs())

    with served_api() as hub, answering(Api()) as sts:
        share(hub.api, *sources)
        for at, source in enumerate(sources):
            jobs = (full_job(n, SubmitTime=1_763_890_000 + 60 * n + at) for n in range(9))
            record(hub.api, source, *jobs)
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
        assert len(list_of(OTHER, US)) == 9, "removed, and its jobs are kept"
        assert list_of(OTHER, EU) == []
        for account, region in ((OWN, "us-west-2"), ("1" * 12, US)):
            with pytest.raises(ledger.exceptions.ValidationException):
                list_of(account, region)
        share(hub.api, sources[0], sources[2])
        with pytest.raises(ledger.exceptions.ValidationException, match=f"no jobs of {OTHER}/{EU}"):
            list_of(OTHER, EU)


def test_a_job_has_its_source_in_the_last_column_and_a_removed_one_is_marked():
    with answering(Api([job(5, SourceRemoved=True)])) as server:
        lines = run(server.url, "jobs").stdout.splitlines()
        shown = run(server.url, "job", f"{5:08x}").stdout
    assert [line.split("\t")[-1] for line in lines] == ["SOURCE", f"{OWN}/{US} (removed)"]
    assert re.search(rf"Account +{OWN}\nRegion +{US}\nSourceRemoved +true\n", shown)


def test_of_equal_ids_the_job_of_the_source_that_was_asked_for_is_shown_and_waited_for():
    same = [job(7), job(7, OTHER, JobStatus="COMPLETED"), job(7, OWN, EU)]
    job_id, own = same[0]["JobId"], ("--account", OWN, "--job-region", EU)
    with answering(Api(same)) as server:
        assert run(server.url, "wait", job_id, "--account", OTHER).returncode == 0
        assert run(server.url, "wait", job_id, "--account", OWN).returncode == 4
        # The start of an id is enough for the browser as well.
        with start(server.url, "open", job_id[:9], *own, BROWSER="true") as process:
            address = next_line(process).strip()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
    assert address.endswith(f"/board/jobs/{job_id}?Account={OWN}&Region={EU}")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_source_is_shown_where_a_terminal_has_room(columns):
    with answering(Api(JOBS * 2)) as server:
        lines = plain(run(server.url, "jobs", "--all", columns=columns).stdout).splitlines()
    assert lines.pop().startswith("The ledger is as of")
    assert max(map(cell_len, lines)) <= columns
    assert (f"{OTHER}/{US}" in lines[2]) == (columns >= 80)
    assert all("nigh" in line and "FAILED" in line for line in lines[1:])


@pytest.mark.parametrize("form", ["table", "csv", "ndjson"])
def test_a_list_says_that_the_sync_before_it_did_not_succeed(form):
    headers = {"X-As-Of": AT, "X-Stale": "true"}
    exported = {"csv": b'"JobId"\r\n"1"\r\n', "ndjson": b'{"JobId": "1"}\n'}
    listed = page(job(1), AsOf=AT, Stale=True)
    with scripted(Scripted(200, headers, exported.get(form, listed.body))) as server:
        done = run(server.url, "jobs", "--consistent-read", "--format", form)
    said = "The ledger could not be brought up to date: the jobs are as of 2026-11-23 11:00:00 UTC."
    assert (done.returncode, done.stderr) == (0, f"{said} See jobledger health.\n")


@pytest.mark.parametrize(
    "as_of, note",
    [
        (None, "The ledger has not synced everything yet: jobs may be missing."),
        (AT, "The ledger is as of 2026-11-23 11:00:00 UTC: changes since may be missing."),
        ("9999-11-23T11:00:00.000Z", ""),
    ],
)
def test_watch_and_a_list_say_that_the_ledger_is_older_than_the_screen(as_of, note):
    with scripted(page(job(1, EndTime=None), AsOf=as_of)) as server:
        pause = mock.Mock(side_effect=KeyboardInterrupt)
        done = run(server.url, "watch", columns=120, pause=pause)
        listed = run(server.url, "jobs", columns=120)
        piped = run(server.url, "jobs", "--format", "json")
    assert (done.returncode, "1 active" in done.stdout, note in done.stdout) == (130, True, True)
    assert ("The ledger" in done.stdout) == bool(note)
    assert listed.stdout.splitlines()[2:] == ([note] if note else [])
    assert bool(piped.stderr) == (as_of is None)


def test_health_names_the_sources_that_are_too_old_or_fail():
    error = {"Name": "AccessDenied", "At": "2026-11-23T08:00:00Z"}
    well = {"AsOf": "2026-11-23T08:00:00Z", "AgeSeconds": 9, "LastError": None}
    never = {"AsOf": None, "AgeSeconds": None, "LastError": error}
    states = ((OWN, True, well), (OTHER, False, never), (THIRD, True, well | {"LastError": error}))
    sources = [
        {"Account": account, "Region": US, "Healthy": healthy, "Families": {"PHI": family}}
        for account, healthy, family in states
    ]
    answer = {"Status": "ok", "Families": {"PHI": well}, "Sources": sources}
    with scripted(document(answer)) as server:
        shown = run(server.url, "health").stdout
    assert "2 of 3 sources are recent enough" in shown
    assert "AccessDenied at 2026-11-23 08:00:00" in shown
    named = [account for account, *_ in states if f"{account}/{US}\nPHI" in shown]
    assert named == [OTHER, THIRD]
