"""The progress of a walk, page by page."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from jobledger.jobs import Family, Job, job_from_service
from jobledger.ledger.writing import Walk
from jobledger.sync.progress import advanced, later, other_walk
from jobledger.sync.upstream import UpstreamPage
from jobledger.times import rfc3339

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WALK = Walk(started_at=rfc3339(NOW))


def a_job(job_id: str, status: str, submitted: datetime | None = NOW - HOUR) -> Job:
    properties = {"JobId": job_id, "JobStatus": status}
    times = {"SubmitTime": submitted} if submitted else {}
    job = job_from_service(Family.PHI, properties | times)
    assert job is not None
    return job


def page(*jobs: Job, token: str | None = None) -> UpstreamPage:
    return UpstreamPage(jobs=jobs, next_token=token)


def test_a_page_adds_to_the_walk_its_token_its_active_jobs_and_one_page():
    walk = advanced(WALK, page(a_job("a", "SUBMITTED"), a_job("b", "FAILED"), token="next"))
    assert walk == replace(
        WALK,
        next_token="next",
        pages=1,
        high_water_mark=rfc3339(NOW - HOUR),
        active={"a": rfc3339(NOW - HOUR)},
    )
    last = advanced(walk, page(a_job("c", "IN_PROGRESS", None)))
    assert (last.next_token, last.pages) == (None, 2)
    assert last.active == {"a": rfc3339(NOW - HOUR), "c": ""}
    assert last.high_water_mark == walk.high_water_mark


def test_a_job_that_a_later_page_has_as_ended_is_not_active():
    walk = advanced(WALK, page(a_job("a", "SUBMITTED"), a_job("b", "SUBMITTED"), token="next"))
    assert advanced(walk, page(a_job("a", "COMPLETED"), a_job("x", "FAILED"))).active.keys() == {
        "b"
    }


def test_jobs_that_are_listed_are_not_missing_any_more():
    walk = replace(WALK, missing={"a": "t", "b": "u", "c": "v"})
    jobs = a_job("a", "SUBMITTED"), a_job("c", "FAILED"), a_job("d", "FAILED")
    assert advanced(walk, page(*jobs)).missing == {"b": "u"}


@pytest.mark.parametrize(
    "before,submitted,mark",
    [
        (None, [], None),
        (None, [None], None),
        (None, [-2, -1, -3], -1),
        (-1, [-2], -1),
        (-2, [-1], -1),
        (-2, [None], -2),
        # A clock that is ahead of ours.
        (None, [-1, 24], 0),
        (-2, [24], 0),
    ],
)
def test_the_high_water_mark_is_the_newest_submit_time_but_not_after_the_start(
    before, submitted, mark
):
    def at(hours: int | None) -> str | None:
        return None if hours is None else rfc3339(NOW + hours * HOUR)

    jobs = [
        a_job(f"{n}", "FAILED", None if hours is None else NOW + hours * HOUR)
        for n, hours in enumerate(submitted)
    ]
    walk = advanced(replace(WALK, high_water_mark=at(before)), page(*jobs))
    assert walk.high_water_mark == at(mark)


@pytest.mark.parametrize(
    "one,other,expected",
    [("a", "b", "b"), ("b", "a", "b"), ("a", None, "a"), (None, "a", "a"), (None, None, None)],
)
def test_the_later_of_two_times_that_may_be_absent(one, other, expected):
    assert later(one, other) == expected


def test_a_walk_of_another_sync_is_kept_when_ours_is_complete():
    other = Walk(started_at=rfc3339(NOW + HOUR))
    assert other_walk(other, WALK) == other
    assert other_walk(replace(WALK, pages=3), WALK) is None
    assert other_walk(None, WALK) is None
