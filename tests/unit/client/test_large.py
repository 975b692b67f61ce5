"""Many jobs in bounded memory, and exports that are interrupted."""

import csv
import io
import json
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from testing.full import in_full
from testing.scripted_server import answering
from tests.unit.client.commands import ROOT, Terminal, environment, next_line, on_terminal, start
from tests.unit.client.paged import LIST, SIZE, Paged, described, page

PAGES = in_full(30, 200)
TRAVERSAL = """
import resource, sys
from job_ledger import JobLedger
traversal = (lambda ledger: ledger.jobs()) if sys.argv[1] == "jobs" else (
    lambda ledger: ledger.get_paginator("list_phi_detection_jobs")
        .paginate(PaginationConfig={"PageSize": 500})
        .search("ComprehendMedicalAsyncJobPropertiesList[]"))
count, peak = 0, 0
for count, _ in enumerate(traversal(JobLedger()), start=1):
    if count == 2_500:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count, peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
MEBIBYTE = 1024


@pytest.mark.full
@pytest.mark.parametrize("way", ["jobs", "boto3"])
def test_a_long_traversal_needs_no_more_memory_than_one_of_2_500_jobs(way):
    with answering(Paged(PAGES)) as server:
        printed = subprocess.check_output(
            [sys.executable, "-c", TRAVERSAL, way], env=environment(server.url), cwd=ROOT, text=True
        )
    count, early, late = map(int, printed.split())
    assert count == PAGES * SIZE
    assert late - early < 10 * MEBIBYTE


@pytest.mark.parametrize("form", ["json", "CSV", "ndjson", "table"])
def test_an_export_writes_every_job_by_default_in_the_format_of_the_files_name(run, tmp_path, form):
    file = tmp_path / f"jobs.{form}"
    chosen = ("--format", form) if form == "table" else ()
    with answering(Paged(5)) as server:
        done = run(server.url, "jobs", "--all", *chosen, "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert count_in(form, file.read_bytes().decode()) == 5 * SIZE
    assert names_in(tmp_path) == {file.name}
    assert file.stat().st_mode & 0o777 == 0o600


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def count_in(form, text):
    if form == "json":
        return len(json.loads(text)[LIST])
    if form == "CSV":
        return len(list(csv.DictReader(io.StringIO(text, newline=""))))
    return len(text.splitlines()) - (form == "table")


def test_a_cell_can_be_longer_than_pythons_reader_takes(run, tmp_path):
    long, file = "x\r\n" * 60_000, tmp_path / "jobs.csv"
    for pages in (1, 2):
        paged = Paged(pages)
        paged._csv = f'"JobId","Message"\r\n"a","{long}"\r\n"b",""""\r\n'.encode()
        with answering(paged) as server:
            done = run(server.url, "jobs", "--all", "--output", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        assert file.read_bytes().count(long.encode()) == pages


class Stuck(Paged):
    """Stops at the third page until it is let go."""

    def __init__(self):
        super().__init__(5)
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, request):
        if request.query.get("NextToken") == ["2"]:
            self.reached.set()
            self.go.wait(30)
        return super().__call__(request)


@pytest.mark.parametrize(
    "number, code, existing",
    [
        (signal.SIGINT, 130, False), (signal.SIGINT, 130, True), (signal.SIGTERM, 143, True),
        (signal.SIGHUP, 129, False), (signal.SIGKILL, -9, False), (signal.SIGKILL, -9, True),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)  # fmt: skip
def test_an_interrupted_export_leaves_no_half_file_under_its_name(tmp_path, number, code, existing):
    file = tmp_path / "jobs.csv"
    if existing:
        file.write_text("of yesterday")
    stuck = Stuck()
    with answering(stuck) as server:
        with start(server.url, "jobs", "--all", "--output", str(file)) as process:
            assert stuck.reached.wait(60)
            process.send_signal(number)
            printed = process.communicate(timeout=60)
        stuck.go.set()
    assert (process.returncode, "Traceback" in printed[1]) == (code, False)
    left = names_in(tmp_path)
    if number == signal.SIGKILL:  # the part cannot be removed, and has another name
        left = {name for name in left if not name.endswith(".part")}
    assert left == ({"jobs.csv"} if existing else set())
    assert not existing or file.read_text() == "of yesterday"


def test_a_terminal_shows_a_bar_of_an_export_and_ctrl_c_ends_it(tmp_path):
    with answering(Paged(5)) as server:
        file = tmp_path / "x.ndjson"
        code, shown = on_terminal(server.url, "jobs", "--all", "--output", str(file))
    assert (code, "2500/2500 jobs" in re.sub(r"\x1b\[[\d;?]*\w", "", shown)) == (0, True)
    file.unlink()
    stuck = Stuck()
    with answering(stuck) as server:
        terminal = Terminal(server.url, "jobs", "--all", "--output", str(tmp_path / "jobs.csv"))
        assert stuck.reached.wait(60)
        assert terminal.interrupt() == 130
        stuck.go.set()
    assert names_in(tmp_path) == set()


class Account:
    """Jobs whose statuses a test changes; describes and lists them as the API does."""

    def __init__(self, *deleted, **histories):
        self.histories, self.deleted = histories, deleted
        self._time = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())

    def __call__(self, request):
        if request.path.startswith("/jobs/"):
            job_id = request.path.rpartition("/")[2]
            history = [
                {"JobStatus": status, "ObservedAt": f"2026-11-23T12:00:0{number}.000Z"}
                for number, status in enumerate(self.histories[job_id])
            ]
            deleted = {"ExpiredUpstream": True} if job_id in self.deleted else {}
            return described(self._job(job_id), *history, **deleted)
        only_active = request.query.get("Active") == ["true"]
        jobs = [self._job(job_id) for job_id in self.histories]
        return page(*(job for job in jobs if not only_active or self._is_active(job)))

    def _is_active(self, job):
        active = ("SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED")
        return job["JobStatus"] in active and job["JobId"] not in self.deleted

    def _job(self, job_id):
        name = {"JobId": job_id, "JobName": f"name of {job_id}", "Family": "PHI"}
        return name | {"JobStatus": self.histories[job_id][-1], "SubmitTime": self._time}


def test_watch_prints_each_transition_in_a_pipe():
    account = Account(a=("SUBMITTED",))
    with answering(account) as server, start(server.url, "watch", "--interval=0s") as process:
        # More requests than the first round has: it must not see the jobs change half way.
        wait_for_requests(server, 20)
        # At once: the server's thread iterates over the jobs.
        ended = ("SUBMITTED", "IN_PROGRESS", "COMPLETED")
        account.histories = {"a": ended, "b": ("SUBMITTED", "FAILED")}
        lines = [next_line(process).split() for _ in range(4)]
        # In the next round: an interrupt within a print can write its line again.
        wait_for_requests(server, len(server.received) + 4)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest == ("", "\n"), lines
    assert sorted(line[2:] for line in lines) == [
        ["(new)", "->", "SUBMITTED", "b", "name", "of", "b"],
        ["IN_PROGRESS", "->", "COMPLETED", "a", "name", "of", "a"],
        ["SUBMITTED", "->", "FAILED", "b", "name", "of", "b"],
        ["SUBMITTED", "->", "IN_PROGRESS", "a", "name", "of", "a"],
    ]


def wait_for_requests(server, count):
    while len(server.received) < count:
        time.sleep(0.01)


def test_watch_shows_the_active_jobs_on_a_terminal_but_none_that_the_service_has_deleted():
    active = ("SUBMITTED", "IN_PROGRESS")
    account = Account("deleted", active=active, ended=("COMPLETED",), deleted=active)
    with answering(account) as server:
        terminal = Terminal(server.url, "watch", "--interval", "0s")
        terminal.read_until("1 active at")
        assert not re.search("name of (ended|deleted)", terminal.read_until("name of active"))
        account.histories["active"] += ("FAILED",)
        terminal.read_until("0 active at")
        assert terminal.interrupt() == 130
    assert "-> \x1b[1;31mFAILED" in terminal.shown
    assert "name of deleted" not in terminal.shown
