"""Killed at any step: a rerun completes it with the same id and the same bytes."""

import json
import os
import pickle
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from testing.digests import ENVIRONMENT, Context, DigestWorld
from testing.processes import run_python

CHAT = "arn:aws:sns:eu-central-1:111122223333:chat"
# One worker kills for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("digest-killed")]


class KilledWorld(DigestWorld):
    """A world in a file, as it would lie in AWS, whose process can be killed before and after each call."""

    def __init__(self, file: Path) -> None:
        super().__init__(CHAT_TOPIC_ARN=CHAT)
        self._file = file
        self._left: int | None = None
        self._lock = threading.Lock()
        if file.exists():
            items, self.tables.remembered, self.topic.taken = pickle.loads(file.read_bytes())
            for item in items:
                self.tables._put(item)
        for part in (self.tables, self.topic):
            part.before = part.after = self._step

    def kill_at(self, step: int, *, reads: bool) -> None:
        """With `reads`, every call is a step; else only one that changes something."""
        self._left, self._reads = step, reads

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


def ends(run: Callable[[], object]) -> bool:
    """Run in a process of its own; return whether it was not killed."""
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not (os.WIFEXITED(status) and os.WEXITSTATUS(status)), "a run has failed"
    return os.WIFEXITED(status)


def killed_at_every_step(
    directory: Path, event: dict[str, Any] | None, minutes: int, *, reads: bool = False
) -> list[list[dict[str, Any]]]:
    """Return what was sent for each step at which the first run was killed, until one was not.

    Another run comes so many minutes after the first, when more has happened.
    """

    def first_run() -> None:
        world = KilledWorld(file)
        world.observe("one", "COMPLETED")
        world.forward(minutes=5)
        world.kill_at(step, reads=reads)
        # Its publication may be tried again a millisecond later.
        world.run(event, Context(milliseconds=1))

    def next_run() -> None:
        world = KilledWorld(file)
        world.forward(minutes=4)
        world.observe("two", "FAILED")
        world.forward(minutes=1 + minutes)
        world.run(event, Context(milliseconds=1))

    outcomes = []
    for step in count():
        file = directory / f"{minutes}-{step}"
        ended = ends(first_run)
        time.sleep(0.005)
        assert ends(next_run)
        outcomes.append(pickle.loads(file.read_bytes())[2])
        if ended:
            break
    return outcomes


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


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict[str, list[list[dict[str, Any]]]]:
    """For each kind of second run: what was sent, for each step at which the first was killed."""
    directory = tmp_path_factory.mktemp("killed")
    # It runs nothing itself, so that a fork takes no thread's locks along.
    run_python(f"from {__name__} import main; main()", directory)
    outcomes: dict[str, Any] = json.loads((directory / "outcomes.json").read_text())
    return outcomes


def sent_to(topic: str, taken: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(message) for message in taken if message["TopicArn"].endswith(topic)]


@pytest.mark.parametrize("second_run", ["SameEvent", "SameRequest", "NextDay"])
def test_a_killed_digest_sends_each_window_with_one_content_and_at_most_twice(killed, second_run):
    assert len(killed[second_run]) > (40 if second_run == "SameEvent" else 10)
    doubled = 0
    for taken in killed[second_run]:
        for contents in (Counter(sent_to(topic, taken)) for topic in ("digests", "chat")):
            # The same event or request is one window. The next day is one more, unless the first
            # run had come to nothing: then it covers both.
            assert len(contents) in ((1, 2) if second_run == "NextDay" else (1,))
            assert max(contents.values()) <= 2
            doubled += sum(contents.values()) - len(contents)
    # Only a kill between the publication and its record can double a message: of digest or of chat.
    assert 0 < doubled <= 4


def test_after_a_kill_windows_tile(killed):
    for taken in killed["NextDay"]:
        once = dict.fromkeys(sent_to("digests", taken))
        digests = [json.loads(json.loads(json.loads(m)["Message"])["default"]) for m in once]
        assert all(a["Window"]["End"] == b["Window"]["Start"] for a, b in pairwise(digests))
        listed = [
            job["JobId"] for digest in digests for job in digest["Completed"] + digest["Failed"]
        ]
        assert listed == ["one", "two"]
