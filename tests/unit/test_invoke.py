"""The adapter of Lambda: one attempt, a bounded wait, and our errors for all of theirs."""

import io
import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from jobledger.clients import session
from jobledger.errors import FunctionRefused, FunctionThrottled
from jobledger.invoke import CONFIG, WAIT_SECONDS, Function
from jobledger.observability import logger


@pytest.fixture
def client():
    logger.set_correlation_id(None)
    return session().create_client("lambda", config=CONFIG, region_name="us-east-1")


def answering(client, text: str, sent: str = '{"a": 1}', **more: str) -> Function:
    payload = StreamingBody(io.BytesIO(text.encode()), len(text))
    stubber = Stubber(client)
    expected = {"FunctionName": "f", "Payload": sent}
    stubber.add_response("invoke", {"StatusCode": 200, "Payload": payload, **more}, expected)
    stubber.activate()
    return Function(client, "f")


@pytest.mark.parametrize(
    "correlation_id, sent",
    [(None, '{"a": 1}'), ("the-request", '{"a": 1, "CorrelationId": "the-request"}')],
)
def test_the_answer_is_the_functions_own_and_it_gets_the_correlation_id(
    client, correlation_id, sent
):
    logger.set_correlation_id(correlation_id)
    assert answering(client, '{"b":2}', sent)({"a": 1}) == {"b": 2}


@pytest.mark.parametrize(
    "error, name",
    [
        ({"errorType": "DigestInProgress", "errorMessage": "patient"}, "DigestInProgress"),
        ({"errorType": "a patient!"}, "FunctionError"),
        ({"errorType": 7}, "FunctionError"),
        ({}, "FunctionError"),
        ([], "FunctionError"),
    ],
)
def test_a_function_that_fails_is_reported_by_the_name_of_its_error(client, error, name):
    with pytest.raises(FunctionRefused) as refused:
        answering(client, json.dumps(error), FunctionError="Unhandled")({"a": 1})
    assert (refused.value.name, str(refused.value)) == (name, name)


@pytest.mark.parametrize(
    "error, expected",
    [
        (ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"), FunctionThrottled),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke"), FunctionRefused),
        (ReadTimeoutError(endpoint_url="x"), FunctionRefused),
    ],
    ids=repr,
)
def test_what_lambda_refuses_becomes_our_error(error, expected):
    def refuse(**_: object) -> None:
        raise error

    with pytest.raises(expected) as refused:
        Function(SimpleNamespace(invoke=refuse), "f")({})
    assert type(refused.value) is expected


def test_the_wait_leaves_time_for_an_answer_within_the_gateways_29_seconds():
    assert CONFIG.connect_timeout + CONFIG.read_timeout < 29 - 5
    assert CONFIG.read_timeout == WAIT_SECONDS
    assert CONFIG.retries["total_max_attempts"] == 1
