"""The progress of a walk, page by page."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from jobledger.jobs import Job, job_from_service
from jobledger.ledger.states import Walk
from jobledger.service import Family
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


def test_a_page_adds_to_the_walk_its_token_the_times_it_reached_and_one_page():
    begun = replace(WALK, after=rfc3339(NOW - 9 * HOUR))
    walk = advanced(begun, page(a_job("a", "SUBMITTED"), a_job("b", "FAILED"), token="next"))
    at = rfc3339(NOW - HOUR)
    assert walk == replace(begun, next_token="next", pages=1, high_water_mark=at, reached=at)
    last = advanced(walk, page(a_job("c", "IN_PROGRESS", None)))
    assert (last.next_token, last.pages) == (None, 2)
    assert (last.high_water_mark, last.reached) == (at, at)
    older = advanced(walk, page(a_job("d", "IN_PROGRESS", NOW - 2 * HOUR), a_job("a", "FAILED")))
    assert (older.high_water_mark, older.reached) == (at, rfc3339(NOW - 2 * HOUR))


def test_a_walk_in_no_documented_order_has_reached_no_time():
    assert advanced(WALK, page(a_job("a", "SUBMITTED"), token="next")).reached is None


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
