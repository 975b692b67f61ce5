"""Requests made from our own OpenAPI document: no 5xx, and no answer that the document does not have.

Two makers: schemathesis, thorough and slow, and a plain one that mixes good and bad values at random.
The first makes as many for each route and each way of checking as EXAMPLES says.
"""

import random
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from jobledger.handlers.api import handler
from jobledger.inputs.filters import FILTERS
from jobledger.observability import logger
from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339
from openapi.document import document
from testing.api import answer_of, event, running_api, wsgi
from testing.builders import NOW, full_job
from testing.full import in_full

EXAMPLES = in_full(25, 150)
GENERATED = in_full(5_000, 100_000)
BATCHES = 10
JSON_TYPES:
            continue
        received = answer.json
        name = documented["content"][media]["schema"].get("$ref", "").rpartition("/")[2]
        if name and source.random() < 0.2:
            if name not in validators:
                own = {"$ref": f"#/components/schemas/{name}", "components": components}
                validators[name] = jsonschema_rs.validator_for(own)
            validators[name].validate(received)
        if "NextToken" in received:
            tokens = [*tokens[-20:], received["NextToken"]]


def route_of(path: str) -> str:
    path = path.removesuffix("\n").rstrip("/")  # as Powertools reads it
    routes = ("/jobs/{JobId}", "/docs/{Asset}", "/board/jobs/{JobId}", "/board/{Asset}")
    found = (route for route in routes if path.startswith(route.partition("{")[0]))
    return next(found, path)


def test_the_makers_know_every_parameter_of_the_document():
    paths = document()["paths"]
    listed = [each for path in ("/jobs", "/board") for each in paths[path]["get"]["parameters"]]
    assert {each["name"] for each in listed if each["in"] == "query"} == set(NAMES)
