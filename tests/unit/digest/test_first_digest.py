"""The first digest of a deployment: what ended in its window, seen by the fill or by a later sync."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, a_job
from testing.digests import NOW, DigestWorld, published, sent


def fill(world: DigestWorld, jobs: dict[str, tuple[str, Any]], family=Family.SNOMEDCT) -> None:
    """A first fill finds jobs: by id their status, and how long before now they ended."""
    listed = [
        a_job(name, status, NOW - 90 * DAY, family, EndTime=None if ago is None else NOW - ago)
        for name, (status, ago) in jobs.items()
    ]
    world.ledger.record(family, listed, rfc3339(world.now), announce_new=False)


def counts(digest: dict[str, Any]) -> dict[str, int]:
    return {status: count for status, count in digest["Counts"].items() if count}


def test_the_first_digest_has_what_ended_in_its_window_before_the_first_fill(world):
    jobs = {"failed": ("FAILED", 2 * HOUR), "done": ("COMPLETED", 23 * HOUR)}
    others = {"older": ("COMPLETED", 26 * HOUR), "no-end": ("STOPPED", None)}
    fill(world, jobs | others | {"active": ("IN_PROGRESS", None)})
    fill(world, {"partly": ("PARTIAL_SUCCESS", 5 * HOUR)}, Family.PHI)
    digest = published(world)
    assert counts(digest) == {"FAILED": 1, "COMPLETED": 1, "PARTIAL_SUCCESS": 1}
    assert [job["JobId"] for job in digest["Failed"]] == ["failed"]
    assert digest["Verdict"] == "ATTENTION"


@pytest.mark.parametrize("first_after", [0, 1, 3, 60, 1_400])
def test_each_end_around_a_first_fill_is_in_one_digest(world, first_after):
    """However long after the fill the first digest is, and with a job that the fill saw run."""
    ends = {f"job-{m}": ("COMPLETED", timedelta(minutes=m)) for m in range(5)}
    fill(world, {**ends, "runs": ("IN_PROGRESS", None)})
    world.observe("runs", "FAILED", SubmitTime=NOW - 90 * DAY)
    world.forward(minutes=first_after)
    for _ in range(3):
        world.run({})
        world.forward(minutes=10)
    total = sum((Counter(counts(digest)) for digest in sent(world)), Counter[str]())
    assert total == {"COMPLETED": 5, "FAILED": 1}
    listed = [job["JobId"] for digest in sent(world) for job in digest["Completed"]]
    assert sorted(listed) == sorted(ends)


def test_a_fill_is_not_announced_and_can_be_repeated(world):
    for _ in range(2):
        fill(world, {"failed": ("FAILED", 2 * HOUR)})
        world.forward(minutes=5)
    assert list(world.ledger.changes(Family.SNOMEDCT, "0", "9")) == []
    assert [change.job_id for change in world.ledger.ended_unseen("0", "9")] == ["failed"]
    assert counts(published(world)) == {"FAILED": 1}


def test_a_page_whose_jobs_all_ended_lately_fits_into_transactions(world):
    fill(world, {f"{n:032x}": ("COMPLETED", HOUR) for n in range(500)})
    assert counts(published(world)) == {"COMPLETED": 500}


def test_a_digest_of_a_window_before_the_deployment_counts_what_the_fill_found(world):
    fill(world, {"a": ("FAILED", 2 * HOUR), "b": ("FAILED", 4 * HOUR)})
    window = {"WindowStart": rfc3339(NOW - 3 * HOUR), "WindowEnd": rfc3339(NOW - HOUR)}
    world.run(window)
    assert counts(sent(world)[0]) == {"FAILED": 1}
