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

from testing.full import in_full
from tests.e2e.deployment import opened

EXAMPLES = in_full(12, 60)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    ("GET", "/jobs"),
    ("GET", "/jobs/{JobId}"),
    ("GET", "/summary"),
    ("GET", "/digests"),
    ("POST", "/digests"),
    ("GET", "/health"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/{Asset}"),
    ("GET", "/board"),
    ("GET", "/board/{Asset}"),
    ("GET", "/board/jobs/{JobId}"),
]

pytestmark = pytest.mark.xdist_group("deployment")


@pytest.fixture(scope="module")
def schema(deployment):
    url = f"{deployment.ready['ApiUrl']}/openapi.json"
    with opened(url) as response:
        served = schemathesis.openapi.from_dict(json.load(response))
    served.config.update(base_url=deployment.ready["ApiUrl"])
    return served


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


def test_every_operation_of_the_document_is_among_them(schema):
    served = {
        (method.upper(), path)
        for path, methods in schema.raw_schema["paths"].items()
        for method in methods
    }
    assert served == set(OPERATIONS)
