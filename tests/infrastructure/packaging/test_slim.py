"""The cut service models: every call that the code makes is the same with them as with botocore's own."""

import ast
import inspect
import json
import re
import shutil
from pathlib import Path
from typing import Any

import botocore
import pytest
from aws_lambda_powertools.utilities.idempotency.persistence import dynamodb as powertools
from botocore import xform_name
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

from jobledger.service import Family, describe_method, list_method
from stacks.packaging.slim import OPERATIONS, slim
from testing.processes import ROOT

DATA = Path(botocore.__file__).parent / "data"
CALLS = [(service, name) for service, names in OPERATIONS.items() for name in names]


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


def described(session: Session, service: str) -> dict[str, Any]:
    """Return a service's model without the texts for people; a member of that name is no text."""
    model = session.get_component("data_loader").load_service_model(service, "service-2")

    def without(part: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in part.items() if k != "documentation" or not isinstance(v, str)}

    found: dict[str, Any] = json.loads(json.dumps(model), object_hook=without)
    return found


@pytest.mark.parametrize("service", OPERATIONS)
def test_what_is_left_of_a_model_is_botocores_with_every_shape_that_it_refers_to(
    cut, whole, service
):
    own, botocores = described(cut, service), described(whole, service)
    for part in ("operations", "shapes"):
        botocores[part] = {name: botocores[part][name] for name in own[part]}
    assert own == {"clientContextParams": {}} | botocores
    used = re.findall(r'"shape": "(\w+)"', json.dumps(own))
    assert set(used) == own["shapes"].keys()


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
