"""The shapes of the API's answers. An answer that does not have its shape is an ApiError.

A shape is a type, a check, a list of one shape, or the members of an object. `Name?` is optional, `*` stands for
every member. The properties of jobs are not checked, because the service can add to them and one odd job must not
stop a list.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from job_ledger.errors import invalid_answer

JOBS: Final = "ComprehendMedicalAsyncJobPropertiesList"
JOB: Final = "ComprehendMedicalAsyncJobProperties"
JSON = "application/json"
MEDIA_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}

Check = Callable[[Any], bool]
Shape = type | Check | list[Any] | Mapping[str, Any]


def _time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (ValueError, TypeError):
        return False


def _time_or_null(value: Any) -> bool:
    return value is None or _time(value)


def _number_or_null(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _object_or_null(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _token(value: Any) -> bool:
    return isinstance(value, str) and value != "" and value.isascii()


_HEALTH_OF_FAMILY = {
    "AsOf?": _time_or_null,
    "AgeSeconds?": _number_or_null,
    "LastError?": _object_or_null,
}
FAMILIES = {"*": _HEALTH_OF_FAMILY}
SOURCES = [{"Account": str, "Region": str, "Healthy": bool, "Families": FAMILIES}]
PAGE = {JOBS: [dict], "NextToken?": _token, "AsOf?": _time_or_null}
DESCRIPTION = {JOB: {"Family": str}, "History": [{"ObservedAt": _time}]}
_PROCESSED = ("InputFileCount", "UnprocessedFilesCount", "TotalMeteredCharacters")
SUMMARY = {"Total": int, "AsOf?": _time_or_null}
SUMMARY_IN_FULL = SUMMARY | {
    "ByStatus": {"*": int},
    "ByFamily": {"*": int},
    "Durations": {"p50": _number_or_null, "p90": _number_or_null, "max": _number_or_null},
    "OldestActive": _object_or_null,
    "ExpiringSoon": int,
    "FailureRate": _number_or_null,
    "Output?": {
        "ByFamily": {
            "*": {"*": dict.fromkeys(_PROCESSED, int)},
        },
        "Characters": {"*": {"*": int}},
        "Cost?": {"*": {"*": str}},
    },
}
_PUBLISHED = {"DigestId": str, "Window": {"Start": _time, "End": _time}, "Counts": {"*": int}}
DIGEST = _PUBLISHED | {"Digests?": [{"Account": str, "Region": str} | _PUBLISHED]}
AGES = {"Families": FAMILIES, "Sources?": SOURCES}
HEALTH = {"Status": str, **AGES}


def fits(value: Any, shape: Shape) -> bool:
    """Whether a value has a shape."""
    if isinstance(shape, type):
        return isinstance(value, shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(each, shape[0]) for each in value)
    if isinstance(shape, Mapping):
        return isinstance(value, dict) and all(
            _member_fits(value, name, inner) for name, inner in shape.items()
        )
    return shape(value)


def _member_fits(value: dict[str, Any], name: str, shape: Shape) -> bool:
    if name == "*":
        return all(fits(each, shape) for each in value.values())
    if name.endswith("?"):
        name = name[:-1]
        return name not in value or fits(value[name], shape)
    return name in value and fits(value[name], shape)


def parsed(body: bytes, shape: Shape, request_id: str = "") -> Any:
    """Return JSON of a shape. Raises ApiError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid_answer(200, request_id) from None
    return required(value, shape, request_id)


def required(value: Any, shape: Shape, request_id: str = "") -> Any:
    """Return a value that has a shape. Raises ApiError when it has another."""
    if not fits(value, shape):
        raise invalid_answer(200, request_id)
    return value


_CELL = re.compile(rb'"[^"]*(?:""[^"]*)*"(,|\r\n)')


def csv_rows(body: bytes) -> int | None:
    """Return how many rows CSV has below its header; None when it is damaged.

    The API quotes every cell. Python's reader has a limit on cells, for the whole process.
    """
    position, cells, widths = 0, 0, []
    while found := _CELL.match(body, position):
        position, cells = found.end(), cells + 1
        if found[1] != b",":
            widths.append(cells)
            cells = 0
    complete = position == len(body) and not cells and len(set(widths)) == 1
    return len(widths) - 1 if complete and _is_text(body) else None


def ndjson_rows(body: bytes) -> int | None:
    """Return how many JSON objects there are, one a line; None when a line is damaged."""
    *lines, rest = body.split(b"\n")
    try:
        whole = not rest and all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return None
    return len(lines) if whole else None


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
