"""Child processes that always end with the run, and the signals that end a run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

GRACE_SECONDS = 3.0
POLL_SECONDS = 0.05
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LocalError(Exception):
    """An error that ends the run; the text is for the user."""


class Stopped(BaseException):
    """The user ended the run. Not an `Exception`, so that no step handles it as a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class StopSignals:
    """Turns termination signals into `Stopped`, raised in the main thread."""

    def __init__(self) -> None:
        self._pending: int | None = None
        self._held = False

    def __enter__(self) -> StopSignals:
        for number in END_SIGNALS:
            signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        self.ignore()

    def ignore(self) -> None:
        """Ignore further signals: stopping children must not be interrupted."""
        for number in END_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._held:
            self._pending = number
        else:
            self.ignore()
            raise Stopped(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Delay signals until the end of a critical section."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending is not None:
            self.ignore()
            raise Stopped(self._pending)


@dataclass
class Child:
    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def failure(self, what: str) -> LocalError:
        lines = self.log.read_text(errors="replace").splitlines()
        if len(lines) == 1:
            return LocalError(f"{self.name}: {lines[0].removeprefix('error: ')}")
        shown = "\n".join(f"    {line}" for line in lines[-20:] if line.strip())
        return LocalError(
            f"{self.name} {what}; the whole log is {self.log}, its last lines:\n{shown}"
        )


@dataclass
class Children:
    """All processes of a run, each in its own session: Ctrl-C reaches only the runner, and a child is ended together with its own children."""

    logs: Path
    signals: StopSignals
    _running: list[Child] = field(default_factory=list)
    _servers: list[Child] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path
    ) -> Child:
        log = self.logs / (name.lower().replace(" ", "-") + ".log")
        with log.open("wb") as output, self.signals.held():
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - the runner has no threads
            )
            child = Child(name, log, process)
            self._running.append(child)
        return child

    def start_server(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path
    ) -> Child:
        child = self.start(name, command, env, cwd)
        self._servers.append(child)
        return child

    def wait_for_port(self, child: Child, address: tuple[str, int], timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check_servers()
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
                return
            time.sleep(POLL_SECONDS)
        raise child.failure(f"does not listen on port {address[1]} after {timeout:.0f} s")

    def finish(self, child: Child) -> None:
        while (code := child.process.poll()) is None:
            self.check_servers()
            time.sleep(POLL_SECONDS)
        self._running.remove(child)
        if code:
            raise child.failure(f"failed with exit code {code}")

    def check_servers(self) -> None:
        for server in self._servers:
            if (code := server.process.poll()) is not None:
                raise server.failure(f"has ended by itself, with exit code {code}")

    def stop_server(self, child: Child, grace: float) -> None:
        """End one server before the others. It has `grace` seconds to save its state; then its own children end."""
        self._servers.remove(child)
        child.process.terminate()
        try:
            child.process.wait(grace)
        except subprocess.TimeoutExpired as error:
            raise LocalError(f"{child.name} does not end within {grace:.0f} s") from error
        signal_group(child, signal.SIGKILL)
        wait_for_group(child)
        self._running.remove(child)

    def stop(self) -> None:
        """End all processes and their children, first with SIGTERM, then with SIGKILL."""
        for child in self._running:
            signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
        for child in self._running:
            signal_group(child, signal.SIGKILL)
        for child in self._running:
            child.process.wait()
            wait_for_group(child)
        self._running.clear()


def signal_group(child: Child, number: int) -> bool:
    """Return whether any process received the signal: workers can outlive their server."""
    try:
        os.killpg(child.process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def wait_for_group(child: Child) -> None:
    deadline = time.monotonic() + 2
    while signal_group(child, 0) and time.monotonic() < deadline:
        time.sleep(0.01)


# Loaded here, because nothing can be imported between fork and exec.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """End this process when the runner is killed."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
