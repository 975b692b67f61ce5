"""Texts whose rule JSON Schema cannot state: job names and times, as values of the keyword `format`.

FORMATS declares each format once: the parser that validates and converts a text, and the closest JSON Schema
that the OpenAPI document can show. fastjsonschema's patterns are Python's, which have no `\\p{L}`; OpenAPI's
are ECMA-262, which has it.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from jobledger.times import EPOCH

Schema = Mapping[str, Any]

_NAME_PUNCTUATION = frozenset("_.:/=+-%@")
_NAME_CATEGORIES = ("L", "Z", "N")
# EventBridge Scheduler replaces this placeholder; an emulator may not.
_PLACEHOLDER = "<aws.scheduler."


class Format(msgspec.Struct, frozen=True):
    """`parse` raises ValueError or OverflowError for text that does not have the format."""

    parse: Callable[[str], Any]
    documented: Schema

    def accepts(self, text: str) -> bool:
        """Whether text has the format."""
        try:
            self.parse(text)
        except (ValueError, OverflowError):
            return False
        return True


def parse_name(text: str) -> str:
    """Return text of `\\p{L}\\p{Z}\\p{N}_.:/=+-%@` (service model, shape JobName)."""
    if not all(map(_may_be_in_a_name, text)):
        raise ValueError
    return text


def _may_be_in_a_name(character: str) -> bool:
    return character in _NAME_PUNCTUATION or unicodedata.category(character)[0] in _NAME_CATEGORIES


def parse_time(text: str) -> datetime:
    """Return the time of RFC 3339 text (any offset), a date (midnight UTC) or epoch seconds.

    A space in place of the offset's sign counts as a plus: a `+` in a query string decodes to a space.
    Digits that read as a date are refused: as epoch seconds, `20261123` would be a day of 1970.
    """
    if not text.isascii() or _reads_as_a_date(text):
        raise ValueError
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
        whole, _, fraction = text.partition(".")
        return EPOCH + timedelta(seconds=int(whole), microseconds=int(fraction[:6].ljust(6, "0")))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    match = re.fullmatch(
        r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:([Zz])|([+ -])(\d\d:\d\d))", text
    )
    if not match:
        raise ValueError
    local, utc, sign, offset = match.groups()
    zone = "Z" if utc else f"{'-' if sign == '-' else '+'}{offset}"
    return datetime.fromisoformat(f"{local}{zone}").astimezone(UTC)


def _reads_as_a_date(text: str) -> bool:
    """Whether text is digits of a year, a date, or a date and a time, of the years in which people use this."""
    if not text.isdigit() or len(text) not in (4, 8, 12, 14):
        return False
    day, clock = f"{text}0101"[:8], text[8:] or "00"
    try:
        return 1900 <= datetime.fromisoformat(f"{day}T{clock}").year <= 2100
    except ValueError:
        return False


def parse_upper_bound(text: str) -> datetime:
    """Return an upper bound, rounded up to the millisecond precision of the ledger's times."""
    moment = parse_time(text)
    return moment + timedelta(microseconds=-moment.microsecond % 1000)


def parse_offset_time(text: str) -> datetime:
    """Return the time of ISO 8601 text with an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def parse_scheduled_time(text: str) -> datetime | None:
    """Return the time of EventBridge Scheduler's `<aws.scheduler.scheduled-time>`; None for the placeholder."""
    return None if text.startswith(_PLACEHOLDER) else parse_offset_time(text)


_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
# One string: from a choice of schemas, most client generators make code that cannot send a time.
_TIME: Schema = {
    "type": "string",
    "pattern": f"^({_DAY}([Tt ]{_CLOCK}:[0-5][0-9]([.][0-9]{{1,9}})?([Zz]|[+-]{_CLOCK}))?"
    # Without those lengths of epoch seconds that may read as a date.
    "|([0-9]{1,3}|[0-9]{5,7}|[0-9]{9,11})([.][0-9]{1,9})?)$",
}
_OFFSET_TIME: Schema = {"type": "string", "format": "date-time"}

FORMATS: Mapping[str, Format] = {
    "job-name": Format(
        parse_name, {"type": "string", "pattern": r"^[\p{L}\p{Z}\p{N}_.:/=+\-%@]+$"}
    ),
    "time": Format(parse_time, _TIME),
    "upper-time-bound": Format(parse_upper_bound, _TIME),
    "offset-time": Format(parse_offset_time, _OFFSET_TIME),
    "scheduled-time": Format(parse_scheduled_time, _OFFSET_TIME),
}


def documented(schema: Schema) -> dict[str, Any]:
    """Return the schema for the OpenAPI document, with our formats in its dialect."""
    own = FORMATS.get(schema.get("format", ""))
    shown = {
        keyword: value
        for keyword, value in schema.items()
        if own is None or keyword not in ("type", "format")
    }
    return {**own.documented, **shown} if own else shown
