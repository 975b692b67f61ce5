"""What look-ups answer CloudFormation."""

import bisect
import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobledger.handlers import lookup as handlers
from jobledger.lookup.lookup import ATTRIBUTES
from tests.functional.lookup.lookups import DAY, HOUR, deployed
from tests.functional.lookup.provider import CREATE_FAILED
from tests.world import START, World, a_job


@pytest.fixture
def stack():
    with deployed() as stack:
        yield stack


CASES = {
    "ok": ({"JobName": "nightly-notes"}, None),
    "not found": ({"JobName": "nobody"}, 'No job matches: Family SNOMEDCT, JobName "nobody"'),
    "ambiguous": (
        {"JobName": "nightly-notes", "Select": "only"},
        "Select is only, and 2 jobs match",
    ),
    "bad property": ({"JobStatus": "DONE"}, 'JobStatus is "DONE", and must be one of SUBMITTED'),
    "timeout": (
        {"JobName": "nobody", "WaitMinutes": "5"},
        "WaitMinutes: 5 minutes have passed. No job",
    ),
    "oversize": ({"JobName": "too-long"}, "The attributes of job " + "f" * 32 + " are too long"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_every_request_is_answered_with_the_job_or_with_a_sentence(stack, request_type, case):
    properties, sentence = CASES[case]
    given = None if request_type == "Create" else "comprehend-medical-job-1"
    answer = stack.provider.answer(request_type, properties, given)
    if request_type == "Delete":
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", given)
        assert "Data" not in answer
    elif sentence is None:
        assert answer["Status"] == "SUCCESS", answer["Reason"]
        assert (answer["Data"]["JobId"], answer["Data"]["Count"]) == ("b" * 32, "2")
    else:
        assert answer["Status"] == "FAILED"
        assert answer["Reason"].startswith(f"Error: {sentence}")
    if given:
        assert answer["PhysicalResourceId"] == given


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_printed_or_logged(stack, case, capfd, caplog):
    stack.create(**CASES[case][0])
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


def test_the_handlers_do_without_logger_and_tracer():
    imported = "import jobledger.handlers.lookup, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", imported],
        env={"PYTHONPATH": str(Path(handlers.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"jobledger.observability", "aws_lambda_powertools"} & set(done.stdout.split())


def test_a_delete_succeeds_with_nothing_to_go_on(stack, monkeypatch):
    monkeypatch.delenv("FAMILIES")
    monkeypatch.setattr(handlers, "_connect", None)
    answer = stack.provider.answer("Delete", {"No": "sense"}, "anything")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "anything")


def test_a_create_that_was_refused_leaves_the_mark_that_its_delete_is_ignored_by(stack):
    assert stack.create(JobStatus="DONE")["PhysicalResourceId"] == CREATE_FAILED


def test_the_physical_id_is_the_same_for_whatever_job_is_found(stack):
    first = stack.create(JobName="nightly-notes")
    again = stack.create(JobName="once")
    updated = stack.provider.answer("Update", {"JobName": "once"}, first["PhysicalResourceId"])
    ids = {answer["PhysicalResourceId"] for answer in (first, again, updated)}
    assert len(ids) == 1
    assert first["Data"]["JobId"] != updated["Data"]["JobId"]


def test_attributes_are_all_there_and_all_text(stack):
    submitted = datetime.datetime.fromtimestamp(START - 2 * DAY, datetime.UTC)
    assert stack.found(JobName="nightly-notes") == {
        "JobId": "b" * 32,
        "JobName": "nightly-notes",
        "JobStatus": "COMPLETED",
        "Family": "SNOMEDCT",
        "SubmitTime": f"{submitted:%Y-%m-%dT%H:%M:%S}.000Z",
        "EndTime": f"{submitted + datetime.timedelta(seconds=60):%Y-%m-%dT%H:%M:%S}.000Z",
        "ModelVersion": "3.0.0",
        "InputS3Uri": "s3://notes/in/2026/",
        "OutputS3Uri": "s3://codes/out/",
        "ManifestS3Uri": "",
        "DurationSeconds": "60",
        "Count": "2",
    }


def test_a_manifest_is_in_the_bucket_of_the_output(stack):
    part = stack.found(JobName="part", JobStatus="PARTIAL_SUCCESS")
    assert part["ManifestS3Uri"] == "s3://codes/out/Manifest"
    assert part["OutputS3Uri"] == "s3://codes/"
    assert part["ModelVersion"] == ""


@pytest.mark.parametrize(
    "properties, job, count",
    [
        ({}, "f", 4),
        ({"Select": "oldest"}, "a", 4),
        ({"Select": "only", "JobName": "once"}, "d", 1),
        ({"JobNamePrefix": "nightly"}, "b", 2),
        ({"JobStatus": "FAILED,PARTIAL_SUCCESS"}, "e", 2),
        ({"JobStatus": ["FAILED", "PARTIAL_SUCCESS"]}, "e", 2),
        ({"JobStatus": ["FAILED"]}, "c", 1),
        ({"SubmitTimeBefore": str(int(START - 2 * DAY))}, "a", 1),
        ({"SubmitTimeAfter": str(int(START - 2 * DAY)), "Select": "oldest"}, "d", 2),
        ({"Family": "ALL", "JobName": "once"}, "d", 1),
        ({"Refresh": "build 7", "JobName": "once"}, "d", 1),
        ({"Refresh": ["any", "thing"], "JobName": "once"}, "d", 1),
    ],
)
def test_each_property_selects(stack, properties, job, count):
    if job == "f":
        stack.world.delete("f" * 32)
        properties, job, count = {**properties, "SubmitTimeBefore": str(START - 4 * HOUR)}, "d", 3
    found = stack.found(**properties)
    assert (found["JobId"], found["Count"]) == (job * 32, str(count))


def test_without_must_exist_nothing_found_is_empty_attributes_and_a_count_of_0(stack):
    nothing = dict.fromkeys(ATTRIBUTES, "") | {"Count": "0"}
    for waiting in ({}, {"WaitMinutes": "1"}):
        assert stack.found(JobName="nobody", MustExist="false", **waiting) == nothing


def test_the_sentence_says_what_there_is_of_that_name(stack):
    sentence = stack.refused(JobName="nightly-notes", SubmitTimeAfter=str(int(START - 1.5 * DAY)))
    assert "JobStatus COMPLETED, SubmitTimeAfter 2026-11-22T00:00:00.000Z (MustExist" in sentence
    assert f"The newest job with this name ({'c' * 32}) is FAILED since" in sentence
    assert ": No documents. The ledger is as of 2026-11-23T12:00:01.000Z." in sentence


def test_what_nobody_thought_of_is_a_sentence_too(stack, monkeypatch):
    def broken():
        raise KeyError("secret-name")

    monkeypatch.setattr(handlers, "_connect", broken)
    sentence = stack.refused(JobName="once")
    assert sentence.startswith("The look-up failed unexpectedly: KeyError in broken:")
    assert "secret-name" not in sentence


@pytest.mark.parametrize("letter", ["x", "診", "\U00020000"])
def test_the_longest_sentences_fit_into_an_answer(stack, letter):
    # `Provider` refuses an answer that is too long.
    stack.world.put(a_job("8" * 32, 60, "FAILED", JobName=letter * 256, Message='"\\' * 2000))
    stack.world.sync()
    assert stack.refused(JobName=letter * 256).startswith("No job matches")
    assert "is not a property" in stack.refused(**{letter * 999: letter * 999, "Jobname": "x"})


def test_attributes_fit_up_to_the_last_byte(stack):
    sizes = []

    def fails_with_a_manifest_path_of(length):
        place = {"S3Bucket": "codes", "S3Key": "k" * 1024}
        job = a_job("6" * 32, 60, JobName="fits", InputDataConfig=place, OutputDataConfig=place)
        stack.world.put(job | {"ManifestFilePath": "m" * length})
        stack.world.sync()
        answer = stack.create(JobName="fits")
        if answer["Status"] == "SUCCESS":
            sizes.append(len(json.dumps(answer, separators=(",", ":"))))
        return answer["Status"] == "FAILED"

    bisect.bisect_left(range(4096), True, key=fails_with_a_manifest_path_of)
    assert max(sizes) == 4095


def test_a_ledger_that_was_never_filled_says_so(stack, monkeypatch):
    with World(hostile=False) as empty:
        monkeypatch.setattr(handlers, "_connect", lambda: (empty.ledger, empty.sync))
        assert "The first sync of the ledger is not complete." in stack.refused(JobName="once")
