"""schemathesis against the deployed API, from the document that the API itself serves."""

import json

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.options import ROOT
from testing.full import in_full

EXAMPLES = in_full(12, 60)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = json.loads((ROOT / "lambda/jobledger/api/static/openapi.json").read_text())
OPERATIONS = [
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
]

pytestmark = pytest.mark.xdist_group("deployment")


@pytest.fixture(scope="module")
def schema(deployment):
    served = deployment.get("/openapi.json").json
    assert served["paths"].keys() == DOCUMENT["paths"].keys()
    schema = schemathesis.openapi.from_dict(served)
    schema.config.update(base_url=deployment.api_url)
    return schema


@pytest.mark.full
@pytest.mark.parametrize("method, path", OPERATIONS)
def test_no_answer_is_outside_of_the_served_document(schema, method, path):
    @hypothesis.given(case=schema[path][method].as_strategy())
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
