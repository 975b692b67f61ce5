"""Totals: the names under which a job is counted, and how counts and durations are rendered."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobledger.ledger.counts import (
    Totals,
    bucket_of,
    counts_of_job,
    expiration_of,
    expiration_parts,
    percentiles,
    readable,
    seconds_of,
    without_hours,
)
from jobledger.ledger.job_facts import MOST_NAMED, OTHER_STATUS, JobFacts
from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339
from jobledger.totals.summary import Tally, every_status, expiring_soon, few_statuses, summarise

PHI, SNOMEDCT = Family.PHI, Family.SNOMEDCT
SUBMITTED = "2026-11-23T07:59:59.999Z"
NOW = datetime(2026, 11, 23, 12, 34, 56, 789_000, tzinfo=UTC)


def facts(
    status: str | None = "COMPLETED", submit_time: str | None = SUBMITTED, **more: Any
) -> JobFacts:
    usual = {"family": SNOMEDCT, "job_id": "job", "end_time": None, "expiration_time": None}
    return JobFacts(status=status, submit_time=submit_time, **usual | more)


def later(seconds: float) -> str:
    """A time so many seconds after SUBMITTED."""
    return rfc3339(datetime.fromisoformat(SUBMITTED) + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "job,names",
    [
        (facts(), "Jobs#COMPLETED Hour#07"),
        (facts(None), "Jobs#UNKNOWN Hour#07"),
        (facts(submit_time=None), "Jobs#COMPLETED Hour#00"),
        (facts(end_time=later(1)), "Jobs#COMPLETED Hour#07 D#695#COMPLETED"),
        (facts("IN_PROGRESS", end_time=SUBMITTED), "Jobs#IN_PROGRESS Hour#07"),
        (facts("PAUSED", end_time=SUBMITTED), "Jobs#PAUSED Hour#07 D#-1#OTHER"),
        (facts(None, end_time=SUBMITTED), "Jobs#UNKNOWN Hour#07 D#-1#UNKNOWN"),
        (facts("PAUSED"), "Jobs#PAUSED Hour#07"),
        (facts(end_time=later(-0.001)), "Jobs#COMPLETED Hour#07"),
        (facts(submit_time=None, end_time=SUBMITTED), "Jobs#COMPLETED Hour#00"),
    ],
)
def test_a_job_is_counted_by_status_hour_and_duration(job, names):
    assert counts_of_job(job) == dict.fromkeys(names.split(), 1)


def test_a_job_is_counted_in_its_expiration_period_by_its_hours_and_status():
    for job, period, name in (
        (facts(), "2027-03-23~2026-11-23", "08#2026-11-23T07#COMPLETED"),
        (facts("PAUSED"), "2027-03-23~2026-11-23", "08#2026-11-23T07#OTHER"),
        (facts(None, None), "2027-03-23~1970-01-01", "08#1970-01-01T00#UNKNOWN"),
    ):
        expiring = replace(job, expiration_time="2027-03-23T08:15:00.000Z")
        assert expiration_of(expiring) == (period, name)
        assert expiration_of(job) is expiration_of(replace(job, expiration_time="")) is None


def test_the_parts_of_a_name_may_have_its_separator_in_the_status():
    assert expiration_parts("08#2026-11-23T07#A#B") == ("08", "2026-11-23T07", "A#B")
    totals = Totals()
    totals.add(PHI, {"D#5#A#B": 2, "Jobs#A#B": 3})
    assert (totals.durations([PHI]), totals.by_status()) == ({5: 2}, {"A#B": 3})
    assert without_hours({"Jobs#A": 1, "Hour#07": 1, "D#5#A": 1}) == {"Jobs#A": 1, "D#5#A": 1}


@given(st.integers(1, 10**12))
def test_a_duration_is_in_the_bucket_of_its_milliseconds(milliseconds):
    bucket = bucket_of(milliseconds / 1000)
    assert 1.01 ** (bucket - 1) * 0.999_999 < milliseconds <= 1.01**bucket * 1.000_001
    assert bucket_of(seconds_of(bucket)) == bucket or milliseconds < 200
    # The buckets of stored counters stay.
    found = [bucket_of(seconds) for seconds in (0, 0.000_4, 0.001, 0.001_01, 0.002, 1, 86_400)]
    assert found == [-1, -1, 0, 0, 70, 695, 1837]
    assert seconds_of(-1) == 0.0
    assert seconds_of(0) == pytest.approx(0.001, rel=0.006)


def test_a_percentile_is_the_nearest_rank_and_none_without_durations():
    ranks = {0: 1, 1: 1, 50: 1, 51: 2, 80: 2, 81: 7, 99: 7, 100: 7}
    assert percentiles({7: 2, 1: 5, 2: 3}, *ranks) == [seconds_of(n) for n in ranks.values()]
    for empty in ({}, {5: 0}, {5: 0, 6: 0}):
        assert percentiles(empty, 50, 90) == [None, None]


def test_a_duration_has_few_digits_and_one_of_two_digits_is_not_rounded():
    rounded = {0.0: 0.0, 1.000_4: 1.0, 1.236: 1.24, 3.141_59: 3.14, 0.595: 0.6, 10.037: 10.04}
    # Of the last one, not even four digits are in the same bucket.
    rounded |= {86_399: 86_000.0, 10.341: 10.341}
    assert {seconds: readable(seconds) for seconds in rounded} == rounded
    durations = [round(n * 10.0**exponent, 3) for n in range(1, 100) for exponent in range(-3, 6)]
    assert [readable(seconds_of(bucket_of(seconds))) for seconds in durations] == durations


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(0, 100))
def test_a_percentile_is_within_one_percent_of_the_exact_one(milliseconds, percent):
    ordered = sorted(number / 1000 for number in milliseconds)
    exact = ordered[max(ceil(len(ordered) * percent / 100), 1) - 1]
    (value,) = percentiles(Counter(map(bucket_of, ordered)), percent)
    assert value is not None
    assert value == pytest.approx(exact, rel=0.005_1)
    assert readable(value) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(
    "statuses,by_status,of_snomedct,of_phi,durations",
    [
        ((), {"FAILED": 13, "COMPLETED": 5}, 7, 11, {5: 13, 6: 4, 7: 1}),
        (("FAILED",), {"FAILED": 13}, 2, 11, {5: 12, 7: 1}),
        (("COMPLETED",), {"COMPLETED": 5}, 5, 0, {5: 1, 6: 4}),
        (("STOPPED",), {}, 0, 0, {}),
    ],
)
def test_counts_are_added_up_by_status_and_by_family(
    statuses, by_status, of_snomedct, of_phi, durations
):
    totals, failed = Totals(statuses), {"Jobs#FAILED": 2, "D#5#FAILED": 2}
    completed = {"Jobs#COMPLETED": 5, "Jobs#STOPPED": 0, "D#6#COMPLETED": 4, "D#5#COMPLETED": 1}
    totals.add(SNOMEDCT, failed | completed)
    totals.add(PHI, {"Jobs#FAILED": 10, "D#5#FAILED": 10})
    totals.add(PHI, {"Jobs#FAILED": 1, "D#7#FAILED": 1})
    assert totals.by_status() == by_status
    assert totals.by_family() == {SNOMEDCT: of_snomedct, PHI: of_phi}
    assert totals.durations(tuple(Family)) == durations
    assert totals.durations([Family.RXNORM]) == {}


def test_a_summary_of_no_jobs_has_zeros_and_null_where_there_is_no_value():
    zeros = {"Total": 0, "ExpiringSoon": 0, "OldestActive": None, "FailureRate": None}
    assert summarise([], NOW).to_json() == zeros | {
        "ByStatus": dict.fromkeys(JobStatus, 0),
        "ByFamily": dict.fromkeys(Family, 0),
        "Durations": {"p50": None, "p90": None, "max": None},
    }
    assert summarise([], NOW, [PHI]).by_family == {"PHI": 0}


def test_a_job_without_a_status_is_shown_as_unknown():
    summary = summarise([facts(None, "2026-11-23T12:34:00.000Z", family=PHI)], NOW).to_json()
    assert (summary["Total"], summary["ByFamily"]) == (1, dict.fromkeys(Family, 0) | {"PHI": 1})
    assert summary["ByStatus"] == dict.fromkeys(JobStatus, 0) | {"UNKNOWN": 1}
    oldest = {"JobId": "job", "Family": "PHI", "JobStatus": "UNKNOWN", "AgeSeconds": 56.789}
    assert summary["OldestActive"] == oldest | {"SubmitTime": "2026-11-23T12:34:00.000Z"}
    # No age is negative, and a job without a submit time has none.
    for submitted, age in ((NOW, 0.0), (NOW + timedelta(1), 0.0)):
        tomorrow = summarise([facts(None, rfc3339(submitted))], NOW).oldest_active
        assert tomorrow is not None
        assert tomorrow.age_seconds == age
    assert summarise([facts("SUBMITTED", None)], NOW).oldest_active is None


def test_statuses_of_the_model_come_first_in_its_order_and_then_others_by_name():
    counted = every_status(Counter({"NEW": 1, "FAILED": 2, "ALSO_NEW": 3}))
    of_the_model = [(status, 2 if status == "FAILED" else 0) for status in JobStatus]
    assert list(counted.items()) == [*of_the_model, ("ALSO_NEW", 3), ("NEW", 1)]


def test_the_twenty_most_frequent_statuses_outside_the_model_are_named():
    unknown = Counter({f"S{n:02}": 100 - n for n in range(MOST_NAMED)})
    known = Counter({"COMPLETED": 1, "UNKNOWN": 1})
    assert few_statuses(known + unknown) == known + unknown
    rare = Counter({"RARE": 3, "A": 80, "Z": 80})
    # S19 has 81; of the next, which are as frequent, none has a place.
    others = Counter({OTHER_STATUS: 3 + 80 + 80})
    assert few_statuses(known + unknown + rare) == known + unknown + others


def test_jobs_and_counts_are_added_to_one_summary():
    tally = Tally(NOW)
    tally.add_counts(PHI, {"Jobs#FAILED": 2, "D#695#FAILED": 1})
    tally.add_job(facts(end_time=later(2)))
    tally.add_job(facts("SUBMITTED", expiration_time=rfc3339(NOW)))
    summary = tally.summary([SNOMEDCT, Family.RXNORM])
    assert (summary.total, summary.failure_rate, summary.expiring_soon) == (4, 0.6667, 1)
    assert summary.by_family == {"SNOMEDCT": 2, "RXNORM": 0, "PHI": 2}
    assert (summary.durations.p50, summary.durations.p90, summary.durations.max) == (1, 2, 2)
    assert summary.oldest_active is not None
    # Of a query by status, only its counts.
    tally = Tally(NOW, ["FAILED"])
    tally.add_counts(PHI, {"Jobs#FAILED": 2, "Jobs#COMPLETED": 5, "D#5#COMPLETED": 5})
    summary = tally.summary([PHI])
    assert (summary.total, summary.by_family, summary.durations.max) == (2, {"PHI": 2}, None)


def test_durations_are_of_finished_jobs_that_have_both_times_in_order():
    jobs = [facts(end_time=later(seconds)) for seconds in range(1, 11)]
    jobs += [facts(end_time=later(-9)), facts("FAILED"), facts("IN_PROGRESS", end_time=later(99))]
    jobs += [facts("NEW"), facts("NEW", end_time=later(4))]
    assert summarise(jobs, NOW).to_json()["Durations"] == {"p50": 5.0, "p90": 9.0, "max": 10.0}


def test_the_failure_rate_leaves_out_jobs_that_were_stopped_or_are_under_way():
    rates = {"STOPPED IN_PROGRESS": None, "COMPLETED STOPPED": 0.0, "FAILED STOPPED": 1.0}
    rates["FAILED COMPLETED COMPLETED PARTIAL_SUCCESS STOPPED IN_PROGRESS"] = 0.25
    for statuses, rate in rates.items():
        assert summarise(map(facts, statuses.split()), NOW).failure_rate == rate


@pytest.mark.parametrize("now", [NOW, NOW.replace(minute=0, second=0), NOW.replace(minute=59)])
def test_a_job_expires_soon_within_seven_days_from_the_start_of_this_hour(now):
    assert expiring_soon(now) == ("2026-11-23T12:00:00.000Z", "2026-11-30T12:00:00.000Z")
    inside = "2026-11-23T12:00:00.000Z", "2026-11-30T11:59:59.999Z"
    outside = "2026-11-23T11:59:59.999Z", "2026-11-30T12:00:00.000Z", None
    for times, expected in ((inside, 2), (outside, 0)):
        jobs = (facts(expiration_time=time) for time in times)
        assert summarise(jobs, now).expiring_soon == expected


@pytest.mark.parametrize(
    "one,other",
    [
        (facts("SUBMITTED", later(-0.001), job_id="z"), facts("SUBMITTED")),
        (facts("SUBMITTED", job_id="a"), facts("SUBMITTED", job_id="b")),
        (facts("SUBMITTED", family=PHI), facts("SUBMITTED", family=SNOMEDCT)),
        (facts("SUBMITTED", job_id="z"), facts("SUBMITTED", None, job_id="a")),
        (facts("SUBMITTED", job_id="z"), facts("FAILED", later(-1))),
        (facts("PAUSED", job_id="z"), replace(facts("SUBMITTED", later(-1)), expired=True)),
    ],
)
def test_the_oldest_active_job_is_the_same_in_either_order(one, other):
    for jobs in ([one, other], [other, one]):
        oldest = summarise(jobs, NOW).oldest_active
        assert oldest is not None
        assert (oldest.family, oldest.job_id) == (one.family, one.job_id)
