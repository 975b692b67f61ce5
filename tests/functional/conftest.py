"""A real emulator of AWS for tests that want more than a fake: one MiniStack for each worker."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.deployment import MINISTACK
from testing.moto_dynamodb import create_ledger_table, shared_session

START_SECONDS = 60


class Aws:
    """The endpoint of a MiniStack, and clients of it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def client(self, service: str) -> Any:
        return shared_session().create_client(service, endpoint_url=self.endpoint)

    def ledger_table(self, name: str) -> str:
        """Make a table with the keys and the indexes of the deployed one."""
        create_ledger_table(self.client("dynamodb"), name)
        return name


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """A MiniStack of this worker's own, on a free port of loopback."""
    home = tmp_path_factory.mktemp("ministack")
    port = free_port()
    settings = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0"}
    settings |= {"STATE_DIR": str(home / "state"), "S3_DATA_DIR": str(home / "s3")}
    settings |= {"TMPDIR": str(home), "DOCKER_HOST": f"unix://{home / 'no-docker'}"}
    command = [str(MINISTACK), "-m", "ministack"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=home, env=os.environ | settings, stdout=log, stderr=log
        )
    try:
        wait_until_open(port, process, home / "log")
        yield Aws(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path | None = None) -> None:
    """Wait until a server listens; an error when it has ended, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_open(port):
        assert process.poll() is None, log and log.read_text(errors="replace")
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.05)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
