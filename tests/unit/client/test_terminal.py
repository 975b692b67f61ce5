"""The command on terminals of several widths, and Ctrl-C at any time."""

import subprocess
import sys
from unittest import mock

import pytest
from rich.cells import cell_len

from testing.scripted_server import answering, problem, scripted
from tests.unit.client.commands import command, environment, on_terminal, plain, run
from tests.unit.client.paged import described, page

WIDTHS = (60, 80, 120, 200)
IDS = [f"{n:08x}" + "0123456789abcdef01234567" for n in (7, 0x7C9D2CD0, 0xFFFFFFFF)]
TIMES = {"SubmitTime": "2026-11-23T08:00:00.000Z", "EndTime": "2026-11-23T10:05:00.000Z"}
NAMES = ("short", "夜間の診療記録" * 30, "a-name-of-thirty-letters-or-so")
STATUSES = ("PARTIAL_SUCCESS", "FAILED", "IN_PROGRESS")
FAMILIES = ("ENTITIES_V2", "PHI", "SNOMEDCT")
JOBS = [
    {"JobId": job_id, "JobName": name, "JobStatus": status, "Family": family, **TIMES}
    for job_id, name, status, family in zip(IDS, NAMES, STATUSES, FAMILIES, strict=True)
]
JOBS[1]["Message"] = "The role cannot read the bucket. " * 9


def listing(request):
    """A list of three jobs, whose page has a token; each described."""
    if request.path == "/jobs":
        if request.query.get("Active"):
            return page(*(job for job in JOBS if job["JobStatus"] == "IN_PROGRESS"))
        return page(*JOBS, **({} if request.query.get("NextToken") else {"NextToken": "t" * 160}))
    found = [job for job in JOBS if job["JobId"] == request.path.rpartition("/")[2]]
    return described(found[0]) if found else problem(404, "ResourceNotFoundException")


@pytest.fixture(scope="module")
def server():
    with answering(listing) as server:
        yield server


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_list_fits_the_terminal_with_names_and_statuses_first(server, columns):
    shown = run(server.url, "jobs", columns=columns).stdout
    heading, *rows, note = plain(shown).splitlines()
    assert note == "There are more jobs: use --all."
    assert max(map(cell_len, (heading, *rows))) <= columns
    assert heading.split()[:2] == ["NAME", "STATUS"]
    for job, row in zip(JOBS, rows, strict=True):
        assert row.split()[0][:5] == job["JobName"][:5]
        assert all(text in row for text in (job["JobStatus"], job["Family"], job["JobId"][:8]))
        assert job["JobId"] not in row
    assert ("SUBMITTED" in heading, "MESSAGE" in heading) == (columns >= 120, columns >= 120)


@pytest.mark.parametrize("columns", WIDTHS)
def test_watch_fits_the_terminal_and_a_job_has_its_message_whole(server, columns):
    pause = mock.Mock(side_effect=KeyboardInterrupt)
    lines = plain(run(server.url, "watch", columns=columns, pause=pause).stdout).splitlines()
    lines = lines[lines.index("") + 1 :]
    assert all(cell_len(line) <= columns for line in lines)
    assert lines[0].startswith("1 active at ")
    assert lines[0].endswith(" UTC in all families")
    assert lines[1].split()[:2] == ["NAME", "STATUS"]
    assert lines[2].startswith("a-name-of-thirty"[: columns // 5])
    waited = run(server.url, "wait", IDS[1][:8], columns=columns)
    assert waited.returncode == 4
    assert "The role cannot read the bucket. " * 8 in plain(waited.stdout).replace("\n", " ")


def test_a_process_finds_the_width_of_its_terminal(server):
    code, shown = on_terminal(server.url, "watch", columns=60, until="SNOMEDCT")
    lines = plain(shown).splitlines()
    assert (code, "1 active at" in lines[1]) == (130, True)
    assert max(map(cell_len, lines)) <= 60


def test_long_names_pad_no_line_in_a_pipe_and_short_ids_tell_ids_apart_on_a_terminal(server):
    _, *lines = run(server.url, "jobs").stdout.splitlines()
    shown = [(line.split("\t")[0], line.split("\t")[5]) for line in lines]
    assert shown == [(job["JobName"], job["JobId"]) for job in JOBS]
    alike = [f"{'0' * 30}{n:02}" for n in range(3)]
    with scripted(page(*({"JobId": job_id, "Family": "PHI"} for job_id in alike))) as other:
        screen = plain(run(other.url, "jobs", columns=60).stdout)
    assert all(job_id in screen for job_id in alike)
    assert max(map(len, screen.splitlines())) <= 60


# Sends itself the signal of Ctrl-C at one of its imports, or at its first pause.
INTERRUPTED = """
import builtins, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
left, stop = int(sys.argv.pop(1)), lambda: os.kill(os.getpid(), signal.SIGINT)
real = builtins.__import__
def counting(*arguments, **more):
    global left
    left -= 1
    if left == 0:
        stop()
    return real(*arguments, **more)
builtins.__import__, time.sleep = counting, lambda _: stop()
from job_ledger.command.entry import main
main()
"""
COMPLETION = {"_JOBLEDGER_COMPLETE": "bash_complete", "COMP_WORDS": "jobledger j", "COMP_CWORD": "1"}  # fmt: skip


@pytest.mark.parametrize("moment", [12, 50, 400, 3_000, 100_000])
@pytest.mark.parametrize("variables", [{}, COMPLETION], ids=["watch", "completion"])
def test_ctrl_c_prints_no_traceback_at_any_time(server, moment, variables):
    arguments = () if variables else ("watch",)
    done = subprocess.run(
        [sys.executable, "-P", "-c", INTERRUPTED, str(moment), *arguments],
        env=environment(server.url, **variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr.strip() == ""
    assert done.returncode == 130 or (variables and done.returncode == 0)


def test_what_the_shell_waits_for_imports_neither_botocore_nor_rich():
    for arguments, variables in (((), COMPLETION), (("--help",), {}), (("jobs", "--help"), {})):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *command(*arguments)[1:]],
            env=environment("", **variables), capture_output=True, text=True, check=True,
        )  # fmt: skip
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert not imported & {"botocore", "rich", "rich.console", "urllib3", "job_ledger.client"}
