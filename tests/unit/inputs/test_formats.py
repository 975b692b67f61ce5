"""Times and other values as callers write them, and as the OpenAPI document shows them."""

import re
from datetime import UTC

import pytest

from jobledger.inputs.formats import documented, parse_offset_time, parse_scheduled_time, parse_time
from jobledger.inputs.validation import enumerated, is_valid
from jobledger.service import Family

_TIME = documented({"type": "string", "format": "time"})


@pytest.mark.parametrize("parse", [parse_time, parse_offset_time, parse_scheduled_time])
def test_a_time_of_any_offset_becomes_utc(parse):
    moment = parse("2026-11-23T13:30:00+05:30")
    assert moment.isoformat() == "2026-11-23T08:00:00+00:00"
    # Not the zone of the machine, which may be UTC as well.
    assert moment.tzinfo is UTC
    assert parse_scheduled_time("<aws.scheduler.scheduled-time>") is None


@pytest.mark.parametrize(
    "schema, shown",
    [
        *(({"enum": ["a"]}, {"enum": ["a"]}), ({"format": "date"}, {"format": "date"})),
        (
            {"format": "job-name", "maxLength": 256},
            {"pattern": r"^[\p{L}\p{Z}\p{N}_.:/=+\-%@]+$", "maxLength": 256},
        ),
        *(
            ({"format": f"{name}-time"}, {"format": "date-time"})
            for name in ("scheduled", "offset")
        ),
        ({"type": "number", "minimum": 0}, {"type": "number", "minimum": 0}),
    ],
)
def test_the_openapi_document_shows_our_formats_in_its_dialect(schema, shown):
    assert documented({"type": "string", **schema}) == {"type": "string", **shown}


@pytest.mark.parametrize(
    "shown, texts",
    [
        (True, ["2026-11-23", "2026-11-23T08:00:00Z", "2026-11-23t08:00:00.5+05:30"]),
        (True, ["0", "1795420800", "1795420800.25"]),
        (False, ["20261123", "2026", "202611230800", "2026-11", "2026-13-01", ""]),
        (False, ["2026-11-23T08:00:00", "2026-11-23T24:00:00Z"]),
    ],
)
def test_the_documented_pattern_of_times_is_one_string_that_the_parser_accepts(shown, texts):
    assert _TIME.keys() == {"type", "pattern"}
    assert {bool(re.search(_TIME["pattern"], text)) for text in texts} == {shown}
    assert not shown or all(map(parse_time, texts))


def test_validation_adds_no_default_to_a_value():
    sent: dict[str, str] = {}
    assert is_valid(sent, {"type": "object", "properties": {"Order": {"default": "ascending"}}})
    assert sent == {}


def test_allowed_values_are_plain_text():
    schema = enumerated(Family.PHI, "ALL")
    assert schema == {"type": "string", "enum": ["PHI", "ALL"]}
    assert {type(value) for value in schema["enum"]} == {str}
