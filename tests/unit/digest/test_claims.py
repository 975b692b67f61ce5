"""What a stored digest state says: of an earlier version, of a wrong clock, and of missed runs."""

from datetime import timedelta

import msgspec
import pytest

from jobledger.digest.claims import DigestState, Sent
from jobledger.times import rfc3339
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


def test_another_schedule_has_to_run_twice_before_its_missed_runs_are_noticed():
    state = DigestState()
    for schedule, day, noticed in (
        *(("weekly", 1, None), ("weekly", 8, "weekly"), ("weekly", 15, "weekly")),
        *(("daily", 16, None), ("daily", 17, "daily")),
    ):
        state = state.after_run(schedule, f"2026-11-{day:02}T08:00:00.000Z")
        for each in ("weekly", "daily"):
            assert state.is_gap(each, "2026-11-29T08:00:00.000Z") is (each == noticed)


def test_a_claim_of_an_earlier_version_is_read_and_written_as_it_was():
    stored = b'{"Claim":{"DigestId":"d","Start":"s","End":"e","Counts":{},"Parcel":"packed"},"Version":1}'
    state = msgspec.json.decode(stored, type=DigestState)
    assert state.claim is not None
    assert state.claim.messages == "packed"
    assert msgspec.json.decode(msgspec.json.encode(state)) == msgspec.json.decode(stored)
