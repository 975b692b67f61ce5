"""The progress of a walk, page by page; tests/unit/sync/test_walk.py has what is kept of it."""

import pytest
from msgspec.structs import replace

from jobledger.ledger.states import Walk
from jobledger.service import Family
from jobledger.sync.progress import advanced
from jobledger.sync.upstream import UpstreamPage
from jobledger.times import rfc3339
from testing.builders import HOUR, NOW, a_job

WALK = Walk(started_at=rfc3339(NOW))


@pytest.mark.parametrize(
    "before,submitted,mark",
    [
        *((None, [], None), (None, [None], None), (None, [-2, -1, -3], -1)),
        *((-1, [-2], -1), (-2, [-1], -1), (-2, [None], -2)),
        # A clock that is ahead of ours.
        *((None, [-1, 24], 0), (-2, [24], 0)),
    ],
)
def test_the_high_water_mark_is_the_newest_submit_time_but_not_after_the_start(
    before, submitted, mark
):
    def at(hours: int | None) -> str | None:
        return None if hours is None else rfc3339(NOW + hours * HOUR)

    times = (None if hours is None else NOW + hours * HOUR for hours in submitted)
    jobs = [a_job(f"{n}", "FAILED", time, Family.PHI) for n, time in enumerate(times)]
    walk = advanced(replace(WALK, high_water_mark=at(before)), UpstreamPage((*jobs,), None))
    assert walk.high_water_mark == at(mark)


def test_a_page_is_one_page_more_and_reaches_its_oldest_job_in_the_documented_order():
    jobs = [a_job("a", submitted=NOW), a_job("b", "SUBMITTED", None), a_job("c", "SUBMITTED")]
    for after, reached in ((rfc3339(NOW - 9 * HOUR), rfc3339(NOW - HOUR)), (None, None)):
        walk = advanced(replace(WALK, after=after, pages=2), UpstreamPage((*jobs,), "next"))
        assert (walk.next_token, walk.pages, walk.reached) == ("next", 3, reached)
