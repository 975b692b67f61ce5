"""Job filters as a caller sends them: names, bounds and parsers.

FILTERS declares each filter once. The API and the custom resource parse requests with it, and the OpenAPI
document is generated from it. All errors of a request are reported together. This module calls no AWS
service.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from jobledger.errors import BadParameter, InvalidParameters
from jobledger.jobs import Family, JobStatus
from jobledger.times import EPOCH

_NAME_PUNCTUATION = frozenset("_.:/=+-%@")
_NAME_CATEGORIES = ("L", "Z", "N")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter: its parser, its allowed values in words, and its JSON Schema.

    `parse` raises ValueError for text that is not allowed. A repeatable parameter has a list of values.
    """

    name: str
    parse: Callable[[str], Any]
    allowed: str
    schema: Mapping[str, Any]
    description: str
    repeatable: bool = False
    example: Any = None


def parse_name(text: str) -> str:
    """Return a JobName: 1 to 256 of `\\p{L}\\p{Z}\\p{N}_.:/=+-%@` (service model, shape JobName)."""
    if not 1 <= len(text) <= 256 or not all(map(may_be_in_a_name, text)):
        raise ValueError
    return text


def may_be_in_a_name(character: str) -> bool:
    return character in _NAME_PUNCTUATION or unicodedata.category(character)[0] in _NAME_CATEGORIES


def parse_time(text: str) -> datetime:
    """Return the time of RFC 3339 text (any offset), a date (midnight UTC) or epoch seconds.

    A space in place of the offset's sign counts as a plus: a `+` in a query string decodes to a space.
    """
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text, re.ASCII):
        whole, _, fraction = text.partition(".")
        return EPOCH + timedelta(seconds=int(whole), microseconds=int(fraction.ljust(6, "0")[:6]))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    match = re.fullmatch(
        r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:([Zz])|([+ -])(\d\d:\d\d))",
        text,
        re.ASCII,
    )
    if not match:
        raise ValueError
    local, utc, sign, offset = match.groups()
    zone = "Z" if utc else f"{'-' if sign == '-' else '+'}{offset}"
    return datetime.fromisoformat(f"{local.upper()}{zone}").astimezone(UTC)


def _parse_before(text: str) -> datetime:
    """Return an upper bound, rounded up to the millisecond precision of the ledger's times."""
    moment = parse_time(text)
    return moment + timedelta(microseconds=-moment.microsecond % 1000)


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parse


_NAME_RULE = "1 to 256 letters, digits, spaces and _ . : / = + - % @"
NAME_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "pattern": r"^[\p{L}\p{Z}\p{N}_.:/=+\-%@]+$",
}
TIME_RULE = "an RFC 3339 time with its offset, a date (midnight UTC) or epoch seconds"
_TIME_SCHEMA = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": r"^\d{1,11}(\.\d{1,9})?$"},
    ]
}


def enumerated(*allowed: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(allowed)}


FILTERS = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "Family",
            one_of(*Family, "ALL"),
            f"one of {', '.join(Family)}, ALL",
            enumerated(*Family, "ALL"),
            "The kind of job. Repeat the parameter for several kinds, or use ALL. Default: SNOMEDCT.",
            repeatable=True,
            example="SNOMEDCT",
        ),
        Parameter(
            "JobName",
            parse_name,
            _NAME_RULE,
            NAME_SCHEMA,
            "Only jobs with exactly this name.",
            example="nightly-notes",
        ),
        Parameter(
            "JobNamePrefix",
            parse_name,
            _NAME_RULE,
            NAME_SCHEMA,
            "Only jobs whose name starts with this prefix. A page can be short or empty and still have a NextToken.",
            example="nightly-",
        ),
        Parameter(
            "JobStatus",
            one_of(*JobStatus),
            f"one of {', '.join(JobStatus)}",
            enumerated(*JobStatus),
            "Only jobs with this status. Repeat the parameter to match any of several.",
            repeatable=True,
            example="FAILED",
        ),
        Parameter(
            "SubmitTimeAfter",
            parse_time,
            TIME_RULE,
            _TIME_SCHEMA,
            f"Only jobs submitted after this time: {TIME_RULE}. Exclusive.",
            example="2026-11-01T00:00:00Z",
        ),
        Parameter(
            "SubmitTimeBefore",
            _parse_before,
            TIME_RULE,
            _TIME_SCHEMA,
            f"Only jobs submitted before this time: {TIME_RULE}. Exclusive. Without "
            "SubmitTimeAfter, the oldest job comes first.",
            example="2026-11-24",
        ),
    )
}


def parse_parameters(
    sent: Mapping[str, Sequence[str]], known: Mapping[str, Parameter]
) -> dict[str, Any]:
    """Return the parsed values of a request's parameters; repeatable ones are lists.

    Raises InvalidParameters with every error: unknown and misspelled names, repeated parameters, and values
    that are not allowed. Values are never quoted, because they can identify patients.
    """
    values: dict[str, Any] = {}
    wrong: list[BadParameter] = []
    for name, texts in sent.items():
        if name not in known:
            wrong.append(BadParameter(name[:64], _unknown(name, known)))
            continue
        parameter = known[name]
        if len(texts) > 1 and not parameter.repeatable:
            wrong.append(BadParameter(name, f"given once: {parameter.allowed}"))
            continue
        try:
            parsed = [parameter.parse(text) for text in texts]
        except (ValueError, OverflowError):
            wrong.append(BadParameter(name, parameter.allowed))
            continue
        values[name] = parsed if parameter.repeatable else parsed[0]
    after, before = values.get("SubmitTimeAfter"), values.get("SubmitTimeBefore")
    if after and before and after >= before:
        wrong.append(BadParameter("SubmitTimeAfter", "a time earlier than SubmitTimeBefore"))
    if wrong:
        raise InvalidParameters(wrong)
    return values


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    hint = f"did you mean {by_lower_case[nearest[0]]}? " if nearest else ""
    all_known = f"known are {', '.join(known)}" if known else "it takes none"
    return f"not a parameter of this call; {hint}{all_known}"
