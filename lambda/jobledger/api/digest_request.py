"""POST /digests: parses the request and maps the digest function's result."""

from collections.abc import Callable, Mapping
from datetime import datetime
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
from jobledger.inputs.payloads import CLOSED_WINDOW, DIGEST_BODY, window_errors
from jobledger.inputs.validation import parse_members
from jobledger.times import rfc3339


def read_digest_request(body: bytes, key: str | None, now: datetime) -> dict[str, Any]:
    """Return the digest function's payload. Raises InvalidParameters with every error."""
    wrong: list[BadParameter] = []
    payload: dict[str, Any] = {}
    if (parsed := parse_key(key, wrong)) is not None:
        payload["IdempotencyKey"] = parsed
    times, wrong_in_body = parse_members(_decoded(body), DIGEST_BODY)
    wrong += wrong_in_body + window_errors(times, now)
    if wrong:
        raise InvalidParameters(wrong)
    return payload | {name: rfc3339(time) for name, time in times.items()}


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
    if not isinstance(answer.get("DigestId"), str):
        raise FunctionRefused("InvalidResponse")
    return answer


def _raise_correctable_error(name: object) -> None:
    if name == "InvalidWindow":
        raise InvalidParameters([BadParameter("WindowEnd", CLOSED_WINDOW)])
    for error in (DigestInProgress, IdempotencyKeyReused):
        if name == error.__name__:
            raise error


def _decoded(body: bytes) -> object:
    """Return the body's JSON; None, which is not a valid body, for text that is not JSON."""
    try:
        return msgspec.json.decode(body.strip() or b"{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
