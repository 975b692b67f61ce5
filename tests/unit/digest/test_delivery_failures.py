"""A digest whose message or ledger fails: nothing is lost, and nothing sent twice."""

import json

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from jobledger import errors
from jobledger.times import rfc3339
from testing.digests import WINDOW, refusal, sent, windows
from testing.memory_dynamodb import error

# Every error in the service's model of Publish, with its status.
REFUSALS = {
    **dict.fromkeys(("EndpointDisabled", "PlatformApplicationDisabled", "KMSDisabled"), 400),
    **dict.fromkeys(("KMSInvalidState", "KMSNotFound", "KMSThrottling", "KMSAccessDenied"), 400),
    **dict.fromkeys(("AuthorizationError", "InvalidSecurity", "KMSOptInRequired"), 403),
    "NotFound": 404,
}
TIMED_OUT = ReadTimeoutError(endpoint_url="https://sns")


def failure_of(world, kind, event=None):
    """The error that ends a run."""
    with pytest.raises(kind) as raised:
        world.run(event)
    return raised.value


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("days", [0, 1])
def test_a_refused_message_is_not_recorded_and_the_next_run_covers_its_window(world, code, days):
    """Whether it is the same event again, or that of the next day."""
    world.run()
    world.observe("one", "COMPLETED")
    world.forward(days=1)
    world.topic.failures = [refusal(code, REFUSALS[code])]
    assert failure_of(world, errors.PublishRefused).name == code
    world.forward(days=days)
    assert world.run()["Published"]
    end, last = "2026-11-23T07:58:00.000Z", f"2026-11-{24 + days}T07:58:00.000Z"
    assert windows(world) == [("2026-11-22T07:58:00.000Z", end), (end, last)]
    assert [job["JobId"] for job in sent(world)[1]["Completed"]] == ["one"]


@pytest.mark.parametrize(
    "failure",
    [
        *(refusal("InternalError", 500), refusal("InternalError", 500, attempts=3)),
        refusal("Throttling", 400, attempts=3),
        refusal("AuthorizationError", 403, attempts=2),
        TIMED_OUT,
        EndpointConnectionError(endpoint_url="https://sns"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_what_may_have_been_sent_is_sent_again_as_it_was(world, failure):
    world.observe("one", "COMPLETED")
    world.forward(minutes=5)
    world.topic.failures = [failure]
    answered = isinstance(failure, ClientError)
    code = failure.response["Error"]["Code"] if answered else type(failure).__name__
    assert failure_of(world, errors.PublishUncertain).name == code
    world.observe("two", "FAILED")
    world.forward(days=1)
    world.run()
    assert world.topic.tried[0] == world.topic.tried[1] == world.topic.taken[0]
    assert len(world.topic.taken) == 2
    assert windows(world)[0][1] == windows(world)[1][0]


@pytest.mark.parametrize(
    "code", ["InvalidParameter", "ParameterValueInvalid", "ValidationException"]
)
def test_a_message_that_sns_never_accepted_does_not_block_the_next(world, code):
    world.topic.failures = [TIMED_OUT, refusal(code, 400)]
    failure_of(world, errors.PublishUncertain)
    assert failure_of(world, errors.MessageInvalid).name == code
    assert world.run()["Published"]


@pytest.mark.parametrize("event", [None, WINDOW])
def test_a_claim_of_an_earlier_run_outlives_a_refusal(world, event, capsys):
    """SNS may have accepted the first of its attempts."""
    world.topic.failures = [TIMED_OUT, refusal("AuthorizationError", 403)]
    failure_of(world, errors.PublishUncertain, event)
    world.forward(days=1)
    failure_of(world, errors.PublishRefused, event)
    world.run(event)
    assert world.topic.taken[0] == world.topic.tried[0]
    assert len(world.topic.taken) == (2 if event is None else 1)
    assert '"DigestsResumed":[1.0]' in capsys.readouterr().out


def test_a_window_whose_message_sns_refuses_is_read_again_by_the_next_call(world, capsys):
    world.topic.failures = [refusal("AuthorizationError", 403)]
    failure_of(world, errors.PublishRefused, WINDOW)
    world.forward(hours=1)
    world.run(WINDOW)
    assert [digest["AsOf"] for digest in sent(world)] == [rfc3339(world.now)]
    assert '"DigestsResumed":[0.0]' in capsys.readouterr().out


@pytest.mark.parametrize(
    "operation, published",
    [
        *(("get_item", 0), ("query", 0), ("put_remembered", 0), ("update_remembered", 1)),
        *(("transact_write_items", 0), ("transact_write_items", 1)),
    ],
)
@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "RequestTimeout"])
def test_a_ledger_failure_at_any_point_loses_and_repeats_no_digest(
    world, operation, published, code
):
    """Each operation fails before or after the message is out."""

    def fail(called: str) -> None:
        if called == operation and len(world.topic.taken) == published:
            world.tables.before = lambda _: None
            raise error(code)

    world.tables.before = fail
    if operation != "update_remembered":  # then the message is out, and that is what counts
        with pytest.raises(errors.LedgerUnavailable):
            world.run()
    answer = world.run()
    assert (answer["Published"], answer["MessageId"]) == (True, "message-1")
    assert len(world.topic.taken) == 1
    assert world.run()["Published"] is False


def test_failures_are_counted_for_the_alarm_and_callers_faults_are_not(world, capsys):
    world.topic.failures = [refusal("NotFound", 404)]
    failure_of(world, errors.PublishRefused)
    now = rfc3339(world.now)
    failure_of(world, errors.InvalidWindow, {"WindowStart": now, "WindowEnd": now})
    failure_of(world, errors.InvalidParameters, {"WindowStart": "x", "WindowEnd": "y"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["DigestFailures"] for line in lines if "DigestFailures" in line] == [[1.0]]
