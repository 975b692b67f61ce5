"""Children that cannot be left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from local.processes import END_SIGNALS, Children, LocalError, Stopped, StopSignals

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="a facility of Linux, and /proc")
ROOT = Path(__file__).resolve().parents[3]
SLEEPS = "import time; time.sleep(60)"
IGNORES_SIGTERM_AND_HAS_A_CHILD = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def children(tmp_path, monkeypatch):
    monkeypatch.setattr("local.processes.GRACE_SECONDS", 0.5)
    children = Children(tmp_path, StopSignals())
    yield children
    children.stop()


def start(children, code, name="a server"):
    return children.start_server(name, [sys.executable, "-c", code], dict(os.environ), ROOT)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SAVES_ITS_STATE = """
import pathlib, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(0)))
print(child.pid, flush=True)
child.wait()
"""


@needs_proc
def test_a_server_stopped_alone_saves_its_state_and_ends_its_children(children):
    other, server = start(children, SLEEPS, "another"), start(children, SAVES_ITS_STATE)
    wait_for(lambda: server.log.read_text().endswith("\n"))
    worker = int(server.log.read_text())
    children.stop_server(server, 10)
    assert server.log.read_text().split() == [str(worker), "saved"]
    wait_for(lambda: not is_alive(worker))
    children.check_servers()  # it is no server any more whose end would be an error
    assert other.process.poll() is None


@needs_proc
def test_stopping_ends_a_child_that_does_not_want_to_its_own_children_and_others_at_once(children):
    other, child = start(children, SLEEPS), start(children, IGNORES_SIGTERM_AND_HAS_A_CHILD)
    wait_for(lambda: child.log.read_text().endswith("\n"))
    grandchild = int(child.log.read_text())
    with pytest.raises(LocalError, match="does not end within 0 s"):
        children.stop_server(child, 0.1)
    started = time.monotonic()
    children.stop()
    assert time.monotonic() - started < 20  # each would sleep for a minute
    assert other.process.returncode == -signal.SIGTERM
    assert child.process.returncode == -signal.SIGKILL
    wait_for(lambda: not is_alive(grandchild))


@pytest.mark.parametrize(
    "name, code, said",
    [
        ("MiniStack", "print('one'); sys.exit('the disk is full')",
         r"(?s)MiniStack has ended by itself.*the disk is full"),
        # A log of one line is the message.
        ("the stand-in", "sys.exit('error: jobs.json is not JSON')", r"^the stand-in: jobs.json is not JSON$"),
    ],
)  # fmt: skip
def test_a_server_that_ends_by_itself_ends_the_run_with_its_last_lines(children, name, code, said):
    start(children, f"import sys; {code}", name=name)
    with pytest.raises(LocalError, match=said):
        children.wait_for_port(start(children, SLEEPS), ("127.0.0.1", 9))


def test_a_step_that_fails_says_which_and_where_its_log_is(children, tmp_path):
    code = "import sys; print('a'); print('b'); sys.exit(3)"
    step = children.start("cdk deploy", [sys.executable, "-c", code], dict(os.environ), ROOT)
    with pytest.raises(LocalError) as raised:
        children.finish(step)
    assert str(raised.value) == (
        f"cdk deploy failed with exit code 3; the whole log is {tmp_path}/cdk-deploy.log,"
        " its last lines:\n    a\n    b"
    )


def test_a_signal_during_a_held_stretch_is_raised_at_its_end():
    seen = []
    # StopSignals leaves all of them ignored, and a process that a later test starts would inherit that.
    before = {number: signal.getsignal(number) for number in END_SIGNALS}
    try:
        with pytest.raises(Stopped), StopSignals() as signals, signals.held():  # noqa: PT012 - the stretch is what is tested
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            seen.append("the stretch is whole")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen == ["the stretch is whole"]


@needs_proc
def test_a_runner_that_is_killed_outright_leaves_no_child(tmp_path):
    code = f"""
    import sys, time
    from pathlib import Path
    from local.processes import Children, StopSignals
    children = Children(Path({str(tmp_path)!r}), StopSignals())
    child = children.start("x", [sys.executable, "-c", {SLEEPS!r}], {{}}, Path("."))
    print(child.process.pid, flush=True)
    time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout
        pid = int(runner.stdout.readline())
        assert is_alive(pid)
        runner.kill()
        wait_for(lambda: not is_alive(pid))
