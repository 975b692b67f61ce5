"""An alert as people and programs get it: what failed, how to look, and within what SNS takes."""

import json
import os
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from jobledger.alerts.changes import parse_event
from jobledger.alerts.message import render, render_chat
from jobledger.sns import MAX_BYTES
from tests.unit.alerts.world import NOW, PLACE, detail

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")


def changes(*details):
    found = [parse_event(json.dumps({"detail": each})) for each in details]
    assert all(found)
    return found


def of(number, start=0, **more):
    return [detail(start + n, **more) for n in range(number)]


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


# What is rare, once each: a name with a line break, times that are missing, wrong or ahead, an unknown
# status, ten jobs of one status and eleven of another.
ODD = [
    *of(10, JobName="ward-7\u2028Subject: x"),
    detail(10),
    detail(11, JobStatus="STOPPED", EndTime=None),
    detail(12, JobStatus="STOPPED", SubmitTime=None),
    detail(13, JobStatus="STOPPED", EndTime="yesterday"),
    detail(14, JobStatus="STOPPED", EndTime="2026-11-24T09:00:00.000Z"),
    *of(10, 15, Family="PHI", JobStatus="NEW_STATUS"),
]

# Two of them have the same id.
OF_THREE_SOURCES = [
    *of(1),
    *of(1, Account="444455556666", Region="eu-west-1", EventId="f" * 32),
    *of(1, 1, Family="ENTITIES_V2", JobStatus="PARTIAL_SUCCESS", Account="777788889999"),
]


@pytest.mark.parametrize(
    "name, details, place",
    [
        ("without-an-address", TWO_FAILED, replace(PLACE, api_url=None)),
        ("test", of(1, Test=True), PLACE),
        ("odd-changes", ODD, PLACE),
        ("several-sources", OF_THREE_SOURCES, replace(PLACE, shared=True)),
    ],
)
def test_an_alert_is_as_it_was_approved(name, details, place):
    """`UPDATE_GOLDEN=1 pytest` writes the files anew. The changes have the events' details."""
    found = changes(*details)
    message, chat = render(found, place, NOW), render_chat(found, place)
    document = json.loads(message.bodies["default"])
    listed = document.pop("Changes")
    linked = 10 if place.api_url else 0
    query = "?Account={Account}&Region={Region}" if place.shared else ""
    pages = [
        {"Board": f"{place.api_url}/board/jobs/{each['JobId']}{query.format(**each)}"}
        for each in details[:linked]
    ]
    pages += [{}] * (len(details) - len(pages))
    assert listed == [each | page for each, page in zip(details, pages, strict=True)]
    said = json.loads(chat.bodies["default"])
    parts = {"Alert": document, "Attributes": message.attributes, "Chat": said}
    written = f"Subject: {message.subject}\n\n{message.bodies['email']}\n"
    written += json.dumps(parts, indent=1, ensure_ascii=False) + "\n"
    file = ROOT / "tests" / "golden" / "alerts" / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(written, encoding="utf-8")
    assert written == file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "number, more",
    [
        *((499, {}), (1_000, {}), (1_000, {"JobName": "\U0001f600" * 256})),
        *((1_000, {"JobName": '"' * 256}), (2, {"Other": "x" * 250_000})),
        *((1, {"Other": "x" * 300_000}), (1, {"JobId": "x" * 250_000})),
    ],
    ids=["499", "1000", "emoji", "quotes", "two large", "too large", "a large id"],
)
def test_a_message_is_within_the_limit_and_says_how_many_changes_are_left_out(number, more):
    notification = render(changes(*of(number, **more)), PLACE, NOW)
    assert notification.size() <= MAX_BYTES
    document = json.loads(notification.bodies["default"])
    left_out = document["Truncated"].get("Changes", 0)
    assert len(document["Changes"]) + left_out == sum(document["Counts"].values()) == number
    # It leaves out no more than it must.
    assert not left_out or notification.size() > MAX_BYTES * 0.9 or number < 2
