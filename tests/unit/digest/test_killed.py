"""Killed at any step: a rerun completes it with the same id and the same bytes."""

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import count, pairwise
from typing import Any

import pytest

from testing.digests import Context, DigestWorld, place_of

CHAT = "arn:aws:sns:eu-central-1:111122223333:chat"
BY_SOURCE: dict[str, Any] = {
    "SOURCES": "eu-central-1=111122223333;us-east-1=444455556666;eu-west-1=444455556666",
    "DIGEST_BY": "source",
    "stride": 3,
}
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
    event: dict[str, Any] | None,
    minutes: int,
    *,
    reads: bool = False,
    stride: int = 1,
    **setting: Any,
) -> Iterator[DigestWorld]:
    """Yield the world after two runs, of which the first was killed, for each step at which it can be.

    A `stride` leaves out steps. The other run comes so many minutes after the first, when more has happened to each source.
    """
    for step in count(step=stride):
        world = DigestWorld(CHAT_TOPIC_ARN=CHAT, **setting)
        for source in world.ledger.sources:
            world.observe("one", "COMPLETED", source=source)
        world.forward(minutes=5)
        ended = run_until(world, event, step, reads=reads)
        time.sleep(0.002)
        world.dependencies = world.assembled()
        world.forward(minutes=4)
        for source in world.ledger.sources:
            world.observe("two", "FAILED", source=source)
        world.forward(minutes=1 + minutes)
        world.run(event, Context(milliseconds=1))
        yield world
        if ended:
            return


def sent_to(topic: str, world: DigestWorld) -> Counter[str]:
    taken = (message for message in world.topic.taken if message["TopicArn"].endswith(topic))
    return Counter(map(json.dumps, taken))


@pytest.mark.parametrize(
    "event, minutes, more, contents, steps",
    [
        # The same event or request is one window.
        ({"ScheduledTime": "2026-11-23T08:05:00Z"}, 0, {"reads": True}, (1,), 40),
        ({"IdempotencyKey": "a"}, 1, {}, (1,), 10),
        # The next day is one more, unless the first run had come to nothing: then it covers both.
        (None, 24 * 60, {}, (1, 2), 10),
        (None, 24 * 60, BY_SOURCE, (3, 4, 5, 6), 6),
    ],
)
def test_a_killed_digest_sends_each_window_with_one_content_at_most_twice_and_windows_tile(
    event, minutes, more, contents, steps
):
    step = doubled = 0
    for step, world in enumerate(killed_at_every_step(event, minutes, **more), 1):  # noqa: B007
        for found in (sent_to("digests", world), sent_to("chat", world)):
            assert len(found) in contents
            assert max(found.values()) <= 2
            doubled += sum(found.values()) - len(found)
        by_source = defaultdict(list)
        for message in sent_to("digests", world):
            digest = json.loads(json.loads(json.loads(message)["Message"])["default"])
            by_source[place_of(digest)].append(digest)
        assert by_source.keys() == set(world.ledger.sources)
        for digests in by_source.values():
            assert all(a["Window"]["End"] == b["Window"]["Start"] for a, b in pairwise(digests))
            jobs = [job["JobId"] for one in digests for job in one["Completed"] + one["Failed"]]
            assert event or jobs == ["one", "two"]
    assert step > steps
    # Only a kill between the publication and its record can double a message: of digest or of chat.
    assert doubled > 0
    assert doubled <= 4 or len(world.ledger.sources) > 1, "sources are published at once"
