"""The set-up says what it waits for."""

import fcntl
import subprocess
import sys

from local.environments import LOGS, ROOT


def test_a_second_make_says_that_it_waits_for_the_first():
    LOGS.mkdir(exist_ok=True)
    with (LOGS / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            [sys.executable, "-m", "local.toolchain"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as second:
            assert second.stdout
            assert "waiting for the set-up of another make" in second.stdout.readline()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert second.wait(60) == 0
