"""Times and other values as callers write them, and as the OpenAPI document shows them."""

from datetime import UTC

import pytest

from jobledger.formats import documented, parse_offset_time, parse_scheduled_time, parse_time
from jobledger.jobs import Family
from jobledger.validation import enumerated, is_valid

_DATE_TIME = {"type": "string", "format": "date-time"}
_DATE = {"type": "string", "format": "date"}
_EPOCH_SECONDS = {"type": "string", "pattern": r"^\d{1,11}(\.\d{1,9})?$"}
_NUMBER = {"type": "number", "minimum": 0}


@pytest.mark.parametrize("parse", [parse_time, parse_offset_time, parse_scheduled_time])
def test_a_time_of_any_offset_becomes_utc(parse):
    moment = parse("2026-11-23T13:30:00+05:30")
    assert moment.isoformat() == "2026-11-23T08:00:00+00:00"
    # Not the zone of the machine, which may be UTC as well.
    assert moment.tzinfo is UTC


def test_a_placeholder_that_was_not_replaced_is_no_time():
    assert parse_scheduled_time("<aws.scheduler.scheduled-time>") is None


@pytest.mark.parametrize(
    "schema, shown",
    [
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        (_DATE, _DATE),
        (
            {"type": "string", "format": "job-name", "minLength": 1, "maxLength": 256},
            {
                "type": "string",
                "pattern": r"^[\p{L}\p{Z}\p{N}_.:/=+\-%@]+$",
                "minLength": 1,
                "maxLength": 256,
            },
        ),
        (
            {"type": "string", "format": "time"},
            {"anyOf": [_DATE_TIME, _DATE, _EPOCH_SECONDS]},
        ),
        ({"type": "string", "format": "scheduled-time"}, _DATE_TIME),
        (
            {"anyOf": [{"type": "string", "format": "offset-time"}, _NUMBER]},
            {"anyOf": [_DATE_TIME, _NUMBER]},
        ),
    ],
)
def test_the_openapi_document_shows_our_formats_in_its_dialect(schema, shown):
    assert documented(schema) == shown


def test_validation_adds_no_default_to_a_value():
    sent: dict[str, str] = {}
    assert is_valid(sent, {"type": "object", "properties": {"Order": {"default": "ascending"}}})
    assert sent == {}


def test_allowed_values_are_plain_text():
    schema = enumerated(Family.PHI, "ALL")
    assert schema == {"type": "string", "enum": ["PHI", "ALL"]}
    assert {type(value) for value in schema["enum"]} == {str}
