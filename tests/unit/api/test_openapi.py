"""The OpenAPI document: as committed, as shipped, and as the routes are."""

from pathlib import Path

import pytest

from jobledger.api.methods import ROUTES
from jobledger.api.parameters import LIST_PARAMETERS
from jobledger.inputs.filters import FILTERS
from jobledger.inputs.formats import documented
from openapi.document import FILE, document, text

ROOT = Path(__file__).parents[3]
HOW = "make it anew: PYTHONPATH=lambda python -m openapi.document"


def test_the_committed_document_is_the_generated_one_and_that_of_the_documents_folder():
    assert FILE.read_text(encoding="utf-8") == text(), HOW
    assert (ROOT / "docs" / "openapi.json").resolve() == FILE.resolve()


@pytest.mark.parametrize("route, names", [("/jobs", LIST_PARAMETERS), ("/summary", FILTERS)])
def test_every_parameter_is_there_with_its_bounds_and_a_meaning(route, names):
    parameters = document()["paths"][route]["get"]["parameters"]
    headers = [each["name"] for each in parameters if each["in"] == "header"]
    assert headers == ["Idempotency-Key"] * (route == "/jobs")
    queries = [each for each in parameters if each["in"] == "query"]
    assert [each["name"] for each in queries] == list(names)
    for parameter in queries:
        own, schema = LIST_PARAMETERS[parameter["name"]], parameter["schema"]
        bounds = schema["items"] if own.repeatable else schema
        assert documented(own.schema).items() <= bounds.items()
        assert parameter["description"]
        if parameter["name"] in ("SubmitTimeAfter", "SubmitTimeBefore"):  # plain for generators
            assert (schema["type"], "anyOf" in schema) == ("string", False)


def test_every_route_has_its_methods_with_errors_a_tag_and_a_signature():
    made = document()
    operations = {route: tuple(map(str.upper, of)) for route, of in made["paths"].items()}
    assert operations == ROUTES
    assert made["security"] == [{"sigv4": []}]
    scheme = made["components"]["securitySchemes"]["sigv4"]
    assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"
    every = {"200", "400", "403", "405", "429", "500", "503", "default"}
    for operation in (operation for of in made["paths"].values() for operation in of.values()):
        assert every <= operation["responses"].keys()
        assert set(operation["tags"]) <= {tag["name"] for tag in made["tags"]}
        assert operation["description"]


def nodes(node):
    """Every object of the document."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for value in node if isinstance(node, list) else ():
        yield from nodes(value)


def test_responses_accept_what_a_later_version_adds():
    """Generators take an object that does not say so for closed, and refuse a new value of an enum."""
    schemas = dict(document()["components"]["schemas"])
    request = schemas.pop("DigestRequest")
    assert {window["type"] for window in request["properties"].values()} == {"string"}
    for schema in nodes(schemas):
        if isinstance(schema.get("type"), str | list):
            assert not {"enum", "const", "propertyNames"} & schema.keys()
            assert schema.get("additionalProperties") is True or "properties" not in schema
