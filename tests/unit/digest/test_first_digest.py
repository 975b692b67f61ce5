"""The first digest of a deployment: what ended in its window, whoever saw it first."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from jobledger.jobs import job_from_service
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.digests import NOW, DigestWorld, published, sent

HOURS = timedelta(hours=1)


def fill(world: DigestWorld, family: Family, jobs: dict[str, tuple[str, Any]]) -> None:
    """A first fill finds jobs: by id their status, and how long before now they ended."""
    found = [
        job_from_service(
            family,
            {"JobId": name, "JobStatus": status, "SubmitTime": NOW - 90 * 24 * HOURS}
            | ({} if ago is None else {"EndTime": NOW - ago}),
        )
        for name, (status, ago) in jobs.items()
    ]
    listed = [job for job in found if job is not None]
    world.ledger.record(family, listed, rfc3339(world.now), announce_new=False)


def counts(digest: dict[str, Any]) -> dict[str, int]:
    return {status: count for status, count in digest["Counts"].items() if count}


def test_the_first_digest_has_what_ended_in_its_window_before_the_first_fill():
    world = DigestWorld()
    fill(
        world,
        Family.SNOMEDCT,
        {
            "failed": ("FAILED", 2 * HOURS),
            "done": ("COMPLETED", 23 * HOURS),
            "older": ("COMPLETED", 26 * HOURS),
            "no-end": ("STOPPED", None),
            "active": ("IN_PROGRESS", None),
        },
    )
    fill(world, Family.PHI, {"partly": ("PARTIAL_SUCCESS", 5 * HOURS)})
    digest = published(world)
    assert counts(digest) == {"FAILED": 1, "COMPLETED": 1, "PARTIAL_SUCCESS": 1}
    assert [job["JobId"] for job in digest["Failed"]] == ["failed"]
    assert digest["Verdict"] == "ATTENTION"


@pytest.mark.parametrize("first_after", [0, 1, 3, 60, 1_400])
def test_each_end_around_a_first_fill_is_in_one_digest(first_after):
    """However long after the fill the first digest is, and with a job that the fill saw run."""
    world = DigestWorld()
    ends = {f"job-{m}": ("COMPLETED", timedelta(minutes=m)) for m in range(5)}
    fill(world, Family.SNOMEDCT, {**ends, "runs": ("IN_PROGRESS", None)})
    world.observe("runs", "FAILED", SubmitTime=NOW - 90 * 24 * HOURS)
    world.forward(minutes=first_after)
    for _ in range(3):
        world.run({})
        world.forward(minutes=10)
    total = sum((Counter(counts(digest)) for digest in sent(world)), Counter[str]())
    assert total == {"COMPLETED": 5, "FAILED": 1}
    listed = [job["JobId"] for digest in sent(world) for job in digest["Completed"]]
    assert sorted(listed) == sorted(ends)


def test_a_fill_is_not_announced_and_can_be_repeated():
    world = DigestWorld()
    for _ in range(2):
        fill(world, Family.SNOMEDCT, {"failed": ("FAILED", 2 * HOURS)})
        world.forward(minutes=5)
    assert list(world.ledger.changes(Family.SNOMEDCT, "0", "9")) == []
    assert [change.job_id for change in world.ledger.ended_unseen("0", "9")] == ["failed"]
    assert counts(published(world)) == {"FAILED": 1}


def test_a_page_whose_jobs_all_ended_lately_fits_into_transactions():
    world = DigestWorld()
    fill(world, Family.SNOMEDCT, {f"{n:032x}": ("COMPLETED", HOURS) for n in range(500)})
    assert counts(published(world)) == {"COMPLETED": 500}


def test_a_digest_of_a_window_before_the_deployment_counts_what_the_fill_found():
    world = DigestWorld()
    fill(world, Family.SNOMEDCT, {"a": ("FAILED", 2 * HOURS), "b": ("FAILED", 4 * HOURS)})
    window = {"WindowStart": rfc3339(NOW - 3 * HOURS), "WindowEnd": rfc3339(NOW - HOURS)}
    world.run(window)
    assert counts(sent(world)[0]) == {"FAILED": 1}
