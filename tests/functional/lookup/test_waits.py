"""Look-ups that wait for their job."""

import pytest

from jobledger.errors import FunctionRefused
from testing.builders import START, listed_job
from testing.memory_dynamodb import error
from tests.functional.lookup.lookups import HOUR, MINUTE


def test_a_look_up_that_does_not_wait_reads_the_ledger_only(stack):
    stack.world.put(listed_job("9" * 32, 60, JobName="nightly-notes"))
    assert stack.found(JobName="nightly-notes")["JobId"] == "b" * 32
    assert stack.syncs == []
    assert stack.found(JobName="nightly-notes", WaitMinutes="1")["JobId"] == "9" * 32
    assert stack.syncs == [{"Families": ["SNOMEDCT"], "IfOlderThanSeconds": 2}]


@pytest.fixture
def tonight(stack):
    """Put jobs of the name that is waited for: each with its hours of age, its status and its times."""

    def put(hours=1, status="FAILED", number=9, **times):
        job = listed_job(f"{number}" * 32, hours * HOUR, status, JobName="tonight") | times
        stack.world.put({name: value for name, value in job.items() if value is not None})

    return put


def refused(stack, minutes=2, **more):
    return stack.refused(JobName="tonight", WaitMinutes=str(minutes), **more)


FAILED = "JobName: the job waited for is FAILED"


def test_a_wait_ends_when_the_job_completes(stack):
    job_id = stack.start_job()
    assert stack.found(JobName="tonight", WaitMinutes="30")["JobId"] == job_id
    assert 120 <= stack.seconds < 160


def test_a_wait_ends_with_the_reason_when_the_job_fails(stack):
    job_id = stack.start_job(outcome="FAILED")
    sentence = refused(stack, 30, MustExist="false")
    assert sentence.startswith(f"{FAILED} since 2026-11-23T")
    assert sentence.endswith(f"Z; look up JobId {job_id} in the ledger.")
    assert stack.seconds < 160


def test_a_wait_ends_when_the_job_is_stopped(stack):
    stack.world.client().stop_snomedct_inference_job(JobId=stack.start_job())
    assert "is STOPPED" in refused(stack, 30)


def test_a_job_that_failed_long_ago_ends_a_wait_only_if_it_is_in_the_time_asked_for(stack, tonight):
    tonight()
    assert "2 minutes have passed" in refused(stack)
    began = stack.seconds
    assert "is FAILED" in refused(stack, SubmitTimeAfter=str(int(START - 2 * HOUR)))
    assert stack.seconds < began + 10
    job_id = stack.start_job()
    assert stack.found(JobName="tonight", WaitMinutes="5")["JobId"] == job_id


def test_a_failed_job_ends_no_wait_for_another_name_or_for_failed_jobs(stack):
    job_id = stack.start_job(outcome="FAILED")
    assert "5 minutes have passed" in stack.refused(JobNamePrefix="tonig", WaitMinutes="5")
    found = stack.found(JobName="tonight", WaitMinutes="9", JobStatus="FAILED")
    assert found["JobId"] == job_id


@pytest.mark.parametrize(
    "properties, minutes, sentence",
    [
        ({"WaitMinutes": "0.5"}, 0.5, "WaitMinutes: 0.5 minutes have passed."),
        ({"WaitMinutes": "55"}, 55, "WaitMinutes: 55 minutes have passed."),
        ({"WaitMinutes": "120"}, 55,
         "WaitMinutes: 55 of 120 minutes have passed, and CloudFormation limits the time of one resource; another"),
        ({"WaitMinutes": "30", "ServiceTimeout": "600"}, 9, "WaitMinutes: 9 of 30 minutes have passed"),
        ({"WaitMinutes": "30", "ServiceTimeout": "1"}, 0, "WaitMinutes: 0 of 30 minutes have passed"),
    ],
)  # fmt: skip
def test_a_wait_never_outlasts_what_cloudformation_waits(stack, properties, minutes, sentence):
    # Each look is a sync: for an hour's wait, the provider looks every other minute.
    stack.provider.interval = 120 if minutes == 55 else 10
    assert stack.refused(JobName="no-such-job", **properties).startswith(sentence)
    # A sync takes a second of this world's time.
    waited, late = stack.seconds, stack.provider.interval
    assert minutes * MINUTE <= waited <= minutes * MINUTE * 1.2 + 5 + late


def test_an_unreachable_service_is_retried_and_reported(stack):
    stack.sync_error = FunctionRefused("AccessDeniedException")
    sentence = stack.refused(JobName="no-such-job", WaitMinutes="2")
    assert "Comprehend Medical could not be reached." in sentence
    assert len(stack.syncs) == 13
    assert stack.found(JobName="once", WaitMinutes="2")["JobId"] == "d" * 32


@pytest.mark.parametrize(
    "part, waiting, seconds",
    [("table", {}, 60), ("table", {"WaitMinutes": "3"}, 180), ("key", {}, 60)],
)
def test_a_ledger_that_cannot_be_read_is_tried_for_a_minute_or_while_waiting(
    stack, part, waiting, seconds
):
    until = stack.world.clock.seconds + 1_000

    def down(operation):
        if stack.world.clock.seconds < until and operation != "Plaintext":
            raise error("ThrottlingException")

    (stack.world.database if part == "table" else stack.kms).before = down
    sentence = stack.refused(JobName="once", **waiting)
    assert sentence == (
        "The ledger is temporarily unavailable (ThrottlingException). No data was lost. Try again."
    )
    assert seconds <= stack.seconds < seconds + 10
    until = stack.world.clock.seconds + 30
    assert stack.found(JobName="once", **waiting)["JobId"] == "d" * 32


@pytest.mark.parametrize("seconds_before, ends_the_wait", [(60, True), (61, False), (None, True)])
def test_a_job_that_failed_a_minute_before_the_wait_at_the_earliest_or_at_no_known_time_ends_it(
    stack, tonight, seconds_before, ends_the_wait
):
    tonight(EndTime=seconds_before and stack.world.clock.seconds - seconds_before)
    assert refused(stack).startswith(FAILED) is ends_the_wait


def test_a_wait_for_the_oldest_job_ends_when_the_newest_fails(stack, tonight):
    tonight(2, "STOPPED", number=7)
    tonight()
    after = str(int(START - 3 * HOUR))
    assert refused(stack, Select="oldest", SubmitTimeAfter=after).startswith(FAILED)
