"""The session that makes every botocore client: it reads JSON responses without botocore's typed parser.

Two thirds of a large page was the time of that parser. It converts times and binary values, and drops
members outside the service's model. The operations in `_DECODED` need none of that: DynamoDB's rows hold
text, numbers (as text) and booleans, and a ledger must keep properties that Comprehend Medical adds, with
times as the epoch seconds of AWS JSON 1.1. Errors and all other operations stay botocore's.

An answer is what was asked for, or an error: botocore takes an empty body, `{}` or a sign-in page with status 200 for
a success without members, and returns an answer of DynamoDB that still fails its checksum after the last attempt.
Here both are errors of botocore's kind (`BotoCoreError`) for every client, and each caller handles those.
"""

import functools
import json
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.parsers import JSONParser, ResponseParserError, ResponseParserFactory
from botocore.session import Session

from jobledger import service
from jobledger.roots import use_amazon_roots

# The output shapes of the operations whose decoded body is the result.
_DECODED = frozenset(
    {
        "BatchGetItemOutput",
        "DeleteItemOutput",
        "GetItemOutput",
        "PutItemOutput",
        "QueryOutput",
        "TransactWriteItemsOutput",
        "UpdateItemOutput",
        "PutEventsResponse",
        "SendMessageResult",
        "DeleteMessageBatchResult",
        *(f"{name}Response" for name in service.operations(service.Family)),
    }
)
_LISTED, _DESCRIBED = (
    "ComprehendMedicalAsyncJobPropertiesList",
    "ComprehendMedicalAsyncJobProperties",
)
# The members that every answer of an operation has. GetItem and TransactWriteItems may answer `{}`.
_REQUIRED: Mapping[str, Mapping[str, type]] = {
    "BatchGetItem": {"Responses": dict},
    "Query": {"Items": list, "ScannedCount": int},
    "PutEvents": {"FailedEntryCount": int, "Entries": list},
    "AssumeRole": {"Credentials": dict},
    "Publish": {"MessageId": str},
    "SendMessage": {"MessageId": str},
    "Encrypt": {"CiphertextBlob": bytes},
    "Decrypt": {"Plaintext": bytes},
}
# Members that may be absent, or null, which botocore takes for absent.
_OPTIONAL: Mapping[str, type] = {
    "Item": dict,
    "LastEvaluatedKey": dict,
    "UnprocessedKeys": dict,
    "NextToken": str,
}
# What botocore's parsers raise for a body of another form.
_UNPARSABLE = (
    AttributeError,
    LookupError,
    RecursionError,
    ResponseParserError,
    TypeError,
    ValueError,
)
_CHECKSUM = "x-amz-crc32"
_decoder = msgspec.json.Decoder(dict[str, Any])


class InvalidResponse(BotoCoreError):  # type: ignore[misc] # botocore has no types
    """A successful response is not what the operation returns."""

    fmt = "the response is not what the operation returns"


class InvalidChecksum(BotoCoreError):  # type: ignore[misc] # botocore has no types
    """A response is not the one that the service sent."""

    fmt = "the response does not match its checksum"


class DecodedJSONParser(JSONParser):  # type: ignore[misc] # botocore has no types
    """botocore's parser of AWS JSON, except for the results of the operations in use."""

    def _do_parse(self, response: Any, shape: Any) -> dict[str, Any]:
        if shape is None or shape.name not in _DECODED:
            parsed: dict[str, Any] = super()._do_parse(response, shape)
            return parsed
        body = _decode(response["body"])
        self._inject_response_metadata(body, response["headers"])
        return body


class CheckedParser:
    """A parser that fails with InvalidResponse only: botocore's raise errors of several kinds."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        """Return the parsed response."""
        if not response["headers"].get(_CHECKSUM, "0").isdecimal():
            raise InvalidResponse  # botocore's own check would raise a ValueError
        try:
            parsed = self._parser.parse(response, shape)
        except _UNPARSABLE as error:
            raise InvalidResponse from error
        if parsed is None or not isinstance(parsed.get("Error", {}).get("Code", ""), str):
            raise InvalidResponse
        return parsed


class ParserFactory(ResponseParserFactory):  # type: ignore[misc] # botocore has no types
    """Chooses the response parser by the service's protocol."""

    def create_parser(self, protocol_name: str) -> Any:
        """Return the parser of a protocol; Lambda and SNS have others than JSON."""
        if protocol_name == "json":
            return _json_parser()
        return CheckedParser(super().create_parser(protocol_name))


@functools.cache
def session() -> Session:
    """Return the session of this process. Clients share its credentials and service descriptions."""
    return _new_session()


def _new_session() -> Session:
    """Return a session with the handlers that are in use.

    Of botocore's handlers, nine are for every service (`before-call`) and one for SQS, the others for a service that
    is not called here or for documentation (`before-call.s3`). Registering the others takes 5 % of a cold start.
    """
    made = Session(include_builtin_handlers=False)
    for event, handler, *_ in BUILTIN_HANDLERS:
        if "." not in event or event == "after-call.sqs.*":
            made.register(event, handler)
    made.register("after-call.dynamodb", _check_checksum)
    made.register("after-call", _check_members)
    made.register_component("response_parser_factory", ParserFactory())
    use_amazon_roots(made)
    return made


def session_with(credentials: Any) -> Session:
    """Return a session with other credentials, which reads no description of a service again."""
    made = _new_session()
    made.register_component("data_loader", session().get_component("data_loader"))
    made._credentials = credentials
    return made


@functools.cache
def session_with_handlers(service: str) -> Session:
    """Return the session with botocore's handlers for one service as well. S3 and STS have some."""
    made = session()
    for event, handler, *_ in BUILTIN_HANDLERS:
        if event.split(".")[1:2] == [service]:
            made.register(event, handler)
    return made


def keep_endpoints(client: Any) -> Any:
    """Return the client of one DynamoDB table, which evaluates the endpoint's rules once for each operation.

    They look at nothing in a request but a table's ARN, and our requests have a table's name.
    """
    rules = client._ruleset_resolver
    resolve = rules.construct_endpoint
    known: dict[str, Any] = {}

    def construct_endpoint(operation_model: Any, call_args: Any, request_context: Any) -> Any:
        name = operation_model.name
        if name not in known:
            known[name] = resolve(operation_model, call_args, request_context)
        return known[name]

    rules.construct_endpoint = construct_endpoint
    return client


@functools.cache
def _json_parser() -> CheckedParser:
    return CheckedParser(DecodedJSONParser())


def _check_checksum(http_response: Any, **_: Any) -> None:
    """Raise InvalidChecksum when an answer of DynamoDB, even an error, is not as it was sent."""
    sent = http_response.headers.get(_CHECKSUM)
    if sent is not None and zlib.crc32(http_response.content) != int(sent):
        raise InvalidChecksum


def _check_members(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Raise InvalidResponse when a member is missing that every such answer has, or has another type."""
    if http_response.status_code >= 300:
        return
    for name, kind in _required(model.name).items():
        if not isinstance(parsed.get(name), kind):
            raise InvalidResponse
    for name, kind in _OPTIONAL.items():
        if name in parsed and not isinstance(parsed[name], kind):
            if parsed[name] is not None:
                raise InvalidResponse
            del parsed[name]


@functools.cache
def _required(operation: str) -> Mapping[str, type]:
    if operation.startswith("List"):
        return {_LISTED: list}
    if operation.startswith("Describe"):
        return {_DESCRIBED: dict}
    return _REQUIRED.get(operation, {})


def _decode(body: bytes) -> dict[str, Any]:
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        pass  # JSON can carry a lone surrogate, which msgspec refuses
    try:
        decoded = json.loads(body)
    except ValueError as error:
        raise InvalidResponse from error
    if not isinstance(decoded, dict):
        raise InvalidResponse
    return decoded
