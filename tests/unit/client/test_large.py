"""Many jobs in bounded memory, exports that are interrupted, and jobs that change while they are watched."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from testing.full import in_full
from testing.scripted_server import answering
from tests.unit.client.commands import ROOT, environment, on_terminal, plain, run, start
from tests.unit.client.paged import SIZE, Paged, described, page

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


def test_a_cell_can_be_longer_than_pythons_reader_takes(tmp_path):
    long, file = "x\r\n" * 60_000, tmp_path / "jobs.csv"
    for pages in (1, 2):
        paged = Paged(pages)
        paged._csv = f'"JobId","Message"\r\n"a","{long}"\r\n"b",""""\r\n'.encode()
        with answering(paged) as server:
            done = run(server.url, "jobs", "--all", "--output", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        assert file.read_bytes().count(long.encode()) == pages


def files_in(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


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


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    "name, code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129), ("SIGKILL", -9)]
)
def test_an_interrupted_export_leaves_no_half_file_under_its_name(tmp_path, name, code, existing):
    file = tmp_path / "jobs.csv"
    if existing:
        file.write_text("of yesterday")
    with answering(stuck := Stuck()) as server:
        with start(server.url, "jobs", "--all", "--output", str(file)) as process:
            assert stuck.reached.wait(60)
            process.send_signal(signal.Signals[name])
            printed = process.communicate(timeout=60)
        stuck.go.set()
    assert (process.returncode, "Traceback" in printed[1]) == (code, False)
    left = {name: text for name, text in files_in(tmp_path).items() if not name.endswith(".part")}
    assert left == ({"jobs.csv": "of yesterday"} if existing else {})
    # Nobody can remove the part of a process that is killed.
    assert name == "SIGKILL" or files_in(tmp_path) == left


def test_a_terminal_shows_a_bar_of_an_export_and_ctrl_c_ends_it(tmp_path):
    arguments = ("jobs", "--all", "--output", str(tmp_path / "x.ndjson"))
    with answering(Paged(5)) as server:
        shown = run(server.url, *arguments, columns=120).stdout
    assert "2500/2500 jobs" in plain(shown)
    (tmp_path / "x.ndjson").unlink()
    with answering(stuck := Stuck()) as server:
        code, _ = on_terminal(server.url, *arguments, until="1000/2500")
        stuck.go.set()
    assert (code, files_in(tmp_path)) == (130, {})


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
        return job["JobStatus"] in ACTIVE and job["JobId"] not in self.deleted

    def _job(self, job_id):
        name = {"JobId": job_id, "JobName": f"name of {job_id}", "Family": "PHI"}
        return name | {"JobStatus": self.histories[job_id][-1], "SubmitTime": self._time}


ACTIVE = ("SUBMITTED", "IN_PROGRESS")


def watched(account, changed, columns=0):
    """What is printed of an account whose jobs change after the first look, until Ctrl-C after the second."""

    def pause(_):
        if account.histories == changed:
            raise KeyboardInterrupt
        account.histories = changed

    with answering(account) as server:
        done = run(server.url, "watch", columns=columns, pause=pause)
    assert (done.returncode, done.stderr.strip()) == (130, "")
    return done.stdout


def test_watch_prints_each_transition_in_a_pipe():
    changed = {"a": (*ACTIVE, "COMPLETED"), "b": ("SUBMITTED", "FAILED")}
    lines = watched(Account(a=("SUBMITTED",)), changed).splitlines()
    assert sorted(line.split()[2:] for line in lines) == [
        ["(new)", "->", "SUBMITTED", "b", "name", "of", "b"],
        ["IN_PROGRESS", "->", "COMPLETED", "a", "name", "of", "a"],
        ["SUBMITTED", "->", "FAILED", "b", "name", "of", "b"],
        ["SUBMITTED", "->", "IN_PROGRESS", "a", "name", "of", "a"],
    ]


def test_watch_shows_the_active_jobs_on_a_terminal_but_none_that_the_service_has_deleted():
    account = Account("deleted", active=ACTIVE, ended=("COMPLETED",), deleted=ACTIVE)
    shown = watched(account, account.histories | {"active": (*ACTIVE, "FAILED")}, columns=120)
    assert 0 < shown.index("1 active at") < shown.index("name of active")
    assert shown.index("-> \x1b[1;31mFAILED") < shown.index("0 active at")
    assert "name of ended" not in shown
    assert "name of deleted" not in shown
