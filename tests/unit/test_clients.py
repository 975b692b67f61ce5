"""The session of all clients: its parser gives what botocore's gives, on every operation in use."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserFactory
from botocore.session import Session

from jobledger import clients
from jobledger.clients import DecodedJSONParser, ParserFactory, session, session_with_handlers
from jobledger.jobs import job_from_service
from jobledger.service import Family
from stacks.packaging.slim import OPERATIONS

LISTED = "ComprehendMedicalAsyncJobPropertiesList"
DESCRIBED = "ComprehendMedicalAsyncJobProperties"
MODELS = {service: Session().get_service_model(service) for service in OPERATIONS}
SHAPES = {
    (service, operation): MODELS[service].operation_model(operation).output_shape
    for service, operations in OPERATIONS.items()
    for operation in operations
}
JSON = [called for called in SHAPES if MODELS[called[0]].resolved_protocol == "json"]
# The results of KMS are binary values, and messages can have some, so botocore parses them.
DECODED = [called for called in JSON if called[0] != "kms" and called[1] != "ReceiveMessage"]
# What botocore emits while it makes a client and a call.
EVENTS = (
    *("provide-client-params", "before-parameter-build", "before-endpoint-resolution"),
    *("before-call", "request-created", "choose-signer", "before-sign", "before-send"),
    *("response-received", "before-parse", "needs-retry", "after-call", "after-call-error"),
)
XML_ERROR = b"<Response><Error><Code>Throttled</Code></Error></Response>"
VALUES: dict[str, Any] = {
    "string": "naïve \U0001f600 \u2028", "boolean": True, "integer": 7, "long": 2**53 + 1, "double": 0.1, "float": 2.5,
    "timestamp": 1764000000.123, "blob": "eA==",
}  # fmt: skip


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


def ours(protocol: str = "json") -> Any:
    return ParserFactory().create_parser(protocol)


@pytest.mark.parametrize("service, operation", JSON)
def test_both_parsers_give_the_same_result_on_every_operation_in_use(service, operation):
    shape = SHAPES[service, operation]
    for body in (json.dumps(body_of(shape)).encode(), b"{}"):
        theirs = ResponseParserFactory().create_parser("json").parse(answer(body), shape)
        parsed = ours().parse(answer(body), shape)
        if service == "comprehendmedical" and body != b"{}":
            # Only the form of the times differs, and the ledger reads both.
            assert jobs_in(parsed) == jobs_in(theirs)
            parsed |= {name: theirs.setdefault(name) for name in (LISTED, DESCRIBED)}
        assert parsed == theirs


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_an_error_is_parsed_by_botocore(service, status):
    shape = SHAPES[service, OPERATIONS[service][0]]
    protocol = MODELS[service].resolved_protocol
    for body in (b'{"__type":"a#Throttled","message":"m"}', b"<html>", b"", b'{"Message":"m"}'):
        xml = protocol in ("query", "rest-xml") or (
            protocol != "json" and not body.startswith(b"{")
        )
        failed = answer(XML_ERROR if xml else body, status)
        theirs = ResponseParserFactory().create_parser(protocol).parse(failed, shape)
        assert ours(protocol).parse(failed, shape) == theirs


def test_an_operation_in_use_is_not_parsed_by_shape_and_other_protocols_by_botocore(monkeypatch):
    monkeypatch.setattr(DecodedJSONParser, "_parse_shape", lambda *_: pytest.fail("by botocore"))
    for called in DECODED:
        ours().parse(answer(b'{"New":1}'), SHAPES[called])
    # SNS answers XML, and the payload of Lambda's Invoke is a stream.
    for protocol in ("query", "rest-json", "rest-xml"):
        theirs = ResponseParserFactory().create_parser(protocol)
        assert type(ours(protocol)._parser) is type(theirs)


def test_a_lone_surrogate_is_read():
    shape = SHAPES["comprehendmedical", "ListPHIDetectionJobs"]
    assert ours().parse(answer(b'{"a":"\\ud800"}'), shape)["a"] == "\ud800"


def test_all_clients_share_one_session():
    assert session() is session()
    client = session().create_client("dynamodb")
    parser = client._endpoint._response_parser_factory.create_parser("json")
    assert isinstance(parser._parser, DecodedJSONParser)
    assert issubclass(client.exceptions.ConditionalCheckFailedException, ClientError)


@pytest.mark.parametrize("service", OPERATIONS)
def test_a_client_has_all_handlers_that_botocore_has_for_its_events(service):
    """A handler that an update of botocore adds for one of the services is missed here."""
    chosen = session_with_handlers(service) if service in ("s3", "sts") else session()
    own, complete = (
        handlers(made.create_client(service, region_name="us-east-1"))
        for made in (chosen, Session())
    )
    added = {"_check_members", "_check_checksum"}
    assert {name: found - added for name, found in own.items()} == complete


def handlers(client: Any) -> dict[str, set[str]]:
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
        name: {getattr(one, "__qualname__", repr(one)) for one in found.prefix_search(name)}
        for name in names
    }


def test_a_tables_endpoint_is_resolved_once_for_each_operation(monkeypatch):
    client = session().create_client("dynamodb", region_name="eu-central-1")
    resolve, resolved = client._ruleset_resolver.construct_endpoint, list[str]()

    def counted(operation_model: Any, *rest: Any) -> Any:
        resolved.append(operation_model.name)
        return resolve(operation_model, *rest)

    monkeypatch.setattr(client._ruleset_resolver, "construct_endpoint", counted)
    sent: list[str] = []

    def respond(request: Any, **_: Any) -> Any:
        sent.append(request.url)
        raise EndpointConnectionError(endpoint_url=request.url)

    clients.keep_endpoints(client).meta.events.register("before-send", respond)
    for operation in (client.get_item, client.get_item, client.delete_item):
        with pytest.raises(EndpointConnectionError):
            operation(TableName="ledger", Key={"PK": {"S": "a"}})
    assert resolved == ["GetItem", "DeleteItem"]
    assert set(sent) == {"https://dynamodb.eu-central-1.amazonaws.com/"}
