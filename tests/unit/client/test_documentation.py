"""docs/client.md and the README say what the client and the command are."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from job_ledger import JobLedger
from job_ledger.command.main import jobledger
from job_ledger.command.wait import EXIT_CODES, TIMED_OUT
from job_ledger.http import MOST_ATTEMPTS
from tests.unit.client.commands import command, environment

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "client.md").read_text()
README = (ROOT / "README.md").read_text()
PACKAGE = (ROOT / "job_ledger" / "README.md").read_text()


def test_every_subcommand_and_filter_is_named_and_every_option_that_is_named_exists():
    commands = jobledger.commands
    assert re.findall(r"^\| `jobledger (\w+)", TEXT, re.MULTILINE) == list(commands)
    assert {p.opts[0] for p in commands["jobs"].params if p.opts[0] not in TEXT} == set()
    options = {name for command in commands.values() for p in command.params for name in p.opts}
    for text in (TEXT, README, PACKAGE):
        found = re.findall(r"`(--[a-z][^`]*)`|(jobledger [^`\n]*)", text)
        lines = "\n".join(option or command for option, command in found)
        assert set(re.findall(r"--[a-z][a-z-]+", lines)) <= {*options, "--help"}


def test_exit_codes_attempts_and_methods_are_those_of_the_document():
    rows = re.findall(r"^\| (\d) \| ([^|]*) \|$", TEXT, re.MULTILINE)
    named = {status: code for code, text in rows for status in re.findall("`([A-Z_]+)`", text)}
    assert named == {status: str(code) for status, code in EXIT_CODES.items()}
    assert rows[-1][0] == str(TIMED_OUT)
    assert (MOST_ATTEMPTS, "sent up to four times" in TEXT) == (4, True)
    section = TEXT.split("## The client", 1)[1].split("## In place", 1)[0]
    methods = re.findall(r"`(\w+)\(", section)
    assert [name for name in methods if not hasattr(JobLedger, name)] == []
    assert methods


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL), ids=[0, 1])
def test_the_python_of_the_documentation_runs(server, monkeypatch, capsys, block):
    monkeypatch.setenv("JOB_LEDGER_URL", server.url)
    # The jobs of this test are of a fixed day, and have a name of their own.
    block = block.replace("timedelta(days=7)", "timedelta(days=9_000)")
    exec(block.replace('"JobName": "nightly"', '"JobName": "nightly-notes"'), {})
    assert len(capsys.readouterr().out.splitlines()) >= 2


def test_the_document_shows_what_the_command_prints(server):
    example = r"\$ jobledger (jobs --status FAILED) --after 7d (\| cut [^\n]*)\n(.*?)```"
    shown = re.search(example, TEXT, re.DOTALL)
    assert shown
    line = f"{shlex.join(command(*shown[1].split(), '--family', 'PHI'))} {shown[2]}"
    printed = subprocess.check_output(["sh", "-c", line], env=environment(server.url), text=True)
    heading, job = (line.strip().split("\t") for line in shown[3].strip().splitlines())
    first, *jobs = (line.split("\t") for line in printed.splitlines())
    assert first == heading
    assert all(len(row) == len(job) and row[1:3] == job[1:3] for row in jobs)
