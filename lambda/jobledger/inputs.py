"""Job filters as a caller may send them: each is a type that carries its bounds.

Each filter is declared once, in FILTERS. The API and the custom resource parse requests with it, and
the OpenAPI document is generated from it. All errors of a request are reported together. No AWS here.
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
    """One query parameter: how its text is read, what is allowed, and its JSON Schema.

    `parse` raises ValueError for text that is not allowed. A repeatable one takes a list of values.
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
    """Return a time of RFC 3339 (any offset), of a date alone (midnight UTC) or of epoch seconds.

    A blank in the place of an offset's sign is a plus: that is what `+` becomes in a query string.
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
    """Return an upper bound, rounded up: the ledger's times have milliseconds."""
    moment = parse_time(text)
    return moment + timedelta(microseconds=-moment.microsecond % 1000)


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parse


_NAME_RULE = "1 to 256 letters, digits, blanks and _ . : / = + - % @"
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
            "The kind of job. Repeat it for several kinds, or say ALL; default SNOMEDCT.",
            repeatable=True,
            example="SNOMEDCT",
        ),
        Parameter(
            "JobName",
            parse_name,
            _NAME_RULE,
            NAME_SCHEMA,
            "Only jobs of exactly this name.",
            example="nightly-notes",
        ),
        Parameter(
            "JobNamePrefix",
            parse_name,
            _NAME_RULE,
            NAME_SCHEMA,
            "Only jobs whose name begins with this. A page may be short, or empty, and go on.",
            example="nightly-",
        ),
        Parameter(
            "JobStatus",
            one_of(*JobStatus),
            f"one of {', '.join(JobStatus)}",
            enumerated(*JobStatus),
            "Only jobs of this status. Repeat it for any of several.",
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
            "SubmitTimeAfter the oldest job comes first.",
            example="2026-11-24",
        ),
    )
}


def parse_parameters(
    sent: Mapping[str, Sequence[str]], known: Mapping[str, Parameter]
) -> dict[str, Any]:
    """Return the values of a request's parameters; lists for the repeatable ones.

    Raises InvalidParameters with everything that is wrong: unknown and mis-spelt names, repeated
    ones, and values that are not allowed (which are not quoted: they may identify patients).
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
