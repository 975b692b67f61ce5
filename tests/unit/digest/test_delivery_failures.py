"""A digest whose message or ledger fails: nothing is lost, and nothing sent twice."""

import json
from collections import Counter

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from jobledger.errors import (
    InvalidParameters,
    InvalidWindow,
    LedgerUnavailable,
    MessageInvalid,
    PublishRefused,
    PublishUncertain,
)
from jobledger.times import rfc3339
from testing.digests import refusal, sent, windows
from testing.memory_dynamodb import error

# Every error in the service's model of Publish, with its status.
REFUSALS = {
    "NotFound": 404,
    "EndpointDisabled": 400,
    "PlatformApplicationDisabled": 400,
    "AuthorizationError": 403,
    "KMSDisabled": 400,
    "KMSInvalidState": 400,
    "KMSNotFound": 400,
    "KMSOptInRequired": 403,
    "KMSThrottling": 400,
    "KMSAccessDenied": 400,
    "InvalidSecurity": 403,
}


INVALID = {"InvalidParameter": 400, "ParameterValueInvalid": 400, "ValidationException": 400}


@pytest.mark.row(8, count="11 errors of Publish")
@pytest.mark.parametrize("code", REFUSALS)
def test_a_refused_message_is_not_recorded_and_the_next_run_covers_its_window(world, code):
    world.run()
    world.observe("one", "COMPLETED")
    world.forward(days=1)
    world.topic.failures = [refusal(code, REFUSALS[code])]
    with pytest.raises(PublishRefused) as refused:
        world.run()
    assert refused.value.name == code
    world.forward(days=1)
    world.run()
    first, second = sent(world)
    assert first["Window"]["End"] == second["Window"]["Start"]
    assert second["Window"]["End"] == "2026-11-25T07:58:00.000Z"
    assert [job["JobId"] for job in second["Completed"]] == ["one"]


def test_the_same_event_again_after_a_refusal_publishes_the_same_window(world):
    world.topic.failures = [refusal("KMSAccessDenied", 400)]
    with pytest.raises(PublishRefused):
        world.run()
    assert world.run()["Published"]
    assert windows(world) == [("2026-11-22T07:58:00.000Z", "2026-11-23T07:58:00.000Z")]


@pytest.mark.row(8, count="6 errors and time-outs")
@pytest.mark.parametrize(
    "failure",
    [
        refusal("InternalError", 500),
        refusal("InternalError", 500, attempts=3),
        refusal("Throttling", 400, attempts=3),
        refusal("AuthorizationError", 403, attempts=2),
        ReadTimeoutError(endpoint_url="https://sns"),
        EndpointConnectionError(endpoint_url="https://sns"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_what_may_have_been_sent_is_sent_again_as_it_was(world, failure):
    world.observe("one", "COMPLETED")
    world.forward(minutes=5)
    world.topic.failures = [failure]
    with pytest.raises(PublishUncertain) as uncertain:
        world.run()
    answered = isinstance(failure, ClientError)
    code = failure.response["Error"]["Code"] if answered else type(failure).__name__
    assert uncertain.value.name == code
    world.observe("two", "FAILED")
    world.forward(days=1)
    world.run()
    assert world.topic.tried[0] == world.topic.tried[1] == world.topic.taken[0]
    assert len(world.topic.taken) == 2
    assert windows(world)[0][1] == windows(world)[1][0]


@pytest.mark.row(8, count="3 errors of Publish")
@pytest.mark.parametrize("code", INVALID)
def test_a_message_that_sns_never_accepted_does_not_block_the_next(world, code):
    world.topic.failures = [
        ReadTimeoutError(endpoint_url="https://sns"),
        refusal(code, INVALID[code]),
    ]
    with pytest.raises(PublishUncertain):
        world.run()
    with pytest.raises(MessageInvalid) as refused:
        world.run()
    assert refused.value.name == code
    assert world.run()["Published"]


def test_a_claim_of_an_earlier_run_outlives_a_refusal(world):
    world.topic.failures = [
        ReadTimeoutError(endpoint_url="https://sns"),
        refusal("AuthorizationError", 403),
    ]
    with pytest.raises(PublishUncertain):
        world.run()
    world.forward(days=1)
    with pytest.raises(PublishRefused):
        world.run()
    world.run()
    assert [end for _, end in windows(world)] == [
        "2026-11-23T07:58:00.000Z",
        "2026-11-24T07:58:00.000Z",
    ]


@pytest.mark.row(9, count="5 operations, 3 errors")
@pytest.mark.parametrize(
    "operation",
    ["get_item", "query", "transact_write_items", "put_remembered", "update_remembered"],
)
@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "RequestTimeout"])
def test_a_ledger_that_fails_at_any_point_costs_no_digest_and_sends_none_twice(
    world, operation, code
):
    failing = Counter({operation: 1})

    def fail(called: str) -> None:
        if failing[called]:
            failing[called] -= 1
            raise error(code)

    world.tables.before = fail
    if operation == "update_remembered":
        # The message is out, and that is what counts.
        assert world.run()["Published"]
    else:
        with pytest.raises(LedgerUnavailable):
            world.run()
        assert world.run()["Published"]
    assert len(world.topic.taken) == 1
    assert world.run()["Published"] is False


def test_a_ledger_that_fails_after_the_message_is_out_sends_none_twice(world):
    world.topic.after = lambda _: setattr(world.tables, "before", fail_writes)

    def fail_writes(operation: str) -> None:
        if operation == "transact_write_items":
            world.tables.before = lambda _: None
            raise error("ThrottlingException")

    with pytest.raises(LedgerUnavailable):
        world.run()
    world.topic.after = lambda _: None
    assert world.run()["MessageId"] == "message-1"
    assert len(world.topic.taken) == 1


@pytest.mark.row(8, count="1")
def test_failures_are_counted_for_the_alarm_and_callers_faults_are_not(world, capsys):
    world.topic.failures = [refusal("NotFound", 404)]
    with pytest.raises(PublishRefused):
        world.run()
    with pytest.raises(InvalidWindow):
        world.run({"WindowStart": rfc3339(world.now), "WindowEnd": rfc3339(world.now)})
    with pytest.raises(InvalidParameters):
        world.run({"WindowStart": "x", "WindowEnd": "y"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["DigestFailures"] for line in lines if "DigestFailures" in line] == [[1.0]]
