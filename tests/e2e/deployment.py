"""`make local` on free ports, as a process of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.options import ROOT
from tests.e2e.stack import Stack, wait_until

# The sample account has 2,500 jobs, and all processors have other tests.
READY_SECONDS = 480
# CDK's own checks of a template take longer than the rest of its synthesis. tests/infrastructure does them, per setting.
UNCHECKED = {"CDK_VALIDATION": "false"}
# The servers end at once; on a busy machine, 50 workers take longer.
STOP_SECONDS = 90


def start(state_dir: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """The runner, as `make local` starts it; what it prints goes to `runner.log`."""
    state_dir.mkdir(parents=True, exist_ok=True)
    (state_dir / "ready.json").unlink(missing_ok=True)
    ports = ["--aws-port", "0", "--comprehend-port", "0"]
    command = [sys.executable, "-m", "local", "--state-dir", str(state_dir), *ports, *arguments]
    # The functions inherit what MiniStack has: the settings of the unit tests would turn tracing off.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POWERTOOLS_")} | UNCHECKED
    with (state_dir / "runner.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=kept, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def output(state_dir: Path) -> str:
    return (state_dir / "runner.log").read_text()


def processes_of(state_dir: Path) -> list[str]:
    """The command lines of what a run has started: all of them have its directory in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{state_dir}/".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def is_open(endpoint: str) -> bool:
    url = urllib.parse.urlsplit(endpoint)
    with socket.socket() as probe:
        return probe.connect_ex((str(url.hostname), int(url.port or 0))) == 0


@dataclass(frozen=True)
class Deployment(Stack):
    state_dir: Path
    jobs: dict[str, list[dict]]
    """What the file had that the stand-in was started with."""

    @property
    def output(self) -> str:
        return output(self.state_dir)


@contextlib.contextmanager
def deployed(state_dir: Path, jobs: dict[str, list[dict]] | None) -> Iterator[Deployment]:
    """A deployment, of the sample account without jobs; at the end it is asked to stop as Ctrl-C does, and has to leave nothing."""
    state_dir.mkdir(parents=True, exist_ok=True)
    chosen = []
    if jobs is not None:
        jobs_file = state_dir / "jobs.json"
        jobs_file.write_text(json.dumps(jobs))
        chosen = ["--jobs", str(jobs_file)]
    process = start(state_dir, *chosen)
    file = state_dir / "ready.json"
    try:
        wait_until(lambda: file.exists() or process.poll() is not None, READY_SECONDS, "ready")
        assert process.poll() is None, output(state_dir)
        ready = json.loads(file.read_text())
        endpoints = (ready["AwsEndpoint"], ready["ComprehendMedicalEndpoint"])
        yield Deployment(*endpoints, ready["ApiUrl"], ready["Outputs"], state_dir, jobs or {})
    finally:
        stop(process)
    assert process.returncode == 0, output(state_dir)
    assert not file.exists()
    assert processes_of(state_dir) == []
    assert not any(is_open(endpoint) for endpoint in endpoints)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGINT) -> None:
    if process.poll() is None:
        os.kill(process.pid, number)
    try:
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
