"""Faults on the wire between the sync and the service, from a proxy that speaks AWS's protocols."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from botocore.config import Config

from jobledger.clients import session
from jobledger.sync.upstream import Upstream
from testing.builders import listed_job
from testing.world import World
from tests.functional.conftest import free_port, wait_until_open

# A proxy for each worker would take seconds to start.
pytestmark = pytest.mark.xdist_group("microburst")

PAGES = 10
PAGE_SIZE = 20
RETRIES = {"mode": "standard", "total_max_attempts": 2}
CONFIG = Config(connect_timeout=1, read_timeout=1, retries=RETRIES)
FAULTS: dict[str, dict[str, object]] = {
    "error 500": {"error": {"code": "InternalServerException", "status": 500}},
    "error 503": {"error": {"code": "ServiceUnavailableException", "status": 503}},
    "reset": {"reset": True},
    "answer cut off": {"response": {"abort_frac": 0.5}},
    "hang on read": {"timeout_ms": 10_000},
}


class Proxy:
    """A microburst between a World's client and its stand-in."""

    def __init__(self, upstream: str) -> None:
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        command = shutil.which("microburst") or Path(sys.executable).with_name("microburst")
        options = ["-u", upstream, "-p", str(port)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([command, *options], stdout=quiet, stderr=quiet)
        wait_until_open(port, self._process)
        # Its first call reads the models of all services, which takes longer than a time-out here.
        patient = CONFIG.merge(Config(read_timeout=60))
        _client(self.endpoint, patient).list_snomedct_inference_jobs()

    def rules(self, *rules):
        """Replace all rules."""
        url, body = f"{self.endpoint}/_microburst/rules", json.dumps(rules).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status < 300


@pytest.fixture(scope="module")
def world():
    jobs = [listed_job(f"job-{number:05}", 1_000 + number) for number in range(PAGE_SIZE * PAGES)]
    with World(jobs, hostile=False) as world:
        yield world


@pytest.fixture(scope="module")
def proxy(world):
    proxy = Proxy(world.server.endpoint)
    yield proxy
    proxy._process.kill()  # it would first see requests through that hang
    proxy._process.wait(10)


@pytest.mark.parametrize("position", range(1, PAGES + 1))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_walk_that_fails_on_any_page_is_completed_by_the_next_run(
    world, proxy, fault, position, monkeypatch
):
    monkeypatch.setattr("jobledger.sync.upstream.PAGE_SIZE", PAGE_SIZE)
    world.database.items.clear()
    world.database._order.clear()
    proxy.rules()
    page = 0

    def break_at_position() -> None:
        nonlocal page
        page += 1
        if page == position:
            proxy.rules(FAULTS[fault] | {"service": "*"})

    world.upstream = Upstream(_client(proxy.endpoint), break_at_position)
    started = time.monotonic()
    failed = world.sync()
    assert failed.error is not None
    # One attempt more than pages.
    assert (failed.as_of, failed.upstream_calls) == (None, position + 1)
    assert time.monotonic() - started < 15
    proxy.rules()
    world.upstream = Upstream(_client(proxy.endpoint))
    done = world.sync()
    assert (done.error, done.upstream_calls) == (None, PAGES - position + 1)
    assert world.truth() == world.statuses()


def test_a_service_that_does_not_accept_connections_ends_the_sync_in_bounded_time(world):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # No connection is accepted: the queue of one is full, and the next connection hangs.
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        world.upstream = Upstream(_client(f"http://127.0.0.1:{port}"))
        started = time.monotonic()
        assert world.sync().error == "ConnectTimeoutError"
        assert time.monotonic() - started < 15
        for client in waiting:
            client.close()


def _client(endpoint, config=CONFIG):
    return session().create_client("comprehendmedical", endpoint_url=endpoint, config=config)
