"""Killed at any step: a rerun completes it with the same id and the same bytes."""

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
# One worker kills for all of them.
pytestmark = pytest.mark.xdist_group("digest-killed")


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict[str, list[dict[str, Any]]]:
    """For each kind of second run: what was sent, for each step at which the first was killed."""
    directory = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.digest.digest_killed", directory],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, list[dict[str, Any]]] = json.loads(
        (directory / "outcomes.json").read_text()
    )
    return outcomes


def kept_apart(taken: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What each topic took."""
    topics: dict[str, list[dict[str, Any]]] = {"digests": [], "chat": []}
    for message in taken:
        topics[message["TopicArn"].rpartition(":")[2]].append(message)
    return topics


@pytest.mark.slow
@pytest.mark.row(7, count="a kill at every step, 3 kinds of second run")
@pytest.mark.parametrize("second_run", ["SameEvent", "SameRequest", "NextDay"])
def test_a_killed_digest_sends_each_window_with_one_content_and_at_most_twice(killed, second_run):
    outcomes = killed[second_run]
    assert len(outcomes) > (40 if second_run == "SameEvent" else 10)
    assert [outcome["KilledAt"] for outcome in outcomes[:-1]] == list(range(len(outcomes) - 1))
    doubled = 0
    for outcome in outcomes:
        for messages in kept_apart(outcome["Taken"]).values():
            contents = Counter(json.dumps(message, sort_keys=True) for message in messages)
            # The same event or request is one window. The next day is one more, unless the first
            # run had come to nothing: then it covers both.
            assert len(contents) in ((1, 2) if second_run == "NextDay" else (1,))
            assert max(contents.values()) <= 2
            doubled += sum(contents.values()) - len(contents)
    # Only a kill between the publication and its record can double a message: of digest or of chat.
    assert 0 < doubled <= 4


@pytest.mark.slow
@pytest.mark.row(7, count="a kill at every step")
def test_after_a_kill_windows_tile(killed):
    for outcome in killed["NextDay"]:
        messages = kept_apart(outcome["Taken"])["digests"]
        once = dict.fromkeys(message["Message"] for message in messages)
        sent = [json.loads(json.loads(message)["default"]) for message in once]
        assert all(
            one["Window"]["End"] == other["Window"]["Start"] for one, other in pairwise(sent)
        )
        listed = [job["JobId"] for one in sent for job in one["Completed"] + one["Failed"]]
        assert listed == ["one", "two"]
