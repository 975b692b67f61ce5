"""No test reaches a network other than loopback, or the credentials of the user who runs it."""

import _socket
import functools
import gc
import ipaddress
import itertools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

# The environment's own node comes first: CDK needs one, and the machine's may be old or absent. Here,
# because the conftest files below import CDK before anything is configured.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# What is run there takes no branches of its own: it takes those of other tests many times, or runs in other processes.
UNMEASURED = (
    "tests/contract",
    "tests/e2e",
    "tests/functional/api",
    "tests/functional/digest",
    "tests/functional/ledger",
    "tests/functional/local",
    "tests/functional/sync",
    "tests/infrastructure/test_changed_settings.py",
    "tests/infrastructure/test_security_rules.py",
    "tests/unit/api/test_injection.py",
    "tests/unit/api/test_one_traversal_per_key.py",
    "tests/unit/board/test_hostile.py",
    "tests/unit/client",
    "tests/unit/doctor",
    "tests/unit/ledger/test_counted_reads.py",
    "tests/unit/ledger/test_cursor.py",
    "tests/unit/ledger/test_pages_requests.py",
    "tests/unit/ledger/test_pages_traversals.py",
    "tests/unit/local",
    "tests/unit/sync/test_interleavings.py",
    "tests/unit/sync/test_limits.py",
)
# Groups of tests, in this order, and those with the mark `longest`. Those with deployments mostly wait, and leave the
# processors to the others.
LONGEST = (
    "deployment",
    "sample",
    "lifecycle",
    "enforced",
    "longest",
    "template",
)
LOOPBACK_NAMES = ("localhost", "")


class NetworkReachedError(RuntimeError):
    """A test has tried to talk to the world."""


def is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host is None or host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return False


def guard_network() -> None:
    """Let every socket, and every look-up of a name, of this process reach loopback only.

    An audit hook would also see calls that bypass the module `socket`. But while one that is written in Python runs
    within `sys.settrace`, CPython 3.11 may switch threads, and another thread's `sys.settrace` then fails: with
    coverage, each new thread calls it.
    """

    def guard(owner: object, name: str, host_of: Callable[..., object], does: str) -> None:
        reach = getattr(owner, name)

        @functools.wraps(reach)
        def guarded(*arguments: Any) -> object:
            if not is_loopback(host := host_of(*arguments)):
                raise NetworkReachedError(f"a test {does} {host}")
            return reach(*arguments)

        setattr(owner, name, guarded)

    def host_of_address(*arguments: Any) -> object:
        # Unix sockets have a path for an address; they are on this machine.
        return arguments[-1][0] if isinstance(arguments[-1], tuple) else None

    for name in ("connect", "connect_ex", "sendto"):
        guard(socket.socket, name, host_of_address, "connects to")
    for module, name in ((_socket, "getaddrinfo"), (socket, "gethostbyname")):
        guard(module, name, lambda host, *_: host, "looks up")


@pytest.hookimpl(optionalhook=True)  # `make mutants` runs without xdist
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three workers more than processors: those with the groups of end-to-end tests mostly wait for schedules."""
    del config
    return (os.cpu_count() or 1) + 3


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what lives to the end: it took a third of the collection's time, and a tenth of the tests'."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Count no branches where it would double the time for nothing: tests of many examples take the same ones again.

    Not with pytest-cov's marker `no_cover`: in workers of xdist, pytest-cov 7.1 starts two collectors and pauses one.
    """
    many = item.get_closest_marker("slow") or item.get_closest_marker("full")
    measured = item.config.pluginmanager.hasplugin("_cov")
    if not measured or not (many or item.nodeid.startswith(UNMEASURED)):
        return (yield)
    trace, trace_of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(trace)
        threading.settrace(trace_of_threads)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Undo the shuffle of the modules whose tests are one story, and start the longest tests early."""
    for _, module in itertools.groupby(list(items), key=lambda item: item.location[0]):
        tests = list(module)
        if tests[0].get_closest_marker("in_order"):
            start = items.index(tests[0])
            items[start : start + len(tests)] = sorted(
                tests, key=lambda item: item.location[1] or 0
            )
    items.sort(key=turn)


def turn(item: pytest.Item) -> int:
    """Return when a test starts: what takes longest first, or one worker is left alone with it at the end."""
    group = item.get_closest_marker("xdist_group")
    name = "longest" if item.get_closest_marker("longest") else group and group.args[0]
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_configure(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_REGION="us-east-1",
        AWS_CONFIG_FILE="/nonexistent/aws/config",
        AWS_SHARED_CREDENTIALS_FILE="/nonexistent/aws/credentials",
        AWS_EC2_METADATA_DISABLED="true",
        # As the stack sets them on every function.
        POWERTOOLS_SERVICE_NAME="job-ledger",
        POWERTOOLS_METRICS_NAMESPACE="JobLedger",
        POWERTOOLS_TRACE_DISABLED="1",
        NO_PROXY="127.0.0.1,localhost",
        no_proxy="127.0.0.1,localhost",
    )
    guard_network()
    # A shell's background job ignores Ctrl-C, and so would the processes that tests stop with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.get("JOB_LEDGER_MUTANTS") == "1":
        _do_not_shrink()


def _do_not_shrink() -> None:
    """Let hypothesis stop at an example that fails: for a mutant, a smaller one is time lost."""
    from hypothesis import Phase, settings

    phases = [phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)]
    settings.register_profile("mutants", settings(), phases=phases)
    settings.load_profile("mutants")


def pytest_sessionstart() -> None:
    """Forget what functions have cached: `make mutants` forks from a process that has run the tests before."""
    for name, module in list(sys.modules.items()):
        if name.startswith("jobledger."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
