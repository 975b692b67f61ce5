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


def test_the_committed_document_is_the_generated_one():
    assert FILE.read_text(encoding="utf-8") == text(), HOW


def test_the_documents_folder_links_to_the_shipped_document():
    assert (ROOT / "docs" / "openapi.json").resolve() == FILE.resolve()


def test_the_document_has_the_routes_and_their_methods():
    paths = document()["paths"]
    listed = {route: tuple(map(str.upper, operations)) for route, operations in paths.items()}
    assert listed == ROUTES


@pytest.mark.parametrize("route, names", [("/jobs", LIST_PARAMETERS), ("/summary", FILTERS)])
def test_every_parameter_is_there_with_its_bounds_and_a_meaning(route, names):
    parameters = document()["paths"][route]["get"]["parameters"]
    named = {
        kind: [p["name"] for p in parameters if p["in"] == kind] for kind in ("header", "query")
    }
    assert named == {"header": ["Idempotency-Key"] * (route == "/jobs"), "query": list(names)}
    for parameter in parameters:
        if parameter["in"] == "header":
            continue
        own = LIST_PARAMETERS[parameter["name"]]
        schema = parameter["schema"]
        bounds = schema["items"] if own.repeatable else schema
        assert documented(own.schema).items() <= bounds.items()
        assert parameter["description"]


def test_every_operation_lists_its_errors_and_requires_a_signature():
    made = document()
    assert made["security"] == [{"sigv4": []}]
    scheme = made["components"]["securitySchemes"]["sigv4"]
    assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"
    for operations in made["paths"].values():
        for operation in operations.values():
            every = {"200", "400", "403", "405", "429", "500", "503", "default"}
            assert every <= operation["responses"].keys()


def test_every_reference_leads_somewhere():
    made = document()
    references = [node["$ref"] for node in nodes(made) if "$ref" in node]
    assert references
    for reference in references:
        found = made
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def nodes(node):
    """Every object of the document."""
    if isinstance(node, dict):
        yield node
    for value in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from nodes(value)


def test_generators_find_tags_plain_time_filters_and_an_answer_for_every_status():
    made = document()
    tags = {tag["name"] for tag in made["tags"]}
    for operations in made["paths"].values():
        for operation in operations.values():
            assert set(operation["tags"]) <= tags
            assert operation["description"]
    for name in ("SubmitTimeAfter", "SubmitTimeBefore"):
        parameters = made["paths"]["/jobs"]["get"]["parameters"]
        (found,) = (each["schema"] for each in parameters if each["name"] == name)
        assert found["type"] == "string"
        assert "anyOf" not in found


def test_responses_accept_what_a_later_version_adds():
    """Generators take an object that does not say so for closed, and refuse a new value of an enum."""
    schemas = dict(document()["components"]["schemas"])
    request = schemas.pop("DigestRequest")
    assert {window["type"] for window in request["properties"].values()} == {"string"}
    for schema in nodes(schemas):
        if isinstance(schema.get("type"), str | list):
            assert not {"enum", "const", "propertyNames"} & schema.keys()
            assert schema.get("additionalProperties") is True or "properties" not in schema
