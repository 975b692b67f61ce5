"""POST /digests: what a caller may ask for, and the digest function's answer to it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

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

KEY_RULE = "1 to 255 printable ASCII characters, quoted or not"
_BODY_RULE = "nothing, {}, or a JSON object with WindowStart and WindowEnd"
_WINDOW_RULE = "a time at least two minutes ago, so that nothing can be added to the window"
# The year of the service's first release: no job is older, and no time far from it reaches the arithmetic.
_FIRST = datetime(2018, 1, 1, tzinfo=UTC)
_WINDOW = ("WindowStart", "WindowEnd")
# RFC 8941 strings, as the IETF's draft has it, and bare keys, as everybody sends them.
_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII)


def read_digest_request(body: bytes, key: str | None, now: datetime) -> dict[str, Any]:
    """Return the digest function's payload. Raises InvalidParameters with all that is wrong."""
    wrong: list[BadParameter] = []
    payload: dict[str, Any] = {}
    if key is not None:
        key = key.strip()
        payload["IdempotencyKey"] = _unquoted(key)
        if not _KEY.fullmatch(key):
            wrong.append(BadParameter("Idempotency-Key", KEY_RULE))
    payload |= _read_window(body, now, wrong)
    if wrong:
        raise InvalidParameters(wrong)
    return payload


def _unquoted(key: str) -> str:
    """Return what a quoted key quotes: with and without quotes it is the same key."""
    quoted = len(key) > 2 and key.startswith('"') and key.endswith('"')
    return key[1:-1] if quoted else key


def ask_for_digest(
    function: Callable[[Mapping[str, Any]], dict[str, Any]], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the digest function's answer; what the caller can mend is raised under its own name."""
    try:
        answer = function(payload)
    except FunctionRefused as refusal:
        _raise_what_the_caller_can_mend(refusal.name)
        raise
    _raise_what_the_caller_can_mend(answer.get("Error"))
    return answer


def _raise_what_the_caller_can_mend(name: object) -> None:
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
        BadParameter(name[:64], f"not a member of this body; known are {', '.join(_WINDOW)}")
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
    """Return a time as text; JSON may hold epoch seconds as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return str(value)
