"""POST /digests: parses the request and maps the digest function's result."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from jobledger.api.idempotency_key import parse_key
from jobledger.errors import (
    BadParameter,
    DigestInProgress,
    FunctionRefused,
    IdempotencyKeyReused,
    InvalidParameters,
)
from jobledger.inputs import TIME_RULE, parse_time
from jobledger.ledger.table import SETTLING
from jobledger.times import rfc3339

_BODY_RULE = "empty, {}, or a JSON object with WindowStart and WindowEnd"
_WINDOW_RULE = "a time at least two minutes ago, so that no change can be added to the window"
# The year of the service's first release. No job is older, and far times would overflow arithmetic.
_FIRST = datetime(2018, 1, 1, tzinfo=UTC)
_WINDOW = ("WindowStart", "WindowEnd")


def read_digest_request(body: bytes, key: str | None, now: datetime) -> dict[str, Any]:
    """Return the digest function's payload. Raises InvalidParameters with every error."""
    wrong: list[BadParameter] = []
    payload: dict[str, Any] = {}
    if (parsed := parse_key(key, wrong)) is not None:
        payload["IdempotencyKey"] = parsed
    payload |= _read_window(body, now, wrong)
    if wrong:
        raise InvalidParameters(wrong)
    return payload


def invoke_digest(
    function: Callable[[Mapping[str, Any]], dict[str, Any]], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """Invoke the digest function and return its result. Raises the errors that a caller can correct."""
    try:
        answer = function(payload)
    except FunctionRefused as refusal:
        _raise_correctable_error(refusal.name)
        raise
    _raise_correctable_error(answer.get("Error"))
    return answer


def _raise_correctable_error(name: object) -> None:
    if name == "InvalidWindow":
        raise InvalidParameters([BadParameter("WindowEnd", _WINDOW_RULE)])
    for error in (DigestInProgress, IdempotencyKeyReused):
        if name == error.__name__:
            raise error


def _read_window(body: bytes, now: datetime, wrong: list[BadParameter]) -> dict[str, str]:
    try:
        sent = msgspec.json.decode(body.strip() or b"{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        wrong.append(BadParameter("body", _BODY_RULE))
        return {}
    wrong += [
        BadParameter(
            name[:64], f"not a member of this body; known members are {', '.join(_WINDOW)}"
        )
        for name in sent
        if name not in _WINDOW
    ]
    times = {}
    for name in _WINDOW:
        try:
            if name in sent:
                times[name] = parse_time(_text(sent[name]))
        except (ValueError, OverflowError):
            wrong.append(BadParameter(name, TIME_RULE))
    if not sent.keys().isdisjoint(_WINDOW):
        wrong += [BadParameter(name, "both or neither") for name in _WINDOW if name not in sent]
    if len(times) == len(_WINDOW) and times["WindowStart"] >= times["WindowEnd"]:
        wrong.append(BadParameter("WindowStart", "a time earlier than WindowEnd"))
    if "WindowStart" in times and times["WindowStart"] < _FIRST:
        wrong.append(BadParameter("WindowStart", "a time since 2018"))
    if "WindowEnd" in times and times["WindowEnd"] > now - SETTLING:
        wrong.append(BadParameter("WindowEnd", _WINDOW_RULE))
    return {name: rfc3339(time) for name, time in times.items()}


def _text(value: object) -> str:
    """Return a time as text; JSON can hold epoch seconds as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return str(value)
