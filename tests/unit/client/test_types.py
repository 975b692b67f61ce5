"""The client's types against the API's OpenAPI document."""

import json
from pathlib import Path
from typing import Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints

import pytest

from job_ledger import types
from job_ledger.filters import JOB_FILTERS, LIST_FILTERS, api_name

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads((ROOT / "lambda/jobledger/api/static/openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
# Types with a schema of the same name; the others are found below these.
NAMED = ("Job", "JobList", "JobDescription", "Summary", "DigestRequest", "DigestAnswer", "Health", "Problem")  # fmt: skip
PLAIN = {"string": str, "integer": int, "number": float, "boolean": bool, "null": type(None)}


def check(hint: Any, schema: dict[str, Any], path: str) -> None:
    """Assert that a type is that of a schema."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if get_origin(hint) in (NotRequired, Required):
        (hint,) = get_args(hint)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        alternatives = set(get_args(hint))
        assert type(None) in alternatives, path
        (kind,) = set(kinds) - {"null"}
        (inner,) = alternatives - {type(None)}
        check(inner, schema | {"type": kind}, path)
    elif kinds == "array":
        assert get_origin(hint) is list, path
        check(get_args(hint)[0], schema["items"], f"{path}[]")
    elif kinds == "object" and "properties" not in schema:
        assert get_origin(hint) is dict, path
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            check(get_args(hint)[1], values, f"{path}.*")
    elif kinds == "object":
        hints = get_type_hints(hint, include_extras=True)
        assert hints.keys() == schema["properties"].keys(), path
        assert hint.__required_keys__ == set(schema.get("required", ())), path
        for name, inner_schema in schema["properties"].items():
            check(hints[name], inner_schema, f"{path}.{name}")
    else:
        assert hint is PLAIN[str(kinds)], path


@pytest.mark.parametrize("name", NAMED)
def test_a_type_is_that_of_the_document(name):
    check(getattr(types, name), SCHEMAS[name], name)
    assert SCHEMAS.keys() - set(NAMED) == {"FamiliesHealth"}, "part of Health"


def parameters_of(path):
    parameters = DOCUMENT["paths"][path]["get"]["parameters"]
    return {each["name"]: each["schema"] for each in parameters if each["in"] == "query"}


def test_the_filters_and_their_names_are_the_parameters_of_the_document():
    assert {api_name(n) for n in LIST_FILTERS} == parameters_of("/jobs").keys() - {"Format"}
    assert {api_name(n) for n in JOB_FILTERS} == parameters_of("/summary").keys()
    for name in ("Family", "JobStatus"):
        assert get_origin(getattr(types, name)) is Literal
        names = parameters_of("/jobs")[name]["items"]["enum"]
        assert list(get_args(getattr(types, name))) == names
