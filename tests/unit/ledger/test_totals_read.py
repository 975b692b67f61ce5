"""What digests read of the ledger: usual durations, statuses outside the model, jobs that a fill found ended."""

from collections import Counter
from datetime import timedelta

import pytest

from jobledger.errors import NotUnderstood
from jobledger.ledger.active import active_from_row
from jobledger.ledger.job_facts import MOST_NAMED, OTHER_STATUS
from jobledger.ledger.rows import change_from_row
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.read import read_usual
from jobledger.totals.summary import few_statuses
from testing.builders import DAY, HOUR, NOW, SCOPE, a_job
from testing.counted import Counted

SNOMEDCT, PHI = Family.SNOMEDCT, Family.PHI


@pytest.mark.parametrize("layout", [0, None])
def test_usual_durations_are_those_of_the_last_thirty_days_counted_or_not(layout):
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    first = day - 29 * DAY
    minutes = {first: 10, first + DAY: 20, day: 30, first - timedelta(milliseconds=1): 500}
    world = Counted(
        *(
            a_job(f"{n}", submitted=at, EndTime=at + timedelta(minutes=n))
            for at, n in minutes.items()
        )
    )
    states = world.states() if layout is None else world.states(layout)
    asked: list[int] = []
    usual = read_usual(world.ledger, states, [SNOMEDCT, PHI], NOW, lambda: asked.append(1))
    assert usual[SNOMEDCT].p50 == pytest.approx(1_200, rel=0.01)
    assert usual[SNOMEDCT].p95 == pytest.approx(1_800, rel=0.01)
    assert usual[PHI].p50 is None
    assert bool(asked) is (layout == 0)


def test_the_twenty_most_frequent_statuses_outside_the_model_are_named():
    unknown = Counter({f"S{n:02}": 100 - n for n in range(MOST_NAMED)})
    known = Counter({"COMPLETED": 1, "UNKNOWN": 1})
    assert few_statuses(known + unknown) == known + unknown
    rare = Counter({"RARE": 3, "A": 80, "Z": 80})
    counted = few_statuses(known + unknown + rare)
    # S19 has 81; of the next, which are as frequent, none has a place.
    assert counted == known + unknown + Counter({OTHER_STATUS: 3 + 80 + 80})


def test_jobs_that_a_fill_found_ended_are_read_by_the_time_of_their_end():
    ended = {"a": NOW - 2 * HOUR, "b": NOW - HOUR, "c": NOW}
    world = Counted(*(a_job(job_id, EndTime=at) for job_id, at in ended.items()))
    found = world.ledger.ended_unseen(rfc3339(NOW - 2 * HOUR), rfc3339(NOW))
    assert [(change.job_id, change.previous) for change in found] == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    "read, row, wrong",
    [
        (active_from_row, {"SK": "a", "JobKey": 7}, "the key of an active job"),
        (
            active_from_row,
            {"SK": "a", "JobKey": f"{rfc3339(NOW)}#a", "UnknownAt": "c"},
            "a time of an active job",
        ),
        (change_from_row, {}, "a row of the change log"),
    ],
)
def test_a_row_that_is_not_understood_is_named(read, row, wrong):
    with pytest.raises(NotUnderstood) as error:
        read({"PK": f"{SCOPE}/PHI", **row})
    assert wrong in str(error.value)
