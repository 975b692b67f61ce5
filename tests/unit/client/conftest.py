"""The API's own handler on a ledger in memory, behind HTTP, and the client and the command of it."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from job_ledger import JobLedger
from job_ledger.command.main import _run
from job_ledger.http import Http
from testing.served_api import ServedApi, fill, served_api

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def server() -> Iterator[ServedApi]:
    with served_api() as served:
        fill(served.api)
        yield served


@pytest.fixture
def ledger(server: ServedApi) -> Iterator[JobLedger]:
    server.requests.clear()
    with JobLedger(server.url) as client:
        yield client


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command within this process, in a pipe: a process of its own takes most of a second to start."""
    assert Http.__init__.__kwdefaults__
    monkeypatch.setitem(Http.__init__.__kwdefaults__, "sleep", lambda _: None)

    def run(url: str, *arguments: str, **variables: str) -> Done:
        with monkeypatch.context() as patch:
            patch.setattr("sys.argv", ["jobledger", *arguments])
            for name, value in ({"JOB_LEDGER_URL": url} | variables).items():
                patch.setenv(name, value)
            code = _run()
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run
