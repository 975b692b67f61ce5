"""Summaries: which rows are read for a time range, which jobs are active, and what is usual."""

from datetime import datetime
from math import ceil
from typing import Any
from unittest import mock

import pytest
from msgspec.structs import replace

from jobledger.digest.current import read_current_totals
from jobledger.digest.shortlists import LONGEST_LIST
from jobledger.errors import TooMuchToSummarise
from jobledger.ledger.counters import partition
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.states import SyncState, Walk
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.read import active_jobs, counted_families, read_summary, read_usual
from testing.builders import DAY, HOUR, MILLISECOND, MINUTE, NOW, SCOPE, SECOND, a_job
from testing.counted import Counted

PHI, SNOMEDCT = Family.PHI, Family.SNOMEDCT
BOTH = (SNOMEDCT, PHI)
COUNTED = SyncState(as_of=rfc3339(NOW), counted=LAYOUT, idle=True)
ALL_COUNTED = dict.fromkeys(Family, COUNTED)


def ranges(world: Counted) -> Any:
    """The counter rows and the job rows that were asked for, each from one key to another."""
    counters, jobs = list[Any](), list[Any]()
    for query in world.database.queries:
        values = {name: value["S"] for name, value in query["ExpressionAttributeValues"].items()}
        bounds = values[":low"], values[":high"]
        if of_counters := ":totals" in values:
            assert (values[":totals"], query["ConsistentRead"]) == (partition(SCOPE), False)
        (counters if of_counters else jobs).append(bounds)
    return counters, jobs


SOON = ("expires#2026-11-23#", "expires#2026-11-30~~")
ALL = ("all#", "all#~")


def counter_rows(text: str) -> tuple[str, str]:
    """The keys of counter rows, from one day or month to another."""
    kind, first, last = text.split()
    return f"{kind}#{first}#" if kind == "day" else f"{kind}#{first}", f"{kind}#{last}#~"


def from_eight(day: str) -> tuple[str, str]:
    """The rows of a day after 08:00."""
    following = datetime.fromisoformat(f"{day}T00:00Z") + DAY
    return f"{day}T08:00:00.000Z$", f"{rfc3339(following)}#"


def until_eight(day: str) -> tuple[str, str]:
    """The rows of a day before 08:00."""
    before = datetime.fromisoformat(f"{day}T00:00Z") - MILLISECOND
    return f"{rfc3339(before)}$", f"{day}T08:00:00.000Z#"


@pytest.mark.parametrize(
    "after,before,counters",
    [
        # From the first of a month on: months alone, and the rows of the day of the bound.
        ("2026-09-30", None, "month 2026-10 ~"),
        ("2026-10-01", None, "day 2026-10-02 2026-10-31, month 2026-11 ~"),
        (None, "2026-11-01", "month 0 2026-10"),
        (None, "2026-10-31", "day 2026-10-01 2026-10-30, month 0 2026-09"),
        # Whole months between two bounds, and the days before and after them.
        ("2026-08-31", "2026-11-01", "month 2026-09 2026-10"),
        (
            *("2026-08-30", "2026-11-02"),
            "day 2026-08-31 2026-08-31, day 2026-11-01 2026-11-01, month 2026-09 2026-10",
        ),
        # Days of one month, a whole month, and one day.
        ("2026-10-05", "2026-10-20", "day 2026-10-06 2026-10-19"),
        ("2026-09-30", "2026-10-20", "day 2026-10-01 2026-10-19"),
        ("2026-10-19", "2026-11-01", "day 2026-10-20 2026-10-31"),
        ("2026-09-30", "2026-11-01", "month 2026-10 2026-10"),
        ("2026-10-05", "2026-10-07", "day 2026-10-06 2026-10-06"),
        # Two months of which neither is whole, and the last month of the calendar.
        ("2026-10-20", "2026-11-10", "day 2026-10-21 2026-11-09"),
        ("9999-12-05", None, "day 9999-12-06 9999-12-31, month ~ ~"),
    ],
)
def test_whole_months_and_days_are_read_from_counters_and_the_rest_from_rows(
    after, before, counters
):
    jobs = ([from_eight(after)] if after else []) + ([until_eight(before)] if before else [])
    assert read_ranges(after, before) == ([*map(counter_rows, counters.split(", ")), SOON], jobs)
    # A range without a whole day is read from rows, and all jobs from one counter row.
    eight = "T08:00:00.000Z"
    for first, last, low, high in (
        ("2026-10-05", "2026-10-06", f"2026-10-05{eight}$", f"2026-10-06{eight}#"),
        ("9999-12-31", None, f"9999-12-31{eight}$", ":"),
        (None, "0001-01-01", "0", f"0001-01-01{eight}#"),
    ):
        assert read_ranges(first, last) == ([], [(low, high)])
    assert read_ranges(None, None) == ([ALL, SOON], [])


def read_ranges(after: str | None, before: str | None) -> tuple[Any, Any]:
    """What a summary from 08:00 of one day to 08:00 of another reads."""
    world = Counted()
    first, last = (day and f"{day}T08:00:00.000Z" for day in (after, before))
    query = JobQuery((SNOMEDCT,), after=first, before=last)
    read_summary(world.ledger, query, ALL_COUNTED, NOW)
    return ranges(world)


@pytest.mark.parametrize("filters", [{"name": "nightly"}, {"name_prefix": "night"}])
def test_a_summary_by_name_reads_rows_and_no_counter(filters):
    world = Counted(a_job("a", JobName="nightly"), a_job("b", JobName="weekly"))
    summary = read_summary(world.ledger, JobQuery(**filters), ALL_COUNTED, NOW)
    assert (summary.total, ranges(world)) == (1, ([], [("0", ":")]))


def test_only_the_families_whose_counters_are_complete_are_read_from_them():
    states = {
        SNOMEDCT: COUNTED,
        PHI: replace(COUNTED, counted=LAYOUT - 1),
        Family.RXNORM: SyncState(),
        Family.ICD10CM: replace(COUNTED, counted=LAYOUT + 1),
    }
    assert counted_families(states, tuple(Family)) == (SNOMEDCT,)
    assert counted_families(ALL_COUNTED, [PHI, SNOMEDCT]) == (PHI, SNOMEDCT)
    world = Counted(a_job("a"), a_job("b", family=PHI), a_job("c", family=Family.ICD10CM))
    summary = read_summary(world.ledger, JobQuery(families=BOTH), states, NOW)
    assert summary.by_family == {"SNOMEDCT": 1, "PHI": 1}
    assert ranges(world) == ([ALL, SOON], [("0", ":")])


def test_a_reader_is_asked_between_all_requests_and_may_stop():
    world = Counted(*(a_job(f"{n}", submitted=NOW - n * DAY) for n in range(60)))
    query = JobQuery(families=BOTH, after=rfc3339(NOW - 40 * DAY), before=rfc3339(NOW - 5 * DAY))
    states, asked = {SNOMEDCT: COUNTED}, mock.Mock()
    read_summary(world.ledger, query, states, NOW, asked)
    # After the counters; before and after each end of the range; and after the rows of the other family.
    assert asked.call_count == 1 + 2 * 2 + 1
    asked.side_effect = TooMuchToSummarise
    for family in BOTH:
        with pytest.raises(TooMuchToSummarise):
            read_summary(world.ledger, replace(query, families=(family,)), states, NOW, asked)


def test_active_jobs_are_those_with_a_row_and_those_in_a_state_of_an_older_version():
    world = Counted(
        a_job("old", "IN_PROGRESS", NOW - 3 * HOUR),
        a_job("ended", "IN_PROGRESS", NOW - 4 * HOUR),
        a_job("bare", "SUBMITTED", None),
        a_job("old", "SUBMITTED", NOW - 9 * HOUR, PHI),
    )
    world.record(a_job("ended", "COMPLETED", NOW - 4 * HOUR))
    before = SyncState(
        active={"old": rfc3339(NOW - 3 * HOUR), "state": rfc3339(NOW - HOUR)},
        walk=Walk("t", active={"walk": rfc3339(NOW - 2 * HOUR), "bare": ""}),
        full_walk=Walk("t", active={"full": rfc3339(NOW - 5 * HOUR)}),
    )
    world.database.forget()
    found = active_jobs(world.ledger, {SNOMEDCT: before, PHI: SyncState()}, tuple(Family))
    assert [f"{family} {job.job_id}" for family, job in found] == [
        *("SNOMEDCT bare", "PHI old", "SNOMEDCT full", "SNOMEDCT old", "SNOMEDCT walk"),
        "SNOMEDCT state",
    ]
    assert world.database.calls == {"query": 2}
    assert active_jobs(world.ledger, {}, tuple(Family)) == []
    assert active_jobs(world.ledger, {PHI: SyncState(idle=True)}, [PHI]) == []


def test_of_many_active_jobs_a_summary_reads_one_hundred_and_a_digest_those_that_it_can_list():
    most = LONGEST_LIST + 200
    jobs = (a_job(f"{n:04}", "IN_PROGRESS", NOW - HOUR - n * SECOND) for n in range(most))
    world = Counted(*jobs)
    states = world.states()
    oldest = read_summary(world.ledger, JobQuery(), states, NOW).oldest_active
    assert oldest
    assert oldest.job_id == f"{most - 1:04}"
    assert world.database.calls["batch_get_item"] == 1
    world.database.forget()
    found = read_current_totals(world.ledger, (SNOMEDCT,), states, NOW).active
    assert (found.total, len(found.jobs())) == (most, LONGEST_LIST)
    assert world.database.calls["batch_get_item"] == ceil(LONGEST_LIST / 100) + 1


@pytest.mark.parametrize("layout", [0, LAYOUT])
def test_usual_durations_are_those_of_the_last_thirty_days_counted_or_not(layout):
    day = NOW.replace(hour=0)
    first = day - 29 * DAY
    minutes = {first: 10, first + DAY: 20, day: 30, first - MILLISECOND: 500}
    world = Counted(
        *(a_job(f"{n}", submitted=at, EndTime=at + n * MINUTE) for at, n in minutes.items())
    )
    asked: list[int] = []
    usual = read_usual(world.ledger, world.states(layout), BOTH, NOW, lambda: asked.append(1))
    assert usual[SNOMEDCT].p50 == pytest.approx(1_200, rel=0.01)
    assert usual[SNOMEDCT].p95 == pytest.approx(1_800, rel=0.01)
    assert usual[PHI].p50 is None
    assert bool(asked) is (layout == 0)
