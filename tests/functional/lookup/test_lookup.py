"""What look-ups answer CloudFormation."""

import bisect
import json

import pytest
from botocore.exceptions import EndpointConnectionError

from jobledger.errors import LookupFailed
from jobledger.handlers import lookup as handlers
from jobledger.lookup.encryption import PropertyCipher
from jobledger.lookup.lookup import ATTRIBUTES
from jobledger.lookup.resource import with_one_reason
from jobledger.observability import logger
from testing.builders import NOW, START, listed_job
from testing.memory_dynamodb import error
from testing.world import World
from tests.functional.lookup.lookups import DAY, HOUR, Kms
from tests.functional.lookup.provider import CREATE_FAILED, LOGICAL_ID, STACK

CASES = {
    "ok": ({"JobName": "nightly-notes"}, None),
    "not found": ({"JobName": "no-such-job"}, "JobName: no COMPLETED job has this name; none has it in any status."),
    "ambiguous": ({"JobName": "nightly-notes", "Select": "only"},
                  f"Select is only, and 2 jobs match, of which two are {'b' * 32} and {'a' * 32}."),
    "bad property": ({"JobStatus": "DONE"}, "JobStatus must be one of SUBMITTED"),
    "timeout": ({"JobName": "no-such-job", "WaitMinutes": "5"},
                "WaitMinutes: 5 minutes have passed. JobName: no COMPLETED job has this name;"),
    "oversize": ({"JobName": "too-long"}, "The attributes of job " + "f" * 32 + " are too long"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_every_request_is_answered_with_the_job_or_with_a_sentence(stack, request_type, case):
    properties, sentence = CASES[case]
    given = None if request_type == "Create" else "comprehend-medical-job-1"
    answer = stack.provider.answer(request_type, properties | {"Refresh": "a canary"}, given)
    # The state machine gets no property in plain text.
    for event in stack.provider.waits:
        assert set(event["ResourceProperties"]) <= {"Encrypted"}
        assert not event.get("OldResourceProperties")
        assert not {*properties.values(), "a canary"} & set(json.dumps(event).split('"'))
    if request_type == "Delete":
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", given)
        assert "Data" not in answer
        return
    if case == "bad property" and request_type == "Create":
        # CloudFormation's delete of it is ignored by this mark.
        assert answer["PhysicalResourceId"] == CREATE_FAILED
    if sentence is None:
        assert answer["Status"] == "SUCCESS", answer["Reason"]
        assert (answer["Data"]["JobId"], answer["Data"]["Count"]) == ("b" * 32, "2")
    else:
        assert answer["Status"] == "FAILED"
        assert answer["Reason"].startswith(f"Error: {sentence}")
    if given:
        assert answer["PhysicalResourceId"] == given


@pytest.mark.parametrize("case", CASES)
def test_the_log_has_the_outcome_the_wait_and_the_resource(stack, case, capsys, caplog):
    caplog.set_level("INFO")
    stack.create(**CASES[case][0])
    (metrics,) = map(json.loads, capsys.readouterr().out.splitlines())
    (record,) = (record for record in caplog.records if record.module == "resource")
    assert (record.stack_id, record.logical_id) == (STACK, LOGICAL_ID)
    assert logger.get_correlation_id() == "1" * 36
    found = CASES[case][1] is None
    assert record.getMessage() == ("look-up complete" if found else "look-up failed")
    assert getattr(record, "job_id", None) == ("b" * 32 if found else None)
    assert metrics["LookupsFound" if found else "LookupsFailed"] == [1]
    (wait,) = metrics["LookupWaitSeconds"]
    assert 300 <= wait < 330 if case == "timeout" else wait == 0


def test_properties_are_encrypted_with_the_key_as_utf_8_and_bound_to_the_request():
    cipher = PropertyCipher(kms := Kms(), "key")
    request = {"StackId": "stack", "LogicalResourceId": "Job", "RequestId": "request"}
    given = {"JobName": "診\ud800", "Refresh": "7", "ServiceToken": "token"}
    encrypted = cipher.encrypt({**request, "ResourceProperties": given})
    assert cipher.decrypt({**request, "ResourceProperties": encrypted}) == {"JobName": "診?"}
    # Escapes would take more of the 4,096 bytes that KMS encrypts.
    assert kms.asked[0]["Plaintext"] == '{"JobName": "診?"}'.encode()
    for asked in kms.asked:
        assert (asked["KeyId"], asked["EncryptionContext"]) == ("key", request)


@pytest.mark.parametrize(
    "failure", [error("AccessDeniedException"), EndpointConnectionError(endpoint_url="https://kms")]
)
def test_a_key_that_cannot_be_used_is_a_sentence_with_the_name_of_the_cause(stack, failure):
    def fail(_):
        raise failure

    stack.kms.before = fail
    name = "AccessDeniedException" if hasattr(failure, "response") else "EndpointConnectionError"
    sentence = f"The properties could not be encrypted ({name}). Try again."
    assert stack.refused(JobName="once") == sentence


def test_a_delete_succeeds_with_nothing_to_go_on(stack, monkeypatch):
    monkeypatch.delenv("FAMILIES")
    monkeypatch.setattr(handlers, "_connect", None)
    answer = stack.provider.answer("Delete", {"No": "sense"}, "anything")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "anything")


def test_the_physical_id_is_the_same_for_whatever_job_is_found(stack):
    first, again = stack.create(JobName="nightly-notes"), stack.create(JobName="once")
    updated = stack.provider.answer("Update", {"JobName": "once"}, first["PhysicalResourceId"])
    ids = {answer["PhysicalResourceId"] for answer in (first, again, updated)}
    # Another one would be another resource, and the job would be looked up anew.
    assert ids == {"comprehend-medical-job-3b1f83c2752fb91d1e73ad039ee000af"}
    assert first["Data"]["JobId"] != updated["Data"]["JobId"]


def test_attributes_are_all_there_and_all_text(stack):
    assert stack.found(JobName="nightly-notes") == {
        "JobId": "b" * 32,
        "JobName": "nightly-notes",
        "JobStatus": "COMPLETED",
        "Family": "SNOMEDCT",
        "SubmitTime": "2026-11-21T12:00:00.000Z",
        "EndTime": "2026-11-21T12:01:00.000Z",
        "ModelVersion": "3.0.0",
        "InputS3Uri": "s3://notes/in/2026/",
        "OutputS3Uri": "s3://codes/out/",
        "ManifestS3Uri": "",
        "DurationSeconds": "60",
        "Count": "2",
    }


@pytest.mark.parametrize(
    "properties, job, count",
    [
        ({"SubmitTimeBefore": str(START - 4 * HOUR)}, "d", 3),
        ({"Select": "oldest"}, "a", 4),
        (
            {"Select": "only", "JobName": "once", "Family": "ALL", "Refresh": ["any", "thing"]},
            "d",
            1,
        ),
        ({"JobNamePrefix": "nightly"}, "b", 2),
        ({"JobStatus": "FAILED,PARTIAL_SUCCESS"}, "e", 2),
        ({"SubmitTimeAfter": str(int(START - 2 * DAY)), "Select": "oldest"}, "d", 2),
    ],
)
def test_each_property_selects(stack, properties, job, count):
    found = stack.found(**properties)
    assert (found["JobId"], found["Count"]) == (job * 32, str(count))


def test_without_must_exist_nothing_found_is_empty_attributes_and_a_count_of_0(stack):
    nothing = dict.fromkeys(ATTRIBUTES, "") | {"Count": "0"}
    for more in ({"MustExist": "false"}, {"MustExist": "FALSE", "WaitMinutes": "1"}):
        assert stack.found(JobName="no-such-job", **more) == nothing


def test_the_sentence_says_what_there_is_of_that_name(stack):
    sentence = stack.refused(JobName="nightly-notes", SubmitTimeAfter=str(int(START - 1.5 * DAY)))
    assert sentence == (
        "JobName: no COMPLETED job has this name and matches SubmitTimeAfter; the newest job with this "
        f"name is FAILED since 2026-11-22T12:01:00.000Z; look up JobId {'c' * 32} in the ledger. "
        "Searched: SNOMEDCT. The ledger is as of 2026-11-23T12:00:01.000Z."
    )


def test_an_unexpected_error_is_reported_as_a_sentence(stack, monkeypatch):
    def broken():
        raise KeyError("secret-name")

    monkeypatch.setattr(handlers, "_connect", broken)
    sentence = stack.refused(JobName="once")
    assert sentence.startswith("The look-up failed unexpectedly: KeyError in broken:")
    assert "secret-name" not in sentence


@pytest.mark.parametrize("letter", ["x", "診", "\U00020000"])
def test_the_longest_sentences_fit_into_an_answer(stack, letter):
    # `Provider` refuses an answer that is too long.
    stack.world.put(listed_job("8" * 32, 60, "FAILED", JobName=letter * 256, Message='"\\' * 2000))
    stack.world.sync()
    said = "JobName: no COMPLETED job has this name; the newest"
    assert stack.refused(JobName=letter * 256).startswith(said)
    assert "is not a property" in stack.refused(**{letter * 999: letter * 999, "Jobname": "x"})


@pytest.mark.parametrize("letter", ["x", "診", '"', "\\"])
def test_a_reason_that_just_fits_is_unchanged_and_a_longer_one_keeps_what_fits(letter):
    def size(text):
        return len(json.dumps(text, ensure_ascii=False).encode())

    def reason_of(sentence):
        def fail():
            raise LookupFailed(sentence)

        with pytest.raises(LookupFailed) as failed:
            with_one_reason({}, lambda: NOW, fail)
        return str(failed.value)

    fits = letter * (1_998 // (size(letter) - 2))
    assert reason_of(fits) == fits
    reason = reason_of(letter * 5_000)
    assert reason == letter * (len(reason) - 1) + "…"
    assert 1_790 < size(reason) <= 2_000


def test_attributes_fit_up_to_the_last_byte(stack):
    sizes = []

    def fails_with_a_manifest_path_of(length):
        place = {"S3Bucket": "codes", "S3Key": "k" * 1024}
        job = listed_job("6" * 32, 60, JobName="fits", ManifestFilePath="m" * length)
        stack.world.put(job | {"InputDataConfig": place, "OutputDataConfig": place})
        stack.world.sync()
        answer = stack.create(JobName="fits")
        if answer["Status"] == "FAILED":
            said = "are too long: CloudFormation accepts a response of 4096 bytes"
            assert said in answer["Reason"]
            return True
        sizes.append(len(json.dumps(answer, separators=(",", ":"))))
        return False

    bisect.bisect_left(range(4096), True, key=fails_with_a_manifest_path_of)
    assert max(sizes) == 4095


def test_a_ledger_that_was_never_filled_says_so(stack, monkeypatch):
    with World(hostile=False) as empty:
        monkeypatch.setattr(handlers, "_connect", lambda: (empty.ledger, empty.sync))
        assert "No complete sync of the ledger is known." in stack.refused(JobName="once")
