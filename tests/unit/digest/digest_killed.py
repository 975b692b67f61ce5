"""Kills the digest function at every step, and lets another run come after it.

`python -m tests.unit.digest.digest_killed DIRECTORY` leaves what came of it in outcomes.json there. Each run is a process of its own, forked from this one, which
never runs anything itself; what tables and topic hold lies in a file, as it would lie in AWS.
"""

import json
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from testing.digests import ENVIRONMENT, Context, DigestWorld

CHAT = "arn:aws:sns:eu-central-1:111122223333:chat"


class KilledWorld(DigestWorld):
    """A world that lies in a file, and whose process can be killed before and after each call."""

    def __init__(self, file: Path) -> None:
        super().__init__(CHAT_TOPIC_ARN=CHAT)
        self._file = file
        self._left: int | None = None
        self._reads = False
        self._lock = threading.Lock()
        if file.exists():
            items, self.tables.remembered, self.topic.taken = pickle.loads(file.read_bytes())
            for item in items:
                self.tables._put(item)
        for part in (self.tables, self.topic):
            part.before = part.after = self._step

    def kill_at(self, step: int, *, reads: bool) -> None:
        """With `reads`, every call is a step; else only one that changes something."""
        self._left = step
        self._reads = reads

    def _step(self, operation: str) -> None:
        with self._lock:  # jobs are read by several threads
            changes = not operation.startswith(("get", "query", "batch_get"))
            if changes:
                held = (list(self.tables.items.values()), self.tables.remembered, self.topic.taken)
                self._file.with_suffix(".new").write_bytes(pickle.dumps(held))
                self._file.with_suffix(".new").replace(self._file)
            if self._left is not None and (changes or self._reads):
                if self._left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                self._left -= 1


def forked(run: Callable[[], Any]) -> bool:
    """Run in a process of its own; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a run has failed")
    return os.WIFEXITED(status)


def first_run(file: Path, at: int, event: dict[str, Any] | None, reads: bool) -> None:
    """A run that is killed; its publication may be tried again a millisecond later."""
    world = KilledWorld(file)
    world.observe("one", "COMPLETED")
    world.forward(minutes=5)
    world.kill_at(at, reads=reads)
    world.run(event, Context(milliseconds=1))


def next_run(file: Path, event: dict[str, Any] | None, minutes: int) -> None:
    """The run that comes so many minutes after the first, when more has happened."""
    world = KilledWorld(file)
    world.forward(minutes=4)
    world.observe("two", "FAILED")
    world.forward(minutes=1 + minutes)
    world.run(event, Context(milliseconds=1))


def killed_at_every_step(
    directory: Path, event: dict[str, Any] | None, minutes: int, *, reads: bool = False
) -> list[dict[str, Any]]:
    """What was sent for each step at which the first run was killed, until one was not."""
    outcomes = []
    for at in range(1_000):
        file = directory / f"{minutes}-{at}"
        ended = forked(partial(first_run, file, at, event, reads))
        time.sleep(0.005)
        forked(partial(next_run, file, event, minutes))
        _, _, taken = pickle.loads(file.read_bytes())
        outcomes.append({"KilledAt": None if ended else at, "Taken": taken})
        if ended:
            return outcomes
    raise RuntimeError("the run does not end")


def main() -> None:
    os.environ.update(ENVIRONMENT)
    directory = Path(sys.argv[1])
    scheduled = {"ScheduledTime": "2026-11-23T08:05:00Z"}
    outcomes = {
        "SameEvent": killed_at_every_step(directory, scheduled, 0, reads=True),
        "NextDay": killed_at_every_step(directory, None, 24 * 60),
        "SameRequest": killed_at_every_step(directory, {"IdempotencyKey": "a"}, 1),
    }
    (directory / "outcomes.json").write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main()
