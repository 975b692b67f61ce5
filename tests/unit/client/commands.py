"""The command as a process of its own, in a pipe or on a terminal."""

import codecs
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 60


def environment(url: str, **more: str) -> dict[str, str]:
    names = (
        *("PATH", "HOME", "LANG", "NO_PROXY", "no_proxy"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_CONFIG_FILE"),
    )
    kept = {name: os.environ[name] for name in names if name in os.environ}
    own = {"JOB_LEDGER_URL": url, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    return {**kept, **own, **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "job_ledger", *arguments]


def start(url: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
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


def run(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A run in a pipe."""
    with start(url, *arguments, **more) as process:
        out, err = process.communicate(timeout=SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class Terminal:
    """A run on a terminal of 40 rows; `shown` is what it shows so far."""

    def __init__(self, url: str, *arguments: str, columns: int = 120, **more: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            command(*arguments), env=environment(url, **more), stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        # A part can end within a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.shown = ""

    def read_until(self, text: str) -> str:
        """Read until a text is shown."""
        while text not in self.shown:
            self.shown += self._read() or f"\n[ended without {text!r}]{text}"
        return self.shown

    def wait(self) -> int:
        """Read to the end, and return the exit code."""
        while part := self._read():
            self.shown += part
        os.close(self._master)
        return self.process.wait(SECONDS)

    def interrupt(self) -> int:
        """Type Ctrl-C, and return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def _read(self) -> str:
        # A terminal whose other end is closed is an error of reading.
        with contextlib.suppress(OSError):
            while part := os.read(self._master, 65_536):
                if text := self._decoder.decode(part):
                    return text
        return ""


def on_terminal(url: str, *arguments: str, columns: int = 120, **more: str) -> tuple[int, str]:
    """The exit code of a run on a terminal, and what it shows."""
    terminal = Terminal(url, *arguments, columns=columns, **more)
    return terminal.wait(), terminal.shown
