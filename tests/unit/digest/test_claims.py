"""What a stored digest state says when a wrong clock wrote it, and when runs were missed."""

from datetime import timedelta

import pytest

from jobledger.digest.claims import DigestState, Sent
from jobledger.times import rfc3339
from jobledger.wording import board_page
from testing.digests import NOW

PAST, LATER, AHEAD = (rfc3339(NOW + timedelta(hours=hours)) for hours in (-2, -1, 2))


@pytest.mark.parametrize(
    "start, end, covered",
    [(PAST, LATER, LATER), (PAST, AHEAD, PAST), (AHEAD, AHEAD, None)],
)
def test_changes_are_covered_up_to_the_last_end_that_a_right_clock_can_have_written(
    start, end, covered
):
    last = Sent("an id", start, end, {}, "a message")
    assert DigestState(last=last).covered_until(NOW) == covered


def test_times_ahead_are_unknown_in_a_digest_state():
    state = DigestState(first_start=AHEAD, scheduled_end=AHEAD, schedule="daily")
    assert state.known_at(NOW) == DigestState(schedule="daily")
    right = DigestState(first_start=PAST, scheduled_end=LATER)
    assert right.known_at(NOW) == right


@pytest.mark.parametrize("milliseconds, missed", [(0, False), (1, True)])
def test_runs_were_missed_after_more_than_one_and_a_half_of_the_usual_time(milliseconds, missed):
    state = DigestState(schedule="daily", scheduled_end=PAST, usual=(3600, 7200))
    end = NOW + timedelta(hours=1, milliseconds=milliseconds)
    assert state.is_gap("daily", rfc3339(end)) is missed


@pytest.mark.parametrize(
    "job_id, path", [("a/b c", "a%2Fb%20c"), ("x\ud800", "x%3F"), ("ü", "%C3%BC")]
)
def test_the_address_of_a_page_of_the_board_has_any_job_id(job_id, path):
    assert board_page("https://api", job_id) == f"https://api/board/jobs/{path}"
