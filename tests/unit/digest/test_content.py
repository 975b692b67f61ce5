"""What a digest holds, in which form, and within which size."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from msgspec import structs

from jobledger.digest.message import DigestMessages, render_messages
from jobledger.digest.text import look_closer, open_job, subject
from jobledger.service import Family
from testing.digests import NOW, ZURICH, DigestWorld, a_digest, machine, published
from testing.recounted import complete_counters
from testing.typical_digests import TYPICAL

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "digest.schema.json").read_text())


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["JobId"] for entry in entries]


# What is counted and listed.


def test_counts_are_of_the_window_and_totals_of_now():
    world = DigestWorld()
    submitted: dict[str, Any] = {"SubmitTime": NOW - timedelta(hours=1)}
    world.observe("one", "SUBMITTED", **submitted)
    world.forward(minutes=1)
    world.observe("one", "COMPLETED", **submitted)
    world.observe("two", "FAILED", Family.PHI)
    world.forward(minutes=5)
    world.observe("three", "SUBMITTED")
    digest = published(world)
    assert {k: v for k, v in digest["Counts"].items() if v} == {
        "SUBMITTED": 1,
        "COMPLETED": 1,
        "FAILED": 1,
    }
    assert {k: v for k, v in digest["Totals"].items() if v} == {
        "SUBMITTED": 1,
        "COMPLETED": 1,
        "FAILED": 1,
    }
    assert (ids(digest["Completed"]), ids(digest["Failed"])) == (["one"], ["two"])
    assert ids(digest["Active"]) == ["three"]
    assert digest["Families"] == list(Family)


def test_an_entry_has_what_is_known_of_the_job_and_no_more():
    world = DigestWorld()
    world.observe("one", "FAILED", SubmitTime=NOW - timedelta(minutes=90), Message="secret")
    world.observe("two", "FAILED", SubmitTime=None, EndTime=None)
    world.forward(minutes=5)
    assert published(world)["Failed"] == [
        {
            "JobId": "one",
            "Family": "SNOMEDCT",
            "JobStatus": "FAILED",
            "SubmitTime": "2026-11-23T06:30:04.000Z",
            "EndTime": "2026-11-23T08:00:04.000Z",
            "DurationSeconds": 5400.0,
        },
        {"JobId": "two", "Family": "SNOMEDCT", "JobStatus": "FAILED"},
    ]


@pytest.mark.parametrize("counted", [False, True])
def test_long_running_is_over_an_hour_and_over_the_95th_percentile_of_the_family(counted):
    world = DigestWorld()
    hours = timedelta(hours=1)
    for number in range(1, 21):
        world.observe(f"done-{number}", "COMPLETED", SubmitTime=NOW - number * hours, EndTime=NOW)
    ages = {"snomed-18": 18.9, "snomed-20": 19.1, "phi-1": 1.1, "phi-0": 0.8}
    for name, age in ages.items():
        family = Family.PHI if name.startswith("phi") else Family.SNOMEDCT
        world.observe(name, "IN_PROGRESS", family, SubmitTime=NOW - age * hours)
    if counted:
        complete_counters(world.ledger)
    digest = published(world)
    assert ids(digest["Active"]) == ["snomed-20", "snomed-18", "phi-1", "phi-0"]
    assert ids(digest["LongRunning"]) == ["snomed-20", "phi-1"]
    assert digest["LongRunning"][1]["AgeSeconds"] == pytest.approx(3960)
    assert digest["Verdict"] == "ATTENTION"


@pytest.mark.parametrize("seconds,listed_ids", [(3_600, []), (3_601, ["one"])])
def test_in_its_first_hour_no_job_runs_unusually_long(seconds, listed_ids):
    world = DigestWorld()
    world.observe("one", "IN_PROGRESS", SubmitTime=NOW - timedelta(seconds=seconds))
    assert ids(published(world)["LongRunning"]) == listed_ids


def test_an_active_job_of_unknown_age_comes_first_and_does_not_run_unusually_long():
    world = DigestWorld()
    world.observe("old", "IN_PROGRESS", SubmitTime=NOW - timedelta(minutes=50))
    world.observe("unknown", "IN_PROGRESS", SubmitTime=None)
    digest = published(world)
    assert ids(digest["Active"]) == ["unknown", "old"]
    assert "AgeSeconds" not in digest["Active"][0]
    assert digest["LongRunning"] == []


def test_a_job_that_the_services_clock_puts_into_the_future_is_of_age_zero():
    world = DigestWorld()
    world.observe("early", "IN_PROGRESS", SubmitTime=NOW + timedelta(seconds=3))
    (job,) = published(world)["Active"]
    assert job["AgeSeconds"] == 0


def test_what_expires_within_a_week_is_listed_first_one_first():
    world = DigestWorld()
    for name, days in {"late": 7.1, "a-second": 6.9, "first": 0.1, "gone": -1.0}.items():
        world.observe(name, "COMPLETED", ExpirationTime=NOW + timedelta(days=days))
    digest = published(world)
    assert ids(digest["ExpiringSoon"]) == ["first", "a-second"]
    assert digest["ExpiringSoon"][0]["ExpirationTime"] == "2026-11-23T10:24:04.000Z"


@pytest.mark.parametrize("counted", [False, True])
def test_ten_jobs_that_expire_soon_are_listed_and_the_others_counted(counted):
    world = DigestWorld()
    for number in range(12):
        expiration = NOW + timedelta(hours=24 - number)
        world.observe(f"job-{number}", "COMPLETED", ExpirationTime=expiration)
    if counted:
        complete_counters(world.ledger)
    digest = published(world)
    assert ids(digest["ExpiringSoon"]) == [f"job-{number}" for number in range(11, 1, -1)]
    assert digest["Truncated"]["ExpiringSoon"] == 2


def test_a_message_names_the_families_that_have_changes():
    world = DigestWorld()
    world.observe("one", "COMPLETED", Family.PHI)
    world.observe("two", "SUBMITTED", Family.RXNORM)
    world.forward(minutes=5)
    world.run({})
    (taken,) = world.topic.taken
    assert taken["MessageAttributes"]["Families"]["StringValue"] == '["RXNORM", "PHI"]'


def test_active_jobs_have_their_age_and_expiring_ones_their_expiration():
    world = DigestWorld()
    expiration: dict[str, Any] = {"ExpirationTime": NOW + timedelta(days=2)}
    world.observe("one", "IN_PROGRESS", SubmitTime=NOW - timedelta(minutes=20), **expiration)
    digest = published(world)
    ((active,), (expiring,)) = digest["Active"], digest["ExpiringSoon"]
    assert active["AgeSeconds"] == 1_200
    assert "ExpirationTime" not in active
    assert expiring["ExpirationTime"] == "2026-11-25T08:00:04.000Z"
    assert "AgeSeconds" not in expiring


def test_a_digest_from_the_counters_says_the_same():
    contents = []
    for counted in (False, True):
        world = DigestWorld()
        world.observe("done", "COMPLETED", ExpirationTime=NOW + timedelta(days=2))
        world.observe("long", "IN_PROGRESS", Family.PHI, SubmitTime=NOW - timedelta(hours=5))
        world.observe("new", "SUBMITTED", SubmitTime=NOW)
        world.forward(minutes=5)
        if counted:
            complete_counters(world.ledger)
        contents.append(published(world))
    assert contents[0] == contents[1]
    assert ids(contents[0]["Active"]) == ["long", "new"]
    assert ids(contents[0]["LongRunning"]) == ["long"]
    assert ids(contents[0]["ExpiringSoon"]) == ["done"]


def test_previous_are_the_counts_of_the_stretch_before_if_the_ledger_was_there():
    world = DigestWorld()
    world.observe("one", "COMPLETED")
    world.forward(hours=1)
    assert published(world)["Previous"] is None
    world.observe("two", "FAILED")
    world.forward(hours=24)
    second = published(world)
    world.observe("three", "FAILED")
    world.forward(hours=24)
    third = published(world)
    assert second["Previous"]["COMPLETED"] == 1
    assert third["Previous"] == second["Counts"]


@pytest.mark.parametrize("minutes,verdict", [(10, "OK"), (11, "STALE")])
def test_a_ledger_is_stale_after_ten_sync_intervals(minutes, verdict):
    world = DigestWorld()
    world.now += timedelta(minutes=minutes)
    assert published(world)["Verdict"] == verdict


def test_a_ledger_that_never_agreed_with_the_service_is_stale():
    world = DigestWorld()
    world.tables.items.clear()
    world.tables._order.clear()
    digest = published(world)
    assert (digest["AsOf"], digest["Verdict"]) == (None, "STALE")


# The form.


@pytest.mark.parametrize("name", TYPICAL)
def test_every_digest_is_as_its_schema_says(name):
    digest = machine(render_messages(TYPICAL[name](), ZURICH).digest)
    jsonschema_rs.validator_for(SCHEMA).validate(digest)
    assert digest.keys() == SCHEMA["properties"].keys()


def test_jobs_that_need_a_person_have_the_address_of_their_page_if_the_api_s_is_known():
    digest = TYPICAL["failures"]()
    document = json.loads(render_messages(digest, ZURICH).digest.bodies["default"])
    for name in ("Failed", "PartialSuccess", "LongRunning", "Completed", "Active"):
        for entry in document[name]:
            page = f"{ZURICH.api_url}/board/jobs/{entry['JobId']}"
            expected = None if name in ("Completed", "Active") else page
            assert entry.get("Board") == expected
    unknown = render_messages(digest, structs.replace(ZURICH, api_url=None)).digest
    assert "Board" not in unknown.bodies["default"]


def test_the_schema_knows_what_is_wrong():
    digest = machine(render_messages(TYPICAL["failures"](), ZURICH).digest)
    validator = jsonschema_rs.validator_for(SCHEMA)
    wrong: list[dict[str, Any]] = [
        digest | {"Version": "2"},
        digest | {"Window": {"Start": "now"}},
        digest | {"Verdict": "FINE"},
        digest | {"Failed": [{"JobId": "one"}]},
        digest | {"Counts": {}},
        {name: digest[name] for name in digest if name != "DigestId"},
    ]
    assert not any(map(validator.is_valid, wrong))


def test_attributes_are_what_subscribers_filter_on():
    attributes = render_messages(TYPICAL["failures"](), ZURICH).digest.parameters()[
        "MessageAttributes"
    ]
    assert attributes == {
        "Kind": {"DataType": "String", "StringValue": "Digest"},
        "Verdict": {"DataType": "String", "StringValue": "ATTENTION"},
        "HasFailures": {"DataType": "String", "StringValue": "true"},
        "Version": {"DataType": "String", "StringValue": "1"},
        "Families": {"DataType": "String.Array", "StringValue": '["SNOMEDCT", "PHI"]'},
    }


def test_a_digest_without_changes_is_of_no_family_and_has_no_failures():
    assert render_messages(a_digest(), ZURICH).digest.attributes == {
        "Kind": "Digest",
        "Verdict": "OK",
        "HasFailures": "false",
        "Version": "1",
    }


@pytest.mark.parametrize("name", ["failures", "quiet-day"])
def test_the_chat_message_has_the_counts_and_after_failures_the_next_steps(name):
    digest = TYPICAL[name]()
    sentence, verdict, next_steps = {
        "failures": (
            "ATTENTION: 3 jobs failed, 1 finished only in part, 1 runs unusually long.",
            "ATTENTION",
            {
                "nextSteps": [
                    f"Look closer: `{open_job(digest)}` or `{look_closer(digest, ZURICH)}`"
                ]
            },
        ),
        "quiet-day": ("OK: no action is needed.", "OK", {}),
    }[name]
    chat = render_messages(digest, ZURICH).chat
    assert chat.parameters().keys() == {"Message"}
    assert machine(chat) == {
        "version": "1.0",
        "source": "custom",
        "id": digest.digest_id,
        "content": {
            "textType": "client-markdown",
            "title": subject(digest, ZURICH),
            "description": sentence,
            "keywords": [verdict, "SNOMEDCT", "PHI"],
            **next_steps,
        },
        "metadata": {"threadId": digest.digest_id, "summary": sentence, "eventType": "Digest"},
    }


def test_a_parcel_comes_back_as_it_was_packed():
    parcel = render_messages(TYPICAL["with-details"](), ZURICH)
    assert DigestMessages.unpack(parcel.pack()) == parcel
