"""The session of all clients: its parser gives what botocore's gives, on every operation in use."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserFactory
from botocore.session import Session

from jobledger.clients import (
    DecodedJSONParser,
    InvalidResponse,
    ParserFactory,
    keep_endpoints,
    session,
    session_with_handlers,
)
from jobledger.jobs import job_from_service
from jobledger.service import Family
from stacks.packaging.slim import OPERATIONS

LISTED = "ComprehendMedicalAsyncJobPropertiesList"
DESCRIBED = "ComprehendMedicalAsyncJobProperties"
MODELS = {service: Session().get_service_model(service) for service in OPERATIONS}
JSON_OPERATIONS = [
    (service, operation)
    for service, operations in OPERATIONS.items()
    for operation in operations
    if MODELS[service].resolved_protocol == "json"
]
# The results of KMS are binary values, and messages can have some, so botocore parses them.
DECODED = [
    (service, operation)
    for service, operation in JSON_OPERATIONS
    if service != "kms" and operation != "ReceiveMessage"
]
# What botocore emits while it makes a client and a call.
EVENTS = (
    *("provide-client-params", "before-parameter-build", "before-endpoint-resolution"),
    *("before-call", "request-created", "choose-signer", "before-sign", "before-send"),
    *("response-received", "before-parse", "needs-retry", "after-call", "after-call-error"),
)
VALUES: dict[str, Any] = {
    "string": "naïve \U0001f600 \u2028",
    "boolean": True,
    "integer": 7,
    "long": 2**53 + 1,
    "double": 0.1,
    "float": 2.5,
    "timestamp": 1764000000.123,
    "blob": "eA==",
}


def body_of(shape: Any, depth: int = 0) -> Any:
    """Return a body with every member of a shape, as the service writes it."""
    if shape.name == "AttributeValue":
        # The ledger's rows have no other types; a binary value would need conversion.
        return {"S": "text"} if depth % 2 else {"N": "12345678901234567890"}
    if shape.type_name == "structure":
        return {name: body_of(member, depth + 1) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [body_of(shape.member, depth + 1), body_of(shape.member, depth + 2)]
    if shape.type_name == "map":
        return {"a": body_of(shape.value, depth + 1), "b": body_of(shape.value, depth + 2)}
    return VALUES[shape.type_name]


def answer(body: bytes, status: int = 200) -> dict[str, Any]:
    return {"status_code": status, "body": body, "headers": {"x-amzn-requestid": "r", "A": "b"}}


def jobs_in(parsed: dict[str, Any]) -> list[Any]:
    listed = parsed.get(LISTED) or [parsed[DESCRIBED]]
    return [job_from_service(Family.PHI, properties) for properties in listed]


@pytest.mark.parametrize("service, operation", JSON_OPERATIONS)
def test_both_parsers_give_the_same_result_on_every_operation_in_use(service, operation):
    shape = MODELS[service].operation_model(operation).output_shape
    for body in (json.dumps(body_of(shape)).encode(), b"{}"):
        theirs = ResponseParserFactory().create_parser("json").parse(answer(body), shape)
        ours = ParserFactory().create_parser("json").parse(answer(body), shape)
        if service == "comprehendmedical" and body != b"{}":
            # Only the form of the times differs, and the ledger reads both.
            assert jobs_in(ours) == jobs_in(theirs)
            ours[LISTED] = theirs.get(LISTED)
            ours[DESCRIBED] = theirs.get(DESCRIBED)
            theirs.setdefault(LISTED)
            theirs.setdefault(DESCRIBED)
        assert ours == theirs


@pytest.mark.parametrize("service, operation", DECODED)
def test_an_operation_in_use_is_not_parsed_by_shape(service, operation, monkeypatch):
    monkeypatch.setattr(
        DecodedJSONParser, "_parse_shape", lambda *_: pytest.fail("parsed by botocore")
    )
    shape = MODELS[service].operation_model(operation).output_shape
    ParserFactory().create_parser("json").parse(answer(b'{"New":1}'), shape)


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize("status", [400, 429, 500, 503])
@pytest.mark.parametrize(
    "body", [b'{"__type":"a#Throttled","message":"m"}', b"<html>", b"", b'{"Message":"m"}']
)
def test_an_error_is_parsed_by_botocore(service, status, body):
    model = MODELS[service]
    shape = model.operation_model(OPERATIONS[service][0]).output_shape
    protocol = model.resolved_protocol
    if protocol in ("query", "rest-xml") or (protocol != "json" and not body.startswith(b"{")):
        body = b"<Response><Error><Code>Throttled</Code></Error></Response>"
    theirs = ResponseParserFactory().create_parser(protocol)
    ours = ParserFactory().create_parser(protocol)
    assert ours.parse(answer(body, status), shape) == theirs.parse(answer(body, status), shape)


@pytest.mark.parametrize("protocol", ["query", "rest-json", "rest-xml"])
def test_other_protocols_keep_botocores_parser(protocol):
    """SNS answers XML, and the payload of Lambda's Invoke is a stream."""
    theirs = ResponseParserFactory().create_parser(protocol)
    assert type(ParserFactory().create_parser(protocol)._parser) is type(theirs)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>", b"{", b"\xff", b'"text"'])
def test_a_successful_response_other_than_an_object_is_invalid(body):
    shape = MODELS["dynamodb"].operation_model("Query").output_shape
    with pytest.raises(InvalidResponse):
        ParserFactory().create_parser("json").parse(answer(body), shape)


def test_a_lone_surrogate_is_read():
    shape = MODELS["comprehendmedical"].operation_model("ListPHIDetectionJobs").output_shape
    parsed = ParserFactory().create_parser("json").parse(answer(b'{"a":"\\ud800"}'), shape)
    assert parsed["a"] == "\ud800"


def test_all_clients_share_one_session():
    assert session() is session()
    client = session().create_client("dynamodb")
    parser = client._endpoint._response_parser_factory.create_parser("json")
    assert isinstance(parser._parser, DecodedJSONParser)
    assert issubclass(client.exceptions.ConditionalCheckFailedException, ClientError)


@pytest.mark.parametrize("service", OPERATIONS)
def test_a_client_has_all_handlers_that_botocore_has_for_its_events(service):
    """A handler that an update of botocore adds for one of the services is missed here."""
    chosen = session_with_handlers(service) if service == "s3" else session()
    ours, complete = (
        made.create_client(service, region_name="us-east-1") for made in (chosen, Session())
    )
    own = {"_check_members", "_check_checksum"}
    without = {name: sorted(set(found) - own) for name, found in handlers(ours).items()}
    assert without == {name: sorted(set(found)) for name, found in handlers(complete).items()}


def handlers(client: Any) -> dict[str, list[str]]:
    """Return the handlers that botocore would call, by event."""
    service = client.meta.service_model.service_id.hyphenize()
    operations = client.meta.service_model.operation_names
    names = [
        *("choose-service-name", f"creating-client-class.{service}"),
        *(f"getattr.{service}.{name}" for name in client.meta.method_to_api_mapping),
        *(f"{event}.{service}.{name}" for event in EVENTS for name in operations),
    ]
    found = client.meta.events._emitter._handlers
    return {
        name: sorted(getattr(one, "__qualname__", repr(one)) for one in found.prefix_search(name))
        for name in names
    }


def test_a_tables_endpoint_is_resolved_once_for_each_operation(monkeypatch):
    client = session().create_client("dynamodb", region_name="eu-central-1")
    resolved: list[str] = []
    resolve = client._ruleset_resolver.construct_endpoint

    def counted(operation_model: Any, *rest: Any) -> Any:
        resolved.append(operation_model.name)
        return resolve(operation_model, *rest)

    monkeypatch.setattr(client._ruleset_resolver, "construct_endpoint", counted)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    sent: list[str] = []

    def respond(request: Any, **_: Any) -> Any:
        sent.append(request.url)
        raise EndpointConnectionError(endpoint_url=request.url)

    keep_endpoints(client).meta.events.register("before-send", respond)
    for operation in (client.get_item, client.get_item, client.delete_item):
        with pytest.raises(EndpointConnectionError):
            operation(TableName="ledger", Key={"PK": {"S": "a"}})
    assert resolved == ["GetItem", "DeleteItem"]
    assert set(sent) == {"https://dynamodb.eu-central-1.amazonaws.com/"}
