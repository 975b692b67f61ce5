"""The attributes of a job that lacks some of its properties, and the sentence when they are too long."""

import re

import pytest

from jobledger.errors import FunctionRefused
from testing.builders import START, listed_job
from tests.functional.lookup.lookups import DAY


@pytest.mark.parametrize(
    "properties, attributes",
    [
        ({"EndTime": START - 60 + 60.5}, {"DurationSeconds": "60.5"}),
        ({"EndTime": START + 40}, {"DurationSeconds": "100"}),
        ({"EndTime": None}, {"DurationSeconds": "", "EndTime": ""}),
        ({"SubmitTime": None}, {"DurationSeconds": "", "SubmitTime": ""}),
        ({"InputDataConfig": {"S3Key": "in/"}}, {"InputS3Uri": "", "OutputS3Uri": ""}),
        ({"ManifestFilePath": "s3://other/Manifest"}, {"ManifestS3Uri": "s3://other/Manifest"}),
        ({"ManifestFilePath": "/X/out/", "OutputDataConfig": {"S3Bucket": "codes"}},
         {"ManifestS3Uri": "s3://codes/X/out/"}),
        ({"ManifestFilePath": "out/Manifest"}, {"ManifestS3Uri": "", "ModelVersion": ""}),
        ({"ManifestFilePath": "out/Manifest", "OutputDataConfig": {"S3Bucket": "codes"}},
         {"ManifestS3Uri": "s3://codes/out/Manifest", "OutputS3Uri": "s3://codes/"}),
        ({"ModelVersion": "3\ud800"}, {"ModelVersion": "3?"}),
    ],
    ids=["half a second", "whole seconds", "no end", "no beginning", "no bucket", "a manifest elsewhere",
         "a manifest from the root", "a manifest without an output", "a manifest beside the output", "a lone surrogate"],
)  # fmt: skip
def test_attributes_of_absent_properties_are_empty_and_the_others_unchanged(
    stack, properties, attributes
):
    job = listed_job("9" * 32, 60, JobName="sparse") | properties
    stack.world.put({name: value for name, value in job.items() if value is not None})
    stack.world.clock.forward(DAY)  # only a full walk lists a job without a submit time
    stack.world.sync()
    found = stack.found(JobName="sparse")
    assert attributes == {name: found[name] for name in attributes}


def test_of_attributes_that_are_too_long_the_three_longest_are_named(stack):
    sentence = stack.refused(JobName="too-long")
    (size,) = re.findall("this one has ([0-9]+)", sentence)
    assert int(size) > 2_117 + 1_093 + 1_093
    limit = f"CloudFormation accepts a response of 4096 bytes, and this one has {size}"
    longest = "(OutputS3Uri has 2117, InputS3Uri has 1093, ManifestS3Uri has 1093)."
    assert sentence == f"The attributes of job {'f' * 32} are too long: {limit} {longest}"


def test_a_failed_job_without_an_end_time_is_named_with_its_status_only(stack):
    job = listed_job("9" * 32, 60, "FAILED", JobName="endless")
    del job["EndTime"]
    stack.world.put(job)
    stack.world.sync()
    said = f"is FAILED; look up JobId {'9' * 32} in the ledger. "
    assert said in stack.refused(JobName="endless")


EITHER = {"JobStatus": "STOPPED,SUBMITTED", "SubmitTimeBefore": "2026-01-01"}


@pytest.mark.parametrize(
    "properties, beginning",
    [
        ({"JobStatus": "STOPPED"}, "JobStatus: no STOPPED job matches (MustExist is true). "),
        (EITHER, "SubmitTimeBefore: no SUBMITTED or STOPPED job matches (MustExist is true). "),
        ({"JobName": "none", "MustExist": "TRUE"}, "JobName: no COMPLETED job has this name; "),
        ({"JobNamePrefix": "none", "SubmitTimeAfter": str(int(START - DAY))},
         "JobNamePrefix and SubmitTimeAfter: no COMPLETED job matches (MustExist is true)."),
    ],
)  # fmt: skip
def test_a_failure_begins_with_the_properties_that_no_job_matches(stack, properties, beginning):
    assert stack.refused(**properties).startswith(beginning)


def test_a_failure_ends_with_what_was_searched_and_how_fresh_it_is(stack, monkeypatch):
    monkeypatch.setenv("FAMILIES", "SNOMEDCT,PHI")
    stack.sync_error = FunctionRefused("ReadTimeoutError")
    sentence = stack.refused(JobName="no-such-job", Family="ALL", WaitMinutes="1")
    assert sentence.endswith(
        " Searched: SNOMEDCT, PHI. No complete sync of the ledger is known."
        " Comprehend Medical could not be reached."
    )


@pytest.mark.parametrize(
    "limit, most, properties, said",
    [
        ("jobledger.lookup.lookup.MOST_COUNTED", 3, {"JobStatus": "COMPLETED"}, ("3 or more", "f", "d")),
        # Each job fills a page of its own.
        ("jobledger.ledger.pages.MAX_PAGE_BYTES", 2_000, {"JobStatus": "COMPLETED"}, ("4", "f", "d")),
        ("jobledger.ledger.pages.PREFIX_ROWS", 1, {"JobNamePrefix": "nightly"}, ("2", "b", "a")),
    ],
)  # fmt: skip
def test_a_failure_of_only_names_two_jobs_of_as_many_pages_as_it_takes(
    stack, monkeypatch, limit, most, properties, said
):
    monkeypatch.setattr(limit, most)
    if most == 1:  # a query returns one row
        stack.world.database._largest_answer = 1
    count, first, second = said
    two = f"of which two are {first * 32} and {second * 32}"
    expected = f"Select is only, and {count} jobs match, {two}."
    assert stack.refused(Select="only", **properties) == expected


def test_counting_ends_at_its_maximum(stack, monkeypatch):
    monkeypatch.setattr("jobledger.lookup.lookup.MOST_COUNTED", 2)
    found = stack.found(JobStatus="COMPLETED,FAILED,PARTIAL_SUCCESS", Select="oldest")
    assert found["Count"] == "2"
