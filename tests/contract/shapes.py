"""A real boto3 client whose every answer is checked against botocore's own output shapes."""

import http.client
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.model import ListShape, Shape, StringShape, StructureShape

from local.comprehend_medical import Family, Server, Service
from local.comprehend_medical.families import Verb, operation_name
from local.comprehend_medical.model import matches

LIST_KEY = "ComprehendMedicalAsyncJobPropertiesList"
MINIMAL: dict[str, Any] = {
    "InputDataConfig": {"S3Bucket": "notes-in"},
    "OutputDataConfig": {"S3Bucket": "notes-out"},
    "DataAccessRoleArn": "arn:aws:iam::111122223333:role/batch",
    "LanguageCode": "en",
}


class Clock:
    """Time that passes only when a test moves it."""

    def __init__(self, now: float = 1_793_000_000.5) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


def check(shape: Shape, value: Any, path: str = "answer") -> None:
    """Assert that a parsed answer is one that the model allows."""
    if isinstance(shape, StructureShape):
        assert isinstance(value, dict), path
        assert set(shape.required_members) <= set(value) <= set(shape.members), path
        for name, inner in value.items():
            check(shape.members[name], inner, f"{path}.{name}")
    elif isinstance(shape, ListShape):
        assert isinstance(value, list), path
        for index, inner in enumerate(value):
            check(shape.member, inner, f"{path}[{index}]")
    elif shape.type_name == "timestamp":
        assert isinstance(value, datetime), path
        assert value.microsecond % 1000 == 0, f"{path} is finer than a millisecond"
    else:
        assert isinstance(shape, StringShape), path
        assert isinstance(value, str), path
        limits = shape.metadata
        assert limits.get("min", 0) <= len(value) <= limits.get("max", 1e9), path
        assert not shape.enum or value in shape.enum, path
        assert "pattern" not in limits or matches(limits["pattern"], value), path


def client_for(
    endpoint: str, attempts: int = 1, key: str = "test", region: str = "us-east-1"
) -> Any:
    """Make a client with dummy credentials that tries once and checks what it gets."""
    client = boto3.client(
        "comprehendmedical",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="test",  # no secret: the stand-in checks no signature
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=2),
    )
    client.meta.events.register("after-call.comprehendmedical", _check_answer)
    return client


def _check_answer(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    assert http_response.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert parsed["ResponseMetadata"]["RequestId"] == http_response.headers["x-amzn-RequestId"]
    raw = json.loads(http_response.content)
    if http_response.status_code == 200:
        answer = {key: value for key, value in parsed.items() if key != "ResponseMetadata"}
        check(model.output_shape, answer)
        # botocore drops what its model does not know: the raw answer must hold nothing else.
        assert raw.keys() == answer.keys()
    else:
        assert raw.keys() == {"__type", "Message"}


def call(client: Any, verb: Verb, family: Family, **parameters: Any) -> dict[str, Any]:
    """Call an operation by the method that boto3 derives; return its answer without the metadata."""
    method = getattr(client, xform_name(operation_name(verb, family)))
    answer: dict[str, Any] = method(**parameters)
    del answer["ResponseMetadata"]
    return answer


def request(
    server: Server, method: str, path: str, body: object = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send what no SDK sends, a body as it is or as JSON; return the response and its body."""
    content = body if isinstance(body, bytes | None) else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request(method, path, content, headers)
    response = connection.getresponse()
    received = response.read()
    connection.close()
    return response, received


def control(
    server: Server, method: str, path: str, body: object = None, source: str = ""
) -> tuple[int, Any]:
    """Return status and body of a control request, of the own source or a selected one."""
    account, _, region = source.partition("/")
    query = f"?Account={account}&Region={region}" if source else ""
    response, received = request(server, method, f"/_control/{path}{query}", body)
    return response.status, json.loads(received)


def listed(
    service: Service, wanted: Mapping[str, Any] | None = None, family: Family = Family.SNOMEDCT
) -> dict[str, Any]:
    """Call List without HTTP."""
    name = operation_name(Verb.LIST, family)
    answer: dict[str, Any] = json.loads(service.call(name, json.dumps(wanted or {})))
    return answer


def walk(service: Service, **wanted: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a walk, without HTTP."""
    while True:
        page = listed(service, wanted)
        yield page[LIST_KEY]
        if "NextToken" not in page:
            return
        wanted["NextToken"] = page["NextToken"]


def ids(service: Service, size: int = 100, **filters: Any) -> list[str]:
    """Return the JobIds of a walk."""
    pages = walk(service, MaxResults=size, Filter=filters)
    return [job["JobId"] for page in pages for job in page]


def job(number: int, **properties: Any) -> dict[str, Any]:
    """Make a job that is the `number`th by SubmitTime."""
    return {
        "JobId": f"{number:032x}",
        "JobName": f"name-{number % 3}",
        "JobStatus": "COMPLETED",
        "SubmitTime": 1_792_000_000.0 + number,
        "EndTime": 1_792_000_100.25 + number,
        "ExpirationTime": 1_802_368_000.0 + number,
    } | properties
