"""The payloads of the sync, digest and outputs functions and the body of POST /digests, each declared once.

docs/operations.md has them as tables.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobledger.errors import BadParameter, InvalidParameters
from jobledger.inputs.filters import TIME_RULE
from jobledger.inputs.formats import Schema, parse_offset_time, parse_scheduled_time, parse_time
from jobledger.inputs.validation import JsonObject, Parameter, enumerated, is_valid, parse_members
from jobledger.service import Family
from jobledger.times import SETTLING, from_epoch, rfc3339

MOST_SECONDS = 86_400

_OFFSET_TIME = {"type": "string", "format": "offset-time"}
_OFFSET_TIME_RULE = "an RFC 3339 time with its offset"
_YEAR_9999 = 253_402_300_799
# The year of the service's first release. No job is older, and far times would overflow arithmetic.
_SERVICE_BEGAN = datetime(2018, 1, 1, tzinfo=UTC)
CLOSED_WINDOW = "a time at least two minutes ago, so that no change can be added to the window"
_START = "The start of the window, in or after 2018."
_END = "The end of the window, at least two minutes ago."
_BOTH = {"WindowStart": ("WindowEnd",), "WindowEnd": ("WindowStart",)}


def _time_of(value: float | str) -> datetime:
    """Return a time that JSON has as text or as epoch seconds."""
    return parse_time(value) if isinstance(value, str) else from_epoch(value)


def window_errors(times: Mapping[str, datetime], now: datetime) -> list[BadParameter]:
    """Return what is wrong with a requested window, as far as JSON Schema cannot say it."""
    wrong = []
    start, end = times.get("WindowStart"), times.get("WindowEnd")
    if start and end and rfc3339(start) >= rfc3339(end):
        wrong.append(BadParameter("WindowStart", "a time earlier than WindowEnd"))
    if start and start < _SERVICE_BEGAN:
        wrong.append(BadParameter("WindowStart", "a time since 2018"))
    if end and end > now - SETTLING:
        wrong.append(BadParameter("WindowEnd", CLOSED_WINDOW))
    return wrong


def _window(schema: Schema, rule: str, parse: Callable[[Any], datetime]) -> dict[str, Parameter]:
    return {
        "WindowStart": Parameter("WindowStart", schema, rule, _START, parse=parse),
        "WindowEnd": Parameter("WindowEnd", schema, rule, _END, parse=parse),
    }


DIGEST_BODY = JsonObject(
    "body",
    _window(
        {
            "anyOf": [
                {"type": "string", "format": "time"},
                {"type": "number", "minimum": 0, "maximum": _YEAR_9999},
            ]
        },
        TIME_RULE,
        _time_of,
    ),
    "empty, {}, or a JSON object with WindowStart and WindowEnd",
    _BOTH,
)
"""The body of POST /digests."""

DIGEST_ON_DEMAND = JsonObject(
    "payload",
    _window(_OFFSET_TIME, _OFFSET_TIME_RULE, parse_offset_time)
    | {
        "IdempotencyKey": Parameter(
            "IdempotencyKey",
            # A header's key without its quotes, so it can start or end with a space.
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            "1 to 255 printable ASCII characters",
            "The same key with the same window returns the same result for 24 hours and publishes once.",
        )
    },
    "{}, or a JSON object with WindowStart and WindowEnd, IdempotencyKey, or both",
    _BOTH,
)
"""The digest function's payload by hand and from POST /digests."""

DIGEST_SCHEDULED = JsonObject(
    "payload",
    {
        "ScheduledTime": Parameter(
            "ScheduledTime",
            {"type": "string", "format": "scheduled-time"},
            f"{_OFFSET_TIME_RULE}, or a placeholder of EventBridge Scheduler",
            "The scheduled time of the run. A placeholder that was not replaced means now.",
            parse=parse_scheduled_time,
        ),
        "ScheduleArn": Parameter(
            "ScheduleArn",
            {"type": "string"},
            "text",
            "The ARN of the schedule, for the reader of a trace.",
        ),
    },
    "a JSON object with ScheduledTime",
)
"""The digest function's payload from the schedule."""
_FROM_SCHEDULE = {"type": "object", "required": ["ScheduledTime"]}


OUTPUTS = JsonObject(
    "payload",
    {
        "Days": Parameter(
            "Days",
            {"type": "integer", "minimum": 1, "maximum": 3650},
            "a whole number from 1 to 3650",
            "Look for what jobs processed that were submitted within so many days, and have no `Output` yet, or one with a `Problem`.",
        ),
        "Before": Parameter(
            "Before",
            _OFFSET_TIME,
            _OFFSET_TIME_RULE,
            "Only jobs that were submitted before this time: the `Before` of the last answer. Not without Days.",
            parse=parse_offset_time,
        ),
    },
    "{}, or a JSON object with Days, or with Days and Before",
    schema={"type": "object", "dependencies": {"Before": ["Days"]}},
)
"""The outputs function's payload by hand and from its schedule."""


def sync_payload(families: Sequence[Family], sources: Sequence[str] = ()) -> JsonObject:
    """Return the sync function's payload, for a ledger of `families`, and of `sources` with that setting."""
    members = [
        Parameter(
            "Families",
            {"type": "array", "minItems": 1, "items": enumerated(*families)},
            f"a list of one or more families in this ledger: {', '.join(families)}",
            "The families to sync. Default: all families of the deployment.",
        ),
        Parameter(
            "IfOlderThanSeconds",
            {"type": "number", "minimum": 0, "maximum": MOST_SECONDS},
            f"a number from 0 to {MOST_SECONDS}",
            "Share a sync that began within this time or is in progress. 0, the default: do not share.",
        ),
    ]
    allowed = "Families, IfOlderThanSeconds, or both"
    if sources:
        chosen = Parameter(
            "Sources",
            {"type": "array", "minItems": 1, "items": enumerated(*sources)},
            f"a list of one or more sources of this ledger: {', '.join(sources)}",
            "The sources to sync, with the setting `sources`. Default: all of them.",
        )
        members.insert(0, chosen)
        allowed = "one or more of Sources, Families and IfOlderThanSeconds"
    return JsonObject(
        "payload",
        {member.name: member for member in members},
        f"{{}}, or a JSON object with {allowed}",
    )


def read_sync_payload(
    event: object, families: Sequence[Family], sources: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the values of the sync function's payload. Raises InvalidParameters with every error."""
    return _read(event, sync_payload(families, sources))


def read_digest_payload(event: object) -> dict[str, Any]:
    """Return the values of the digest function's payload. Raises InvalidParameters with every error."""
    return _read(event, DIGEST_SCHEDULED if is_valid(event, _FROM_SCHEDULE) else DIGEST_ON_DEMAND)


def read_outputs_payload(event: object) -> dict[str, Any]:
    """Return the values of the outputs function's payload. Raises InvalidParameters with every error."""
    return _read(event, OUTPUTS)


def _read(event: object, known: JsonObject) -> dict[str, Any]:
    values, wrong = parse_members(event, known)
    if wrong:
        raise InvalidParameters(wrong)
    return values
