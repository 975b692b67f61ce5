"""What the overview counts, and how much it reads for it."""

from datetime import timedelta

import pytest

from jobledger.board import counting
from jobledger.board.charts import _round_up, status_bar
from jobledger.board.data import DAYS, BoardReader, SubmitTimes, last_days, read_overview
from jobledger.board.markup import about, span
from jobledger.errors import TooMuchToSummarise
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.rules import runs_long
from testing.api import running_api
from testing.boards import parsed
from testing.builders import NOW, full_job

TODAY = NOW.timestamp()
DAY = 86_400


@pytest.fixture
def api():
    with running_api() as running:
        yield running


def overview(api, window=None, go_on=lambda: None):
    reader = BoardReader(api.ledger, tuple(Family), lambda: api.now, go_on)
    return read_overview(reader, tuple(Family), window or last_days(api.now), api.now)


def counts_of(api, window=None):
    counts = overview(api, window).counts
    assert counts is not None
    return counts


def last_hours(hours):
    after = rfc3339(NOW - timedelta(hours=hours))
    return SubmitTimes(after, None, after, NOW)


def running(number, submitted, **more):
    usual = {"JobStatus": "IN_PROGRESS", "EndTime": None, "SubmitTime": submitted}
    return full_job(number, **usual | more)


def ended(number, seconds, **more):
    times = {"SubmitTime": TODAY - number * 3_600, "EndTime": TODAY - number * 3_600 + seconds}
    return full_job(number, **times | more)


def test_days_are_counted_in_utc_with_the_first_day_whole(api):
    midnight = NOW.replace(hour=0).timestamp()
    api.fill(
        full_job(1, SubmitTime=midnight),
        full_job(2, SubmitTime=midnight - 0.001, JobStatus="FAILED"),
        full_job(3, SubmitTime=midnight - 29 * DAY),
        full_job(4, SubmitTime=midnight - 29 * DAY - 0.001),
    )
    counts = counts_of(api)
    assert len(counts.days) == DAYS
    assert counts.days[0].date == rfc3339(NOW - timedelta(days=29))[:10]
    assert [sum(day.statuses.values()) for day in counts.days] == [1, *[0] * 27, 1, 1]
    assert counts.days[-2].statuses["FAILED"] == 1
    assert counts.by_status["COMPLETED"] == 2


def test_durations_are_counted_by_family_on_a_logarithmic_scale(api):
    api.fill(*(ended(number, 100 * number) for number in range(1, 21)))
    api.fill(ended(1, 5), ended(2, 1_000_000), family=Family.PHI)
    counts = counts_of(api)
    snomed, phi = counts.durations[Family.SNOMEDCT], counts.durations[Family.PHI]
    assert (snomed.total, snomed.p50, snomed.p95, snomed.longest) == (20, 1_000.0, 1_900.0, 2_000.0)
    assert sum(count for _, count in snomed.bins) == 20
    lows = [low for low, count in snomed.bins if count]
    assert lows[0] <= 100 < lows[1]
    assert (phi.bins[0][1], phi.bins[-1][1]) == (1, 1)
    assert counts.durations[Family.RXNORM].p50 is None


@pytest.mark.parametrize("days", [30, 90])
@pytest.mark.parametrize("age, is_long", [(3_600, False), (3_601, True), (100, False)])
def test_an_active_job_is_long_above_its_family_and_an_hour_whatever_the_window(
    api, age, is_long, days
):
    # In the last 30 days one minute, and before that ten hours.
    api.fill(ended(1, 60), *(ended(24 * 40 + n, 36_000) for n in range(20)))
    api.fill(running(500, TODAY - age))
    found = overview(api, last_hours(24 * days)).active
    (job,) = found.jobs
    assert runs_long(age, found.usual[job.family].p95) is is_long


def test_active_jobs_are_listed_oldest_first_unless_the_service_has_deleted_them(api):
    families = (Family.PHI, Family.RXNORM, Family.PHI)
    for number, status in enumerate(("SUBMITTED", "STOP_REQUESTED", "IN_PROGRESS", "IN_PROGRESS")):
        job = running(number, TODAY - 90 * DAY + number, JobStatus=status)
        api.fill(job, family=[*families, Family.SNOMEDCT][number])
    gone = NOW + timedelta(days=-90, seconds=3)
    api.ledger.mark_expired(Family.SNOMEDCT, f"{3:032x}", rfc3339(gone))
    found = overview(api).active
    assert [job.job_id for job in found.jobs] == [f"{number:032x}" for number in range(3)]
    assert found.total == 3


def test_of_many_active_jobs_the_oldest_are_listed_with_the_number_of_all(api):
    api.fill(*(running(number, TODAY - number) for number in range(60)))
    api.mark_synced()
    found = overview(api).active
    assert (len(found.jobs), found.total) == (50, 60)
    assert found.jobs[0].job_id == f"{59:032x}"
    assert "the oldest 50 of 60" in parsed(api.get("/board").body).text


def test_ten_troubles_are_listed_and_more_are_announced(api):
    api.fill(*(ended(number, 60, JobStatus="FAILED", Message="no") for number in range(1, 12)))
    api.fill(ended(400, 60, JobStatus="FAILED"), family=Family.PHI)  # 17 days old
    api.fill(ended(500, 60, JobStatus="PARTIAL_SUCCESS", SubmitTime=TODAY - 60))
    failed, partial = overview(api).troubles.values()
    assert [job.job_id for job in failed.jobs] == [f"{number:032x}" for number in range(1, 11)]
    assert ([job.job_id for job in partial.jobs], partial.more) == ([f"{500:032x}"], False)
    assert failed.more


def test_whole_days_are_counted_without_reading_their_jobs(api):
    for number in range(200):
        status = ("COMPLETED", "FAILED", "NEW")[number % 3]
        family = (Family.SNOMEDCT, Family.PHI)[number % 2]
        api.fill(ended(7 * number, 50 * number, JobStatus=status), family=family)
    windows = [last_days(NOW), *map(last_hours, (1, 13, 50, 24 * 45, 24 * 90))]
    windows.append(SubmitTimes(windows[5].after, windows[3].after, windows[5].after, NOW))
    of_rows = [counts_of(api, window) for window in windows]
    for family in Family:
        assert api.ledger.save_state(family, SyncState(as_of=rfc3339(NOW), counted=LAYOUT))
    assert [counts_of(api, window) for window in windows] == of_rows
    rows = api.database.rows_read
    counts_of(api)
    assert api.database.rows_read - rows < 150


def test_too_many_jobs_are_not_counted(api, monkeypatch):
    api.fill(*(ended(number, 60) for number in range(1, 12)))
    api.mark_synced()
    monkeypatch.setattr(counting, "_MOST_COUNTED", 11)
    assert overview(api).counts is not None
    monkeypatch.setattr(counting, "_MOST_COUNTED", 10)
    assert overview(api).counts is None
    page = parsed(api.get("/board").body)
    assert "too many jobs in this time range" in page.text
    assert len(page.all("table", "jobs")[0].all("tr")) == 12


def test_counting_stops_when_time_runs_out_and_a_shorter_window_has_fewer_days(api):
    def stop():
        raise TooMuchToSummarise

    api.fill(ended(1, 60))
    assert overview(api, go_on=stop).counts is None
    for hours, days in ((1, 1), (13, 2), (48, 3), (24 * 90, DAYS), (-5, 1)):
        counts = counts_of(api, last_hours(hours))
        assert (len(counts.days), counts.days[-1].date) == (days, rfc3339(NOW)[:10])


def test_a_scale_ends_at_a_round_number_and_one_failure_among_a_million_is_visible():
    tops = {0: 2, 1: 2, 3: 4, 9: 10, 10: 10, 11: 12, 95: 100, 101: 120, 999: 1_000, 4_321: 5_000}
    assert {value: _round_up(value) for value in tops} == tops
    parts = parsed(status_bar({"COMPLETED": 1_000_000, "FAILED": 1})).all("rect")
    widths = [float(part.attributes["width"].rstrip("%")) for part in parts]
    assert min(widths) > 0.5
    assert sum(widths) == pytest.approx(100, abs=0.1)
    assert "No jobs" in status_bar({"COMPLETED": 0})


def test_durations_are_written_for_people():
    for seconds, exact, rounded in (
        (None, "–", "–"), (0.4, "0 s", "0 s"), (59.9, "59 s", "60 s"), (61, "1 min 1 s", "61 s"),
        (409, "6 min 49 s", "7 min"), (3_600, "1 h", "60 min"), (9_000, "2 h 30 min", "2.5 h"),
        (266_400, "3 d 2 h", "74.0 h"),
    ):  # fmt: skip
        assert (span(seconds), about(seconds)) == (exact, rounded)
