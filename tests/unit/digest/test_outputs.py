"""What jobs processed, in a digest: sums of all jobs, and why files of the first troubled ones were not processed."""

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.jobs import Job
from jobledger.ledger.job_facts import JobFacts
from jobledger.ledger.output import Output
from jobledger.ledger.outputs import Outputs
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.digests import DigestWorld, check_schema, published
from testing.recounted import complete_counters

PARTLY = Output(400, 388, 12, 123_456, 31, {"InternalServerError": 9, "TextSizeLimitExceeded": 3})
DENIED = Output(problem="AccessDenied", location="s3://ward-7/Manifest")
SUM = {"InputFileCount": 400, "UnprocessedFilesCount": 12, "TotalMeteredCharacters": 123_456}


def a_world(**environment: Any) -> DigestWorld:
    """A partial job, and one that failed; both have ended."""
    world = DigestWorld(**environment)
    submitted = world.now - timedelta(hours=1)
    for job_id, status, output in (("part", "PARTIAL_SUCCESS", PARTLY), ("bad", "FAILED", DENIED)):
        world.observe(job_id, status, JobName="nightly")
        key = Job.key_of(rfc3339(submitted), job_id)
        assert Outputs(world.ledger).record(Family.SNOMEDCT, key, output)
    complete_counters(world.ledger)
    world.now += timedelta(minutes=5)
    return world


@pytest.mark.parametrize("details", ["true", "false"])
def test_a_digest_has_sums_and_the_reasons_of_troubled_jobs_and_no_place(details):
    world = a_world(READS_OUTPUTS="true", INCLUDE_JOB_DETAILS=details)
    digest = published(world)
    check_schema(digest)
    assert digest["Processed"] == {"SNOMEDCT": {"PARTIAL_SUCCESS": SUM}}
    assert digest["PartialSuccess"][0]["Processed"] == json.loads(PARTLY.json)
    assert digest["Failed"][0]["Processed"] == {"Problem": "AccessDenied"}
    name = "nightly" if details == "true" else None
    assert digest["Failed"][0].get("JobName") == digest["PartialSuccess"][0].get("JobName") == name
    (taken,) = world.topic.taken
    email = " ".join(json.loads(taken["Message"])["email"].split())
    for said in (
        "12 of 400 files were not processed: 9 × InternalServerError, 3 × TextSizeLimitExceeded.",
        "S3 denied the manifest:",
        "Processed in all: 123,456 characters of 400 files; 12 files were not processed.",
    ):
        assert said in email
    assert "ward-7" not in taken["Message"]


def test_facts_with_error_codes_are_keys_of_mappings_as_others_are():
    facts = JobFacts(Family.PHI, "a", "PARTIAL_SUCCESS", None, None, None, output=PARTLY)
    assert {facts: 1}[replace(facts)] == 1
    assert replace(facts, output=DENIED) not in {facts: 1}


def test_without_the_setting_nothing_is_read_and_jobs_say_nothing_of_it():
    assert "Processed" not in published(a_world())["PartialSuccess"][0]
    assert "Processed" not in published(DigestWorld(READS_OUTPUTS="true"))
