"""The cut service models: every call that the code makes is the same with them as with botocore's own."""

import ast
import inspect
import io
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore
import pytest
from aws_lambda_powertools.utilities.idempotency.persistence import dynamodb as powertools
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session
from urllib3 import HTTPResponse

from jobledger.service import Family, describe_method, list_method
from stacks.packaging.slim import OPERATIONS, slim
from testing.processes import ROOT

DATA = Path(botocore.__file__).parent / "data"
CALLS = [(service, name) for service, names in OPERATIONS.items() for name in names]
RESPONSES = {
    "sns": b"<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult>"
    b"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>",
    "sts": b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>k</AccessKeyId>"
    b"<Expiration>2026-12-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
    b"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>",
}


@pytest.fixture(scope="module")
def whole():
    """A session with botocore's own models."""
    return Session()


@pytest.fixture(scope="module")
def slimmed(tmp_path_factory):
    """A folder with the cut data."""
    packages = tmp_path_factory.mktemp("packages")
    data = packages / "botocore" / "data"
    data.mkdir(parents=True)
    for file in DATA.glob("*.json"):
        shutil.copy(file, data)
    for service in (*OPERATIONS, "ec2"):
        shutil.copytree(DATA / service, data / service)
    slim(packages)
    return data


@pytest.fixture(scope="module")
def cut(slimmed):
    """A session with the cut models, and no others."""
    session = Session()
    loader = Loader(extra_search_paths=[str(slimmed)], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    return session


def called_by(source: str) -> set[str]:
    """Return the methods that a module calls on its client."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    methods = [func for func in calls if isinstance(func, ast.Attribute)]
    ours = ("self._client", "self.client", "self._sts")
    return {method.attr for method in methods if ast.unparse(method.value) in ours}


def test_the_operations_are_those_that_the_code_calls():
    sources = [file.read_text() for file in (ROOT / "lambda" / "jobledger").rglob("*.py")]
    called = set[str]().union(*map(called_by, [*sources, inspect.getsource(powertools)]))
    called |= set[str]().union(*(re.findall(r'self\._call\("(\w+)"', text) for text in sources))
    called |= {method(family) for method in (list_method, describe_method) for family in Family}
    assert called == {xform_name(operation) for _, operation in CALLS}


def test_only_the_services_and_operations_in_use_are_left(slimmed, cut):
    assert {path.name for path in slimmed.iterdir() if path.is_dir()} == set(OPERATIONS)
    for service, operations in OPERATIONS.items():
        model = cut.get_service_model(service)
        assert sorted(model.operation_names) == sorted(operations)
        (file,) = slimmed.glob(f"{service}/*/service-2.json")
        assert not re.search(rb'"documentation":"[^"]', file.read_bytes())


@pytest.mark.parametrize("service, operation", CALLS)
def test_a_call_sends_and_reads_the_same_with_the_cut_model(cut, whole, service, operation):
    shape = whole.get_service_model(service).operation_model(operation).input_shape
    asked = (service, operation, value_of(shape))
    assert exchanged(cut, *asked) == exchanged(whole, *asked)


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize(
    "variant", [{}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}]
)
def test_every_partition_has_the_same_endpoints(cut, whole, service, region, variant):
    config = Config(**variant)
    clients = (
        one.create_client(service, region_name=region, config=config) for one in (cut, whole)
    )
    own, botocores = (client.meta.endpoint_url for client in clients)
    assert own == botocores


def exchanged(session: Session, service: str, operation: str, parameters: dict) -> Any:
    """Return the request that a client sends, and what it makes of a success and of an error."""
    once = Config(retries={"total_max_attempts": 1})
    client = session.create_client(service, region_name="us-east-1", config=once)
    sent: list[Any] = []
    status, body = 200, RESPONSES.get(service, b"{}")

    def respond(request: Any, **_: Any) -> AWSResponse:
        kept = ("X-Amz-Target", "Content-Type", "X-Amz-Invocation-Type")
        headers = {name: request.headers.get(name) for name in kept}
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        sent.append((request.method, request.url, request.body, headers))
        return AWSResponse(request.url, status, {"x-amzn-requestid": "r"}, raw)

    client.meta.events.register("before-send", respond)
    answer = getattr(client, xform_name(operation))(**parameters)
    streams = ("Body", "Payload")
    results = [{name: str(value) for name, value in answer.items() if name not in streams}]
    modelled = session.get_service_model(service).operation_model(operation).error_shapes
    code = min(shape.error_code for shape in modelled).encode()
    status, body = 400, b'{"__type":"a#%b","message":"m"}' % code
    if service in ("sns", "sts"):
        body = b"<R><Error><Code>%b</Code></Error></R>" % code
    if service == "s3":
        body = b"<Error><Code>%b</Code></Error>" % code
    with pytest.raises(client.exceptions.ClientError) as failed:
        getattr(client, xform_name(operation))(**parameters)
    return sent, results, type(failed.value).__name__, failed.value.response


def value_of(shape: Any, depth: int = 0) -> Any:
    """Return a valid value with every member of the first level, and the required ones below."""
    if shape.name == "AttributeValue":
        return {"S": "x"}
    if shape.type_name == "structure":
        names = set(shape.members if depth == 0 else shape.required_members)
        names.discard("EndpointId")  # of a global endpoint, whose signature needs another package
        return {name: value_of(shape.members[name], depth + 1) for name in names}
    if shape.type_name == "list":
        return [value_of(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"x": value_of(shape.value, depth + 1)}
    if shape.type_name in ("integer", "long"):
        return int(shape.metadata.get("min", 1))
    text = "x" * max(1, shape.metadata.get("min", 1))
    time = datetime(2026, 11, 24, tzinfo=UTC)
    return {"string": text, "boolean": True, "timestamp": time, "blob": b"x"}[shape.type_name]
