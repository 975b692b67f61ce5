"""Killed at any step: a rerun completes it with the same id and the same bytes."""

import json
import threading
import time
from collections import Counter
from itertools import count, pairwise
from typing import Any

import pytest

from testing.digests import Context, DigestWorld

CHAT = "arn:aws:sns:eu-central-1:111122223333:chat"
READS = ("get", "query", "batch_get")


class Killed(BaseException):
    """The run's process is gone."""


def run_until(world: DigestWorld, event: dict[str, Any] | None, step: int, *, reads: bool) -> bool:
    """Run up to a step, before or after a call; none of a killed run's calls arrives. Return whether it has ended.

    With `reads`, every call is a step; else only one that changes something.
    """
    lock, left = threading.Lock(), step

    def kill(operation: str) -> None:
        nonlocal left
        with lock:  # jobs are read by several threads
            if left >= 0 and (reads or not operation.startswith(READS)):
                left -= 1
            if left < 0:
                raise Killed

    hooks = [(part, at) for part in (world.tables, world.topic) for at in ("before", "after")]
    for part, at in hooks:
        setattr(part, at, kill)
    try:
        # Its publication may be tried again a millisecond later.
        world.run(event, Context(milliseconds=1))
    except Killed:
        return False
    finally:
        for part, at in hooks:
            setattr(part, at, lambda operation: None)
    return True


def killed_at_every_step(
    event: dict[str, Any] | None, minutes: int, *, reads: bool = False
) -> list[list[dict[str, Any]]]:
    """Return what was sent for each step at which the first run was killed, until one was not.

    Another run comes so many minutes after the first, when more has happened.
    """
    outcomes = []
    for step in count():
        world = DigestWorld(CHAT_TOPIC_ARN=CHAT)
        world.observe("one", "COMPLETED")
        world.forward(minutes=5)
        ended = run_until(world, event, step, reads=reads)
        time.sleep(0.002)
        world.dependencies = world.assembled()
        world.forward(minutes=4)
        world.observe("two", "FAILED")
        world.forward(minutes=1 + minutes)
        world.run(event, Context(milliseconds=1))
        outcomes.append(world.topic.taken)
        if ended:
            break
    return outcomes


def sent_to(topic: str, taken: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(message) for message in taken if message["TopicArn"].endswith(topic)]


@pytest.mark.parametrize(
    "event, minutes, reads, contents, steps",
    [
        # The same event or request is one window.
        ({"ScheduledTime": "2026-11-23T08:05:00Z"}, 0, True, (1,), 40),
        ({"IdempotencyKey": "a"}, 1, False, (1,), 10),
        # The next day is one more, unless the first run had come to nothing: then it covers both.
        (None, 24 * 60, False, (1, 2), 10),
    ],
)
def test_a_killed_digest_sends_each_window_with_one_content_at_most_twice_and_windows_tile(
    event, minutes, reads, contents, steps
):
    outcomes = killed_at_every_step(event, minutes, reads=reads)
    assert len(outcomes) > steps
    doubled = 0
    for taken in outcomes:
        for found in (Counter(sent_to(topic, taken)) for topic in ("digests", "chat")):
            assert len(found) in contents
            assert max(found.values()) <= 2
            doubled += sum(found.values()) - len(found)
        once = dict.fromkeys(sent_to("digests", taken))
        digests = [json.loads(json.loads(json.loads(m)["Message"])["default"]) for m in once]
        assert all(a["Window"]["End"] == b["Window"]["Start"] for a, b in pairwise(digests))
        listed = [ended["JobId"] for one in digests for ended in one["Completed"] + one["Failed"]]
        assert event or listed == ["one", "two"]
    # Only a kill between the publication and its record can double a message: of digest or of chat.
    assert 0 < doubled <= 4
