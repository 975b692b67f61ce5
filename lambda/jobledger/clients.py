"""The session that makes every botocore client: it reads JSON responses without botocore's typed parser.

Two thirds of a large page was the time of that parser. It converts times and binary values, and drops
members outside the service's model. The operations in `_DECODED` need none of that: DynamoDB's rows hold
text, numbers (as text) and booleans, and a ledger must keep properties that Comprehend Medical adds, with
times as the epoch seconds of AWS JSON 1.1. Errors and all other operations stay botocore's.
"""

import functools
import json
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.parsers import JSONParser, ResponseParserFactory
from botocore.session import Session

_LISTS = ("SNOMEDCTInference", "ICD10CMInference", "RxNormInference", "PHIDetection")
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
        "ListEntitiesDetectionV2JobsResponse",
        "DescribeEntitiesDetectionV2JobResponse",
        *(f"List{name}JobsResponse" for name in _LISTS),
        *(f"Describe{name}JobResponse" for name in _LISTS),
    }
)
_decoder = msgspec.json.Decoder(dict[str, Any])


class InvalidResponse(BotoCoreError):  # type: ignore[misc] # botocore has no types
    """The body of a successful response is not a JSON object."""

    fmt = "the response is not a JSON object"


class DecodedJSONParser(JSONParser):  # type: ignore[misc] # botocore has no types
    """botocore's parser of AWS JSON, except for the results of the operations in use."""

    def _do_parse(self, response: Any, shape: Any) -> dict[str, Any]:
        if shape is None or shape.name not in _DECODED:
            parsed: dict[str, Any] = super()._do_parse(response, shape)
            return parsed
        body = _decode(response["body"])
        self._inject_response_metadata(body, response["headers"])
        return body


class ParserFactory(ResponseParserFactory):  # type: ignore[misc] # botocore has no types
    """Chooses the response parser by the service's protocol."""

    def create_parser(self, protocol_name: str) -> Any:
        """Return the parser of a protocol; Lambda and SNS have others than JSON."""
        if protocol_name == "json":
            return _json_parser()
        return super().create_parser(protocol_name)


@functools.cache
def session() -> Session:
    """Return the session of this process. Clients share its credentials and service descriptions.

    Of botocore's handlers, nine are for every service (`before-call`), one names SQS's errors, the others are for
    a service that is not called here or for documentation (`before-call.s3`). To register those is a twentieth of a
    cold start.
    """
    made = Session(include_builtin_handlers=False)
    for event, handler, *_ in BUILTIN_HANDLERS:
        if "." not in event or event.startswith("after-call.sqs"):
            made.register(event, handler)
    made.register_component("response_parser_factory", ParserFactory())
    return made


@functools.cache
def _json_parser() -> DecodedJSONParser:
    return DecodedJSONParser()


def _decode(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
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
