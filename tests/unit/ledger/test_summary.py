"""Counts and durations of jobs."""

from collections import Counter
from datetime import UTC, datetime
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobledger.jobs import TERMINAL, Family, JobStatus
from jobledger.ledger.counts import bucket_of, percentile, readable, seconds_of
from jobledger.ledger.job_facts import JobFacts
from jobledger.totals.summary import summarise

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def facts(status: str | None, family: Family = Family.SNOMEDCT, **times: str | None) -> JobFacts:
    given: Any = {"submit_time": None, "end_time": None, "expiration_time": None, **times}
    return JobFacts(family=family, job_id="a" * 32, status=status, **given)


def at(time: str) -> str:
    return f"2026-11-{time}.000Z"


def test_a_summary_of_no_jobs_has_zeros_and_null_where_there_is_no_value():
    expected = {
        "Total": 0,
        "ByStatus": dict.fromkeys(JobStatus, 0),
        "ByFamily": dict.fromkeys(Family, 0),
        "Durations": {"p50": None, "p90": None, "max": None},
        "OldestActive": None,
        "ExpiringSoon": 0,
        "FailureRate": None,
    }
    assert expected == summarise([], NOW).to_json()


def test_durations_are_of_finished_jobs_that_have_both_times_in_order():
    jobs = [
        facts("COMPLETED", submit_time=at("20T00:00:00"), end_time=at(f"20T00:00:{seconds:02d}"))
        for seconds in range(1, 11)
    ]
    jobs += [
        facts("COMPLETED", submit_time=at("20T00:00:09"), end_time=at("20T00:00:00")),
        facts("FAILED", submit_time=at("20T00:00:09")),
        facts("IN_PROGRESS", submit_time=at("20T00:00:00"), end_time=at("20T10:00:00")),
    ]
    expected = {"p50": 5.0, "p90": 9.0, "max": 10.0}
    assert expected == summarise(jobs, NOW).to_json()["Durations"]


def test_the_oldest_active_job_is_the_first_submitted_whose_submit_time_is_known():
    jobs = [
        facts("COMPLETED", submit_time=at("01T00:00:00")),
        facts("SUBMITTED"),
        facts("IN_PROGRESS", submit_time=at("23T11:00:00")),
        facts("STOP_REQUESTED", Family.PHI, submit_time=at("23T10:00:00")),
    ]
    expected = {
        "JobId": "a" * 32,
        "Family": "PHI",
        "JobStatus": "STOP_REQUESTED",
        "SubmitTime": at("23T10:00:00"),
        "AgeSeconds": 7200.0,
    }
    assert expected == summarise(jobs, NOW).to_json()["OldestActive"]


@pytest.mark.parametrize(
    "expiration,expected",
    [
        (at("23T11:59:59"), 0),
        (at("23T12:00:00"), 1),
        (at("30T11:59:59"), 1),
        (at("30T12:00:00"), 0),
        (None, 0),
    ],
)
@pytest.mark.parametrize("now", [NOW, NOW.replace(minute=59, second=59)])
def test_a_job_expires_soon_within_seven_days_from_the_start_of_this_hour(
    expiration, expected, now
):
    assert (
        expected == summarise([facts("COMPLETED", expiration_time=expiration)], now).expiring_soon
    )


def test_the_failure_rate_leaves_out_jobs_that_were_stopped_or_are_under_way():
    statuses = ["FAILED", "COMPLETED", "COMPLETED", "PARTIAL_SUCCESS", "STOPPED", "IN_PROGRESS"]
    assert summarise(map(facts, statuses), NOW).failure_rate == 0.25


def test_unknown_statuses_are_counted_and_final_once_there_is_an_end_time():
    jobs = [
        facts("NEW", submit_time=at("20T00:00:00")),
        facts("NEW", submit_time=at("19T00:00:00"), end_time=at("19T00:01:00")),
        facts(None),
    ]
    summary = summarise(jobs, NOW)
    assert {"NEW": 2, "UNKNOWN": 1}.items() <= summary.by_status.items()
    assert summary.durations.max == 60.0
    assert summary.oldest_active is not None
    assert summary.oldest_active.submit_time == at("20T00:00:00")


def test_only_the_families_asked_for_are_listed_with_zeros():
    assert summarise([], NOW, [Family.PHI]).by_family == {"PHI": 0}


@given(st.lists(st.sampled_from([*JobStatus, None, "NEW"])))
def test_the_counts_add_up_to_the_total(statuses):
    summary = summarise(map(facts, statuses), NOW)
    assert len(statuses) == summary.total == sum(summary.by_status.values())
    assert summary.total == sum(summary.by_family.values())
    active = any(status not in TERMINAL for status in statuses)
    assert summary.oldest_active is None or active


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(0, 100))
def test_a_percentile_is_within_one_percent_of_the_exact_one(milliseconds, percent):
    ordered = sorted(number / 1000 for number in milliseconds)
    exact = ordered[max(ceil(len(ordered) * percent / 100), 1) - 1]
    value = percentile(Counter(map(bucket_of, ordered)), percent)
    assert value is not None
    assert value == pytest.approx(exact, rel=0.005_1)
    assert readable(value) == pytest.approx(exact, rel=0.01)


def test_a_duration_of_two_digits_is_not_rounded():
    durations = [round(n * 10.0**exponent, 3) for n in range(1, 100) for exponent in range(-3, 6)]
    assert [readable(seconds_of(bucket_of(seconds))) for seconds in durations] == durations
