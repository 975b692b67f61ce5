"""The adapter of Lambda: one attempt, a bounded wait, and our errors for all of theirs."""

from typing import Any

from jobledger.clients import session
from jobledger.errors import FunctionRefused, FunctionThrottled
from jobledger.invoke import CONFIG, WAIT_SECONDS, Function
from jobledger.observability import logger
from testing.scripted_server import Scripted, document, scripted


def invoked(answer: Scripted | None) -> tuple[Any, bytes]:
    """What a call returns or raises, and what the function got. Without an answer, the connection is closed."""
    with scripted(answer) as server:
        client = session().create_client("lambda", config=CONFIG, endpoint_url=server.url)
        try:
            found: Any = Function(client, "f")({"a": 1})
        except FunctionRefused as refused:
            found = refused
        (request,) = server.received
        return found, request.body


def test_the_answer_is_the_functions_own_and_it_gets_the_correlation_id():
    logger.set_correlation_id(None)
    assert invoked(Scripted(body=b'{"b":2}')) == ({"b": 2}, b'{"a": 1}')
    logger.set_correlation_id("the-request")
    sent = b'{"a": 1, "CorrelationId": "the-request"}'
    assert invoked(Scripted(body=b'{"b":2}')) == ({"b": 2}, sent)


def test_a_function_that_fails_is_reported_by_the_name_of_its_error():
    for error, name in (
        ({"errorType": "DigestInProgress", "errorMessage": "patient"}, "DigestInProgress"),
        *(({"errorType": "a patient!"}, "FunctionError"), ({"errorType": 7}, "FunctionError")),
        *(({}, "FunctionError"), ([], "FunctionError")),
    ):
        refused, _ = invoked(document(error, **{"X-Amz-Function-Error": "Unhandled"}))
        assert (refused.name, str(refused)) == (name, name)


def test_what_lambda_refuses_becomes_our_error():
    for status, kind, name in (
        (429, FunctionThrottled, "TooManyRequestsException"),
        (403, FunctionRefused, "AccessDeniedException"),
        (None, FunctionRefused, "ConnectionClosedError"),
    ):
        answer = Scripted(status, {"x-amzn-ErrorType": name}) if status else None
        refused, _ = invoked(answer)
        assert (type(refused), refused.name) == (kind, name)
    # The wait leaves time for an answer within the gateway's 29 seconds.
    assert CONFIG.connect_timeout + CONFIG.read_timeout < 29 - 5
    assert CONFIG.read_timeout == WAIT_SECONDS
    assert CONFIG.retries["total_max_attempts"] == 1
