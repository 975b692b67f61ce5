"""Values on and beyond each bound of a JSON Schema."""

from collections.abc import Mapping
from typing import Any

# JSON values of another type.
OTHER_TYPES: dict[str, list[Any]] = {
    "string": [5, None, True, ["x"]],
    "array": ["PHI", None],
    "number": ["5", True, None],
    "integer": ["5", 1.5, True, None],
}
# Texts that do not stand for a value of the type.
OTHER_TEXTS: dict[str, list[Any]] = {
    "integer": ["x", "", "1.5", "-1", " 1", "1e2", "٣", "0x1", "true"],
    "number": ["x", "", "1e1", " 1", "٣", "true"],
    "boolean": ["x", "", "1", "yes", "null"],
}
TIMES = (
    ["2026-11-22T08:00:00Z", "2026-11-22", "1700000000.5", "2026-11-22T08:00:00+23:59"],
    [
        *("", "soon", "2026-02-30", "1e9", "20261122"),
        *("2026-11-22T08:00:00", "2026-11-22T08:00:00+24:00"),
    ],
)
OFFSET_TIMES = (
    ["2026-11-22T08:00:00Z", "2026-11-22T08:00:00.5+01:00"],
    ["", "soon", "2026-11-22", "2026-11-22T08:00:00", "2026-02-30T00:00:00Z"],
)
# What a bound does not say by itself: texts that have the format or pattern, and texts that do not.
FORMATS: dict[str, tuple[list[str], list[str]]] = {
    "job-name": (["a", "é診 9_.:=+-%@"], ["a*", "a;b", "a<b"]),
    "time": TIMES,
    "upper-time-bound": (TIMES[0], [*TIMES[1], "9999-12-31T23:59:59.9999Z"]),
    "offset-time": OFFSET_TIMES,
    "scheduled-time": (["<aws.scheduler.scheduled-time>", *OFFSET_TIMES[0]], OFFSET_TIMES[1]),
}
ASCII = ["ä", "a\tb", "a\nb", "a\x00b", "\x7f"]
PATTERNS = {
    "^[A-Za-z0-9_-]{1,512}$": (
        ["aZ09_-", "A" * 512],
        ["", "A" * 513, "a b", "a+", "a=", "ä", "a\n"],
    ),
    "^[0-9]{12}$": (
        ["111122223333", "000000000000"],
        ["", "11112222333", "1111222233334", "11112222333a", "٣" * 12],
    ),
    "^[a-z]{2}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$": (
        ["us-east-1", "us-gov-east-1", "us-iso-b-east-12"],
        ["", "us", "us-east", "US-EAST-1", "us-east-123", "us--1"],
    ),
    "^[ -~]+$": ([" ", "~", " a "], ASCII),
    "^[!-~]([ -~]*[!-~])?$": (["!", "~", '"a b"'], ASCII),
}


def edges(schema: Mapping[str, Any], *, text: bool) -> tuple[list[Any], list[Any]]:
    """Return values on the bounds of a schema, and values beyond one of them.

    `text`: the values go through texts, so that those of another type are texts as well.
    """
    on: list[Any] = []
    beyond: list[Any] = []
    for keyword, bound in schema.items():
        good, bad = _edges(keyword, bound, schema, text)
        on += good
        beyond += bad
    return on, beyond


def _edges(
    keyword: str, bound: Any, schema: Mapping[str, Any], text: bool
) -> tuple[list[Any], list[Any]]:
    match keyword:
        case "type":
            return ([], (OTHER_TEXTS if text else OTHER_TYPES).get(bound, []))
        case "minLength":
            return ["a" * bound], ["a" * (bound - 1)]
        case "maxLength":
            return ["a" * bound], ["a" * (bound + 1)]
        case "minimum" | "maximum":
            return [bound], [bound - 1 if keyword == "minimum" else bound + 1]
        case "enum":
            return list(bound), ["", bound[0].swapcase(), "OTHER"]
        case "format":
            return FORMATS[bound]
        case "pattern":
            return PATTERNS[bound]
        case "anyOf":
            both = [edges(one, text=text) for one in bound]
            # What is beyond one may be within the other: a number, or a time in text.
            beyond = [value for _, bad in both for value in bad if value not in (5, "5")]
            return [value for on, _ in both for value in on], beyond
        case "minItems":
            return [schema["items"]["enum"][:bound]], [schema["items"]["enum"][: bound - 1]]
        case "items":
            on, beyond = edges(bound, text=text)
            return [on], [[value] for value in beyond]
        case "default":
            return [bound], []
    raise AssertionError(f"no edges are known for {keyword}")
