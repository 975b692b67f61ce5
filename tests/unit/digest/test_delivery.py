"""One digest per window: the first one, the schedule, repeats, races, missed runs."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from msgspec.structs import replace

from jobledger.digest.claims import DigestState, DigestStateRow
from jobledger.digest.run import run
from jobledger.errors import DigestInProgress, PublishUncertain
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MINUTE, a_job
from testing.digests import NOW, WINDOW, Context, DigestWorld, published, sent, windows
from testing.full import in_full

RACES = in_full(10, 100)
SCHEDULED = {"ScheduledTime": "2026-11-23T08:00:00Z"}


def all_listed(world: DigestWorld, name: str) -> list[str]:
    """The ids of a list of all digests that went out."""
    return [job["JobId"] for digest in sent(world) for job in digest[name]]


def test_a_fresh_deployment_publishes_at_once_and_says_so(world):
    answer = world.run({})
    (digest,) = sent(world)
    window = {"Start": "2026-11-22T07:58:00.000Z", "End": "2026-11-23T07:58:00.000Z"}
    sent_facts = {name: digest[name] for name in ("DigestId", "Counts")}
    assert answer == sent_facts | {"MessageId": "message-1", "Window": window}


def test_the_first_window_reaches_back_to_the_first_change(world):
    world.now -= timedelta(days=3)
    world.observe("early", "COMPLETED")
    world.forward(days=3)
    assert world.run()["Counts"]["COMPLETED"] == 1
    assert windows(world) == [("2026-11-20T08:00:04.000Z", "2026-11-23T07:58:00.000Z")]


def test_each_window_begins_where_the_one_before_ended_and_every_change_is_in_one(world):
    world.run()
    for day in range(5):
        world.observe(f"job-{day}", "COMPLETED")
        # Too young for the window that ends now: it is in the next one.
        world.forward(hours=24, minutes=-1)
        world.observe(f"young-{day}", "FAILED")
        world.forward(minutes=1)
        world.run()
    ends = [end for _, end in windows(world)]
    assert [start for start, _ in windows(world)][1:] == ends[:-1]
    assert all_listed(world, "Completed") == [f"job-{day}" for day in range(5)]
    assert all_listed(world, "Failed") == [f"young-{day}" for day in range(4)]


def test_a_thousand_repeats_of_a_scheduled_event_are_one_message(world):
    first = world.run()
    assert first["Published"]
    assert all(world.run() == {**first, "Published": False} for _ in range(999))
    assert len(world.topic.taken) == 1


def test_a_late_run_has_the_window_of_its_scheduled_time_unless_a_later_run_was_faster(world):
    world.forward(minutes=25)
    world.run(SCHEDULED)
    assert windows(world) == [("2026-11-22T07:58:00.000Z", "2026-11-23T07:58:00.000Z")]
    world.forward(days=1)
    last = world.run()
    assert world.run({"ScheduledTime": "2026-11-24T08:00:00Z"}) == {**last, "Published": False}
    assert len(world.topic.taken) == 2


@pytest.mark.full
def test_fifty_runs_at_once_publish_one_message_however_often(world):
    barrier = threading.Barrier(50, timeout=30)

    def run(_: int) -> dict[str, Any] | None:
        barrier.wait()
        with suppress(DigestInProgress):  # one has waited in vain: Lambda tries that one again
            return world.run()
        return None

    for rounds in range(1, RACES + 1):
        world.forward(hours=1)
        with ThreadPoolExecutor(50) as pool:
            answers = [answer for answer in pool.map(run, range(50)) if answer]
        assert len(world.topic.taken) == rounds
        assert len({answer["DigestId"] for answer in answers}) == 1
        assert sum(answer["Published"] for answer in answers) == 1


@pytest.mark.parametrize(
    "event, seconds", [(SCHEDULED, 40), ({}, 10), (WINDOW, 10), ({"IdempotencyKey": "key"}, 0)]
)
def test_a_run_waits_a_bounded_time_for_another_that_publishes_and_raises_no_alarm(
    world, event, seconds, capsys
):
    def publish_again(operation: str) -> None:
        world.topic.before = lambda _: None
        with pytest.raises(DigestInProgress):
            run(world.assembled(), event, Context())

    world.topic.before = publish_again
    assert world.run(event)["MessageId"]
    assert world.slept == seconds
    assert len(world.topic.taken) == 1
    assert "DigestFailures" not in capsys.readouterr().out


def test_of_two_runs_with_one_message_the_first_to_record_it_reports_it(world):
    recorded = []

    def record_first(operation: str) -> None:
        if operation == "transact_write_items":
            world.tables.before = lambda _: None
            recorded.append(run(world.assembled(), SCHEDULED, Context()))

    world.topic.after = lambda _: setattr(world.tables, "before", record_first)
    recorded.append(world.run())
    assert [answer["Published"] for answer in recorded] == [True, False]
    assert len(world.topic.taken) == 1


def test_a_state_that_derives_from_an_older_one_is_not_written(world):
    rows = DigestStateRow(world.dependencies.table, "a row")
    first = rows.save(rows.load())
    assert first is not None
    second = rows.save(replace(first, schedule="daily"))
    assert rows.save(replace(first, schedule="weekly")) is None
    assert rows.load() == second == DigestState(version=2, schedule="daily")


# The first digest of a deployment: what ended in its window, seen by the fill or by a later sync.


def fill(world: DigestWorld, family: Family = Family.SNOMEDCT, /, **jobs: Any) -> None:
    """A first fill finds jobs: by their ids, their status and how long before now they ended."""
    listed = [
        a_job(job_id, status, NOW - 90 * DAY, family, EndTime=None if ago is None else NOW - ago)
        for job_id, (status, ago) in jobs.items()
    ]
    world.ledger.record(family, listed, rfc3339(world.now), announce_new=False)


def test_a_digest_has_what_ended_in_its_window_before_the_first_fill(world):
    fill(world, failed=("FAILED", 2 * HOUR), done=("COMPLETED", 23 * HOUR))
    fill(world, older=("COMPLETED", 26 * HOUR), no_end=("STOPPED", None))
    fill(world, active=("IN_PROGRESS", None))
    fill(world, Family.PHI, partly=("PARTIAL_SUCCESS", 5 * HOUR))
    digest = published(world)
    assert +Counter(digest["Counts"]) == {"FAILED": 1, "COMPLETED": 1, "PARTIAL_SUCCESS": 1}
    assert (all_listed(world, "Failed"), digest["Verdict"]) == (["failed"], "ATTENTION")
    window = {"WindowStart": rfc3339(NOW - 3 * HOUR), "WindowEnd": rfc3339(NOW - HOUR)}
    assert +Counter(world.run(window)["Counts"]) == {"FAILED": 1}


@pytest.mark.parametrize("first_after", [0, 1, 3, 60, 1_400])
def test_each_end_around_a_first_fill_is_in_one_digest(world, first_after):
    """However long after the fill the first digest is, and with a job that the fill saw run."""
    fill(world, **{f"job-{m}": ("COMPLETED", m * MINUTE) for m in range(5)})
    fill(world, runs=("IN_PROGRESS", None))
    world.observe("runs", "FAILED", SubmitTime=NOW - 90 * DAY)
    world.forward(minutes=first_after)
    for _ in range(3):
        world.run({})
        world.forward(minutes=10)
    total = sum((Counter(digest["Counts"]) for digest in sent(world)), Counter[str]())
    assert +total == {"COMPLETED": 5, "FAILED": 1}
    assert sorted(all_listed(world, "Completed")) == [f"job-{m}" for m in range(5)]


def test_a_fill_of_a_page_of_jobs_can_be_repeated(world):
    for _ in range(2):
        fill(world, **{f"{n:032x}": ("COMPLETED", 2 * HOUR) for n in range(500)})
        world.forward(minutes=5)
    assert +Counter(published(world)["Counts"]) == {"COMPLETED": 500}


# Missed runs: the next digest covers their windows and says so.


def gaps(world, *pauses):
    """Let a run of the schedule come after each pause, in days; return whether each digest says that runs were missed."""
    for pause in pauses:
        world.forward(days=pause)
        world.run()
    return [digest["CoversGap"] for digest in sent(world)]


def test_a_digest_after_missed_runs_covers_them_and_says_so(world):
    assert gaps(world, 0, 1, 1, 1, 3, 1) == [False] * 4 + [True, False]
    text = json.loads(world.topic.taken[4]["Message"])["email"]
    assert "no digest was sent since 2026-11-26 08:58" in text


def test_a_weekday_schedule_learns_that_weekends_are_not_gaps(world):
    week = (3, 1, 1, 1, 1)
    assert gaps(world, *week, *week, *week) == [False] * 5 + [True] + [False] * 9


def test_a_run_that_the_next_one_completes_counts_as_a_run(world):
    gaps(world, 0, 1, 1)
    world.topic.failures = [ReadTimeoutError(endpoint_url="https://sns")]
    with pytest.raises(PublishUncertain):
        gaps(world, 1)
    assert gaps(world, 1) == [False] * 5


def test_a_run_whose_window_a_digest_on_demand_has_covered_counts_as_one(world):
    world.run({"IdempotencyKey": "by hand"})
    assert gaps(world, 0) == [False]
    assert gaps(world, 1) == [False] * 2
    world.forward(hours=4)
    world.run({})  # that it was between two runs is no reason to expect another so soon
    assert gaps(world, 20 / 24, 2) == [False, False, False, False, True]
