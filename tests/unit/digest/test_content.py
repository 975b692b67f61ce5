"""What a digest holds, in which form, and within which size."""

import json
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobledger.digest.message import render_messages
from jobledger.digest.text import TextOptions
from jobledger.service import Family
from testing.digests import NOW, ZURICH, check_schema, machine, published
from testing.recounted import complete_counters
from testing.typical_digests import TYPICAL

ROOT = Path(__file__).parents[3]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["JobId"] for entry in entries]


# What is counted and listed.


def test_counts_and_families_are_of_the_window_and_totals_of_now(world):
    submitted = NOW - HOUR
    world.observe("one", "SUBMITTED", Family.PHI, SubmitTime=submitted)
    world.forward(minutes=1)
    world.observe("one", "COMPLETED", Family.PHI, SubmitTime=submitted)
    world.observe("two", "FAILED", Family.SNOMEDCT)
    world.forward(minutes=5)
    world.observe("three", "SUBMITTED", Family.RXNORM)
    digest = published(world)
    assert +Counter(digest["Counts"]) == {"SUBMITTED": 1, "COMPLETED": 1, "FAILED": 1}
    assert +Counter(digest["Totals"]) == {"SUBMITTED": 1, "COMPLETED": 1, "FAILED": 1}
    assert (ids(digest["Completed"]), ids(digest["Failed"])) == (["one"], ["two"])
    assert ids(digest["Active"]) == ["three"]
    assert digest["Families"] == list(Family)
    (taken,) = world.topic.taken
    attributes = taken["MessageAttributes"]
    assert attributes["Families"]["StringValue"] == '["SNOMEDCT", "PHI"]'
    assert attributes["HasFailures"]["StringValue"] == "true"


def test_an_entry_has_what_is_known_of_the_job_and_what_its_list_is_about(world):
    world.observe("one", "FAILED", SubmitTime=NOW - timedelta(minutes=90), Message="secret")
    world.observe("two", "FAILED", SubmitTime=None, EndTime=None)
    world.observe("three", "IN_PROGRESS", SubmitTime=NOW, ExpirationTime=NOW + 2 * DAY)
    world.forward(minutes=5)
    digest = published(world)
    one, two = ({"JobId": i, "JobStatus": "FAILED", "Family": "SNOMEDCT"} for i in ("one", "two"))
    one |= {"SubmitTime": "2026-11-23T06:30:04.000Z", "EndTime": "2026-11-23T08:00:04.000Z"}
    assert digest["Failed"] == [one | {"DurationSeconds": 5400.0}, two]
    three = {"JobId": "three", "JobStatus": "IN_PROGRESS", "Family": "SNOMEDCT"}
    three |= {"SubmitTime": "2026-11-23T08:00:04.000Z"}
    assert digest["Active"] == [three | {"AgeSeconds": 300.0}]
    assert digest["ExpiringSoon"] == [three | {"ExpirationTime": "2026-11-25T08:00:04.000Z"}]


@pytest.mark.parametrize("counted", [False, True])
def test_long_running_is_over_an_hour_and_over_the_95th_percentile_of_the_family(world, counted):
    for number in range(1, 21):
        world.observe(f"done-{number}", "COMPLETED", SubmitTime=NOW - number * HOUR, EndTime=NOW)
    ages = {"snomed-18": 18.9, "snomed-20": 19.1, "phi-1": 1.1, "phi-0": 0.8}
    for name, age in ages.items():
        family = Family.PHI if name.startswith("phi") else Family.SNOMEDCT
        world.observe(name, "IN_PROGRESS", family, SubmitTime=NOW - age * HOUR)
    world.observe("unknown", "SUBMITTED", SubmitTime=None)
    if counted:
        complete_counters(world.ledger)
    digest = published(world)
    assert ids(digest["Active"]) == ["unknown", "snomed-20", "snomed-18", "phi-1", "phi-0"]
    assert ids(digest["LongRunning"]) == ["snomed-20", "phi-1"]
    assert digest["LongRunning"][1]["AgeSeconds"] == pytest.approx(3960)
    assert digest["Verdict"] == "ATTENTION"
    assert +Counter(digest["Totals"]) == {"COMPLETED": 20, "IN_PROGRESS": 4, "SUBMITTED": 1}


def test_in_its_first_hour_no_job_runs_unusually_long(world):
    submitted = {
        "hour": NOW - HOUR,
        "longer": NOW - HOUR - timedelta(seconds=1),
        "ahead": NOW + timedelta(seconds=3),
        "unknown": None,
    }
    for name, time in submitted.items():
        world.observe(name, "IN_PROGRESS", SubmitTime=time)
    digest = published(world)
    ages = {job["JobId"]: job.get("AgeSeconds") for job in digest["Active"]}
    assert ages == {"hour": 3_600, "longer": 3_601, "ahead": 0, "unknown": None}
    assert ids(digest["LongRunning"]) == ["longer"]


@pytest.mark.parametrize("counted", [False, True])
def test_of_the_jobs_that_expire_within_a_week_ten_are_listed_and_the_others_counted(
    world, counted
):
    days = {f"job-{number}": 6.9 - number / 24 for number in range(12)}
    for name, left in {"late": 7.1, "gone": -1.0, **days}.items():
        world.observe(name, "COMPLETED", ExpirationTime=NOW + left * DAY)
    if counted:
        complete_counters(world.ledger)
    digest = published(world)
    assert ids(digest["ExpiringSoon"]) == [f"job-{number}" for number in range(11, 1, -1)]
    assert digest["Truncated"]["ExpiringSoon"] == 2


def test_previous_has_the_counts_of_the_preceding_window(world):
    digests: list[dict[str, Any]] = []
    for status, hours in (("COMPLETED", 1), ("FAILED", 24), ("FAILED", 24)):
        world.observe(f"job-{len(digests)}", status)
        world.forward(hours=hours)
        digests.append(published(world))
    assert [digest["Previous"] for digest in digests] == [None, *(d["Counts"] for d in digests[:2])]
    assert digests[1]["Previous"]["COMPLETED"] == 1


# The form.


@pytest.mark.parametrize("name", TYPICAL)
def test_every_digest_is_as_its_schema_says(name):
    digest = machine(render_messages(TYPICAL[name](), ZURICH).digest)
    check_schema(digest)


@pytest.mark.parametrize(
    "name, options",
    [
        *((name, ZURICH) for name in ("nothing-happened", "quiet-day", "failures")),
        ("several-sources", ZURICH),
        ("with-details", TextOptions(ZoneInfo("UTC"), None)),
    ],
)
def test_what_programs_subscribers_and_chats_get_is_as_it_was_approved(name, options):
    """Of each list, the first two entries. `UPDATE_GOLDEN=1 pytest` writes the files anew."""
    messages = render_messages(TYPICAL[name](), options)
    document = machine(messages.digest)
    short = {key: it[:2] if isinstance(it, list) else it for key, it in document.items()}
    attributes, chat = messages.digest.attributes, machine(messages.chat)
    parts = {"Digest": short, "Attributes": attributes, "Chat": chat}
    written = json.dumps(parts, indent=1, ensure_ascii=False) + "\n"
    file = ROOT / "tests" / "golden" / "digests" / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(written, encoding="utf-8")
    assert written == file.read_text(encoding="utf-8")
    assert messages.chat.parameters().keys() == {"Message"}
