"""Every input is validated by its schema: each bound from both sides, and nothing passes without its schema."""

from contextlib import suppress
from unittest import mock

import pytest
from msgspec.structs import force_setattr

from jobledger.errors import InvalidParameters
from jobledger.handlers import digest
from jobledger.inputs.validation import JsonObject, value_of
from testing.digests import Context, DigestWorld
from tests.unit.inputs.edges import edges
from tests.unit.inputs.readers import (
    Input,
    all_inputs,
    digest_payload,
    key,
    refusal,
    running_readers,
)

INPUTS = {one.label: one for one in all_inputs()}
ANY_VALUE = {"property Refresh", "property ServiceToken"}
BOUND = [label for label in INPUTS if label not in ANY_VALUE]


@pytest.fixture(scope="module")
def api():
    with running_readers() as running:
        yield running


@pytest.fixture(autouse=True)
def _forget_values():
    """What is valid without its schema must not stay valid for another test."""
    value_of.cache_clear()
    yield
    value_of.cache_clear()


def edges_of(one: Input):
    if isinstance(one.declared, JsonObject):
        return [{}], [None, [], "x", 5]
    on, beyond = edges(one.declared.schema, text=one.text)
    return on, list(one.beyond) or beyond


@pytest.mark.parametrize("label", INPUTS)
def test_a_value_on_each_bound_passes_and_one_beyond_it_is_refused(api, label):
    one = INPUTS[label]
    on, beyond = edges_of(one)
    assert bool(beyond) is (label in BOUND)
    for value in on:
        assert refusal(one.declared) not in one.send(api, value), value
    for value in beyond:
        assert refusal(one.declared) in one.send(api, value), value


@pytest.mark.parametrize("label", BOUND)
def test_nothing_but_the_schema_refuses_a_value(api, label):
    one = INPUTS[label]
    declared, schema = one.declared, one.declared.schema
    beyond = edges_of(one)[1]
    force_setattr(declared, "schema", {})  # it is frozen
    refused = []
    try:
        for value in beyond:
            # What an unvalidated value breaks behind the validation was not refused by it.
            with suppress(ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                if refusal(declared) in one.send(api, value):
                    refused.append(value)
    finally:
        force_setattr(declared, "schema", schema)
    assert refused == []


@pytest.mark.parametrize("label", ["body", "by hand"])
def test_members_that_belong_together_are_refused_alone(api, label):
    one = INPUTS[label]
    assert isinstance(one.declared, JsonObject)
    for name, (other,) in one.declared.dependent.items():
        sent = {name: "2026-11-22T00:00:00Z"}
        assert (other, "both or neither") in one.send(api, sent)


@pytest.mark.parametrize("value", ["a", '"', '""', '" a "', '"a', "~" * 255, f'"{" " * 253}"'])
def test_the_digest_function_takes_every_key_that_the_api_takes(api, value):
    api.asked.clear()
    assert not key(api, value)
    ((_, payload),) = api.asked
    assert not digest_payload(api, payload)


def test_the_digest_function_refuses_a_payload_and_returns_what_else_a_caller_did_wrong():
    made = DigestWorld().dependencies
    with mock.patch.object(digest, "_dependencies", return_value=made):
        with pytest.raises(InvalidParameters):
            digest.handler({"Other": 1}, Context())
        window = {"WindowStart": "2010-01-01T00:00:00Z", "WindowEnd": "2010-01-02T00:00:00Z"}
        assert digest.handler(window, Context()) == {"Error": "InvalidWindow"}
