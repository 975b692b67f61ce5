"""An alert as people and programs get it: what failed, how to look, and within what SNS takes."""

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from jobledger.alerts.message import parse_event, render, render_chat
from jobledger.sns import MAX_BYTES
from tests.unit.alerts.world import NOW, PLACE, detail

DOCS = (Path(__file__).parents[3] / "docs" / "events.md").read_text(encoding="utf-8")


def changes(*details):
    found = [parse_event(json.dumps({"detail": each})) for each in details]
    assert all(found)
    return found


def of(number, start=0, **more):
    return [detail(start + n, **more) for n in range(number)]


JOB = "8bd184b74b7eb4b375f54e55e65756fb"
TWO_FAILED = [*of(2), *of(1, 2, Family="PHI", JobStatus="PARTIAL_SUCCESS")]


def test_the_document_shows_an_alert():
    shown = re.findall(r"```(?:text|json)\n(.*?)```", DOCS, re.DOTALL)
    notification = render(changes(*TWO_FAILED), PLACE, NOW)
    text = f"Subject: {notification.subject}\n\n{notification.bodies['email']}"
    assert text in shown
    assert json.loads(notification.bodies["default"]) in [
        json.loads(block) for block in shown if block.startswith("{")
    ]


EACH_FAMILY_TWICE = [
    detail(n, Family=family, JobStatus=status)
    for n, family in enumerate(("SNOMEDCT", "ICD10CM", "RXNORM", "ENTITIES_V2", "PHI"))
    for status in ("FAILED", "PARTIAL_SUCCESS")
]


@pytest.mark.parametrize(
    "details, subject",
    [
        (of(1), "1 SNOMEDCT FAILED"),
        (TWO_FAILED, "2 SNOMEDCT FAILED, 1 PHI partial"),
        ([*of(1, JobStatus="STOPPED"), *of(1, 1)], "1 SNOMEDCT FAILED, 1 SNOMEDCT stopped"),
        (of(1, Test=True), "TEST: 1 SNOMEDCT FAILED"),
        (of(1, JobStatus="NEW_STATUS"), "1 SNOMEDCT NEW_STATUS"),
        (EACH_FAMILY_TWICE, "5 FAILED, 5 partial"),
        ([detail(n, JobStatus=f"STATUS_{n}_{'X' * 20}") for n in range(9)], "9 changes"),
        (of(1, Family="\u00c4\r\nBcc: x"), "1 ?  Bcc: x FAILED"),
    ],
)
def test_a_subject_says_how_many_jobs_of_which_family_and_status(details, subject):
    found = str(render(changes(*details), PLACE, NOW).subject)
    assert found == f"[job-ledger] {subject}"
    assert len(found) < 100
    assert found.isascii()
    assert found.isprintable()


def test_a_test_gives_no_commands_for_a_job_that_does_not_exist():
    (tested,) = changes(*of(1, Test=True))
    text, chat = render([tested], PLACE, NOW).bodies["email"], render_chat([tested], PLACE).bodies
    assert "It is about no job." in text
    for said in (text, chat["default"]):
        assert f"jobledger job {tested.job_id}" not in said


def test_a_text_lists_ten_jobs_of_a_status_and_counts_the_others():
    text = render(changes(*of(1_234)), PLACE, NOW).bodies["email"]
    assert "1,234 jobs FAILED." in text
    assert "- and 1,224 more" in text
    assert text.count("- SNOMEDCT ") == 10


@pytest.mark.parametrize(
    "more, line",
    [
        ({}, ", 2 min ago after 3 min"),
        ({"EndTime": None}, ""),
        ({"SubmitTime": None}, ", 2 min ago"),
        ({"EndTime": "yesterday"}, ""),
        ({"EndTime": "2026-11-24T09:00:00.000Z"}, ", 0 s ago after 1 h 6 min"),
    ],
)
def test_a_line_says_when_the_job_ended_as_far_as_it_is_known(more, line):
    text = render(changes(detail(**more)), PLACE, NOW).bodies["email"]
    (found,) = re.findall(r"^- SNOMEDCT \w{32}(.*)$", text, re.MULTILINE)
    assert found == line


def test_a_name_is_shown_only_when_the_event_has_it():
    plain, named = (
        render(changes(detail(0, **more)), PLACE, NOW)
        for more in (dict[str, str](), {"JobName": "ward-7\u2028Subject: x"})
    )
    assert "name" not in str(plain.bodies)
    assert "  name: ward-7 Subject: x\n" in named.bodies["email"]
    assert "ward" not in str(named.subject)


def test_a_program_gets_the_events_details_and_attributes_to_filter_by():
    notification = render(changes(*TWO_FAILED), PLACE, NOW)
    document = json.loads(notification.bodies["default"])
    page = f"{PLACE.api_url}/board/jobs/"
    assert document["Changes"] == [c | {"Board": page + c["JobId"]} for c in TWO_FAILED]
    unknown = render(changes(*TWO_FAILED), replace(PLACE, api_url=None), NOW)
    assert json.loads(unknown.bodies["default"])["Changes"] == TWO_FAILED
    assert document["Counts"] == {"FAILED": 2, "PARTIAL_SUCCESS": 1}
    assert notification.attributes == {
        "Kind": "Alert",
        "Version": "1",
        "Families": ("PHI", "SNOMEDCT"),
        "JobStatuses": ("FAILED", "PARTIAL_SUCCESS"),
    }


@pytest.mark.parametrize(
    "details",
    [
        of(499),
        of(1_000),
        of(1_000, JobName="\U0001f600" * 256),
        of(1_000, JobName='"' * 256),
        of(2, Other="x" * 250_000),
        of(1, Other="x" * 300_000),
        of(1, JobId="x" * 250_000),
    ],
    ids=["499", "1000", "emoji", "quotes", "two large", "too large", "a large id"],
)
def test_a_message_is_within_the_limit_and_says_how_many_changes_are_left_out(details):
    notification = render(changes(*details), PLACE, NOW)
    assert notification.size() <= MAX_BYTES
    document = json.loads(notification.bodies["default"])
    left_out = document["Truncated"].get("Changes", 0)
    assert len(document["Changes"]) + left_out == len(details)
    assert sum(document["Counts"].values()) == len(details)
    # It leaves out no more than it must.
    assert not left_out or notification.size() > MAX_BYTES * 0.9 or len(details) < 3


def test_a_chat_gets_a_notification_of_its_own_form():
    assert json.loads(render_chat(changes(*TWO_FAILED), PLACE).bodies["default"]) == {
        "version": "1.0",
        "source": "custom",
        "id": "0" * 32,
        "content": {
            "textType": "client-markdown",
            "title": (title := "[job-ledger] 2 SNOMEDCT FAILED, 1 PHI partial"),
            "description": "2 jobs FAILED, 1 job finished in part.",
            "keywords": ["Alert", "PHI", "SNOMEDCT"],
            "nextSteps": [
                f"Look closer: `{step}`"
                for step in (
                    f"jobledger job {JOB}",
                    f"jobledger open {JOB}",
                    f'awscurl --service execute-api --region us-east-1 "{PLACE.api_url}/jobs/{JOB}"',
                )
            ],
        },
        "metadata": {"summary": title, "eventType": "Alert"},
    }


def test_without_an_address_the_call_names_the_variable():
    text = render(changes(detail()), replace(PLACE, api_url=None), NOW).bodies["email"]
    assert f'"$API_URL/jobs/{JOB}"' in text
