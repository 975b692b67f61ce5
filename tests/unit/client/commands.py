"""The command: within this process, or as a process of its own, in a pipe or on a terminal."""

import contextlib
import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from job_ledger.command.main import _run
from job_ledger.http import Http

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 60
TERM = "xterm-256color"


class _Written(io.BytesIO):
    """What is written to a pipe, or to a terminal."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


def run(
    url: str, *arguments: str, columns: int = 0, pause: Callable[[float], object] = lambda _: None, **variables: str
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a command within this process, in a pipe or on a terminal of so many columns, with a pause of the test's.

    A process of its own takes most of a second to start. A terminal shows output and errors.
    """
    out = _Written()
    out.is_terminal = columns > 0
    err = out if columns else _Written()
    variables = {"JOB_LEDGER_URL": url, "TERM": TERM, "COLUMNS": str(columns or "")} | variables
    defaults = Http.__init__.__kwdefaults__
    assert defaults
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["jobledger", *arguments])
        for name, written in {"sys.stdout": out, "sys.stderr": err}.items():
            text = io.TextIOWrapper(written, "utf-8", newline="", write_through=True)
            patch.setattr(name, text)
        patch.setattr("time.sleep", pause)
        patch.setitem(defaults, "sleep", pause)
        for name, value in variables.items():
            patch.setenv(name, value)
        code = _run()
        shown = [each.getvalue().decode() for each in (out, err)]
    return subprocess.CompletedProcess(arguments, code, shown[0], "" if columns else shown[1])


def plain(shown: str) -> str:
    """What a terminal shows, without its controls."""
    return re.sub(r"\x1b\[[\d;?]*\w", "", shown).replace("\r", "")


def environment(url: str, **more: str) -> dict[str, str]:
    names = (
        *("PATH", "HOME", "LANG", "NO_PROXY", "no_proxy"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_CONFIG_FILE"),
    )
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "JOB_LEDGER_URL": url, "PYTHONPATH": str(ROOT), "TERM": TERM, **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "job_ledger", *arguments]


def start(url: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a process, in a pipe."""
    return subprocess.Popen(
        command(*arguments), env=environment(url, **more), encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def next_line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints; an assertion with its errors when it has ended."""
    assert process.stdout
    assert process.stderr
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line


def on_terminal(
    url: str, *arguments: str, columns: int = 120, until: str = "", **more: str
) -> tuple[int, str]:
    """The exit code of a process on a terminal, and what it shows; Ctrl-C ends it when that has this text."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command(*arguments), env=environment(url, **more), stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown, interrupted = b"", not until
    # A terminal whose other end is closed is an error of reading.
    with contextlib.suppress(OSError):
        while part := os.read(master, 65_536):
            shown += part
            if not interrupted and until.encode() in shown:
                os.killpg(process.pid, signal.SIGINT)
                interrupted = True
    os.close(master)
    return process.wait(SECONDS), shown.decode(errors="replace")
