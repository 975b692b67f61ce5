"""No job name, key or message leaves the ledger, unless the setting allows names and outputs."""

import json
from itertools import product
from typing import Any

import pytest

from jobledger.digest.content import Details
from jobledger.digest.message import render_messages
from testing.builders import job_facts
from testing.digests import ZURICH, DigestWorld, a_digest, listed, machine, published
from tests.unit.digest.test_killed import CHAT

# What a job carries that must not appear in a digest, a log, a metric or a record of what was sent.
SENSITIVE = (
    *("JobName", "Message", "DataAccessRoleArn", "ManifestFilePath", "KMSKey", "ModelVersion"),
    "LanguageCode",
)
# Ten of the kinds of letters that a job's name may hold: separators, right to left, combining, wide.
LETTERS = ["\u2028", "\u00a0", "\u05d0", "\u0627", "=", "+", "-", "@", "\U0001d400", "\u3042"]
SEVERAL = {"SOURCES": "eu-central-1=111122223333;us-east-1=444455556666"}


@pytest.mark.parametrize("setting", [{}, SEVERAL, SEVERAL | {"DIGEST_BY": "source"}])
def test_a_default_digest_contains_nothing_sensitive(capsys, setting):
    world = DigestWorld(CHAT_TOPIC_ARN=CHAT, **setting)
    source = world.ledger.sources[-1]
    for number, status in enumerate(("FAILED", "PARTIAL_SUCCESS", "IN_PROGRESS"), 1):
        secret: dict[str, Any] = {name: f"canary{number}{name}" for name in SENSITIVE}
        for name in ("InputDataConfig", "OutputDataConfig"):
            secret[name] = {"S3Bucket": f"canary{number}-{name}", "S3Key": "canary-key"}
        world.observe(f"job-{number}", status, source=source, **secret)
    world.forward(minutes=5)
    world.run({"IdempotencyKey": "canary-idempotency"})
    out = json.dumps(world.topic.taken) + capsys.readouterr().out
    out += json.dumps(world.tables.remembered)
    assert "job-1" in out
    assert "canary" not in out


def test_the_setting_adds_only_names_and_output_locations(capsys):
    world = DigestWorld(INCLUDE_JOB_DETAILS="true")
    secret: dict[str, Any] = {name: f"canary{name}" for name in SENSITIVE if name != "JobName"}
    output = {"S3Bucket": "results", "S3Key": "2026/"}
    world.observe("one", "FAILED", JobName="nightly", OutputDataConfig=output, **secret)
    world.observe("two", "COMPLETED")
    world.forward(minutes=5)
    digest = published(world)
    assert digest["Failed"][0]["JobName"] == "nightly"
    assert digest["Failed"][0]["Output"] == "s3://results/2026/"
    assert {"JobName", "Output"}.isdisjoint(digest["Completed"][0])
    assert "canary" not in json.dumps(world.topic.taken)
    logged = capsys.readouterr().out
    assert "nightly" not in logged + json.dumps(world.tables.remembered)


@pytest.mark.parametrize(
    "name,output,expected",
    [
        ("a\ud800b", None, {"JobName": "a\\ud800b"}),
        (None, {"S3Bucket": "b"}, {"Output": "s3://b/"}),
        (None, {"S3Bucket": "b", "S3Key": "a\ud800b"}, {"Output": "s3://b/a\\ud800b"}),
        *((None, {"S3Key": "2026/"}, {}), (None, {}, {})),
    ],
)
def test_incomplete_details_are_shown_as_far_as_they_are_known(name, output, expected):
    world = DigestWorld(INCLUDE_JOB_DETAILS="true")
    world.observe("one", "FAILED", JobName=name, OutputDataConfig=output)
    world.forward(minutes=5)
    (job,) = published(world)["Failed"]
    assert {name: job[name] for name in ("JobName", "Output") if name in job} == expected


def test_a_thousand_legal_names_come_through_as_they_are():
    names = [f"{first}{second}{third}x" for first, second, third in product(LETTERS, repeat=3)]
    jobs = [job_facts(number, "FAILED") for number in range(1, 1_001)]
    details = dict(zip(jobs, (Details(name, None) for name in names), strict=True))
    digest = a_digest(failed=listed(jobs), details=details)
    notification = render_messages(digest, ZURICH).digest
    said = machine(notification)
    # Not as escapes, which would take more of the room.
    assert all(letter in notification.parameters()["Message"] for letter in LETTERS)
    assert [job["JobName"] for job in said["Failed"]] == names[: len(said["Failed"])]
    assert len(said["Failed"]) + said["Truncated"].get("Failed", 0) == 1_000
