"""The two calls of a `Custom::ComprehendMedicalJob`: validate the properties, then look up the job.

CDK's provider framework calls `begin` once per request and `check` until it is complete.
"""

import functools
import hashlib
import json
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jobledger import settings
from jobledger.errors import LedgerUnavailable, LookupFailed
from jobledger.invoke import Function
from jobledger.jobs import Family
from jobledger.ledger.writing import Ledger
from jobledger.lookup.lookup import (
    NOTHING_FOUND,
    Attributes,
    attributes_too_large,
    check_still_possible,
    failure,
    find,
)
from jobledger.lookup.request import LookupRequest, read_request
from jobledger.sync.freshness import as_of, refreshed
from jobledger.times import parse, rfc3339

ANSWER_BYTES = 4096
"""CloudFormation's limit for the whole response (custom resource request and response reference)."""
# The framework adds a location in its own code and the request's ids: less than 1,600 bytes.
_REASON_BYTES = 2000
# A transient read error is no reason to roll back a stack.
_LEDGER_PATIENCE = timedelta(minutes=1)

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
Connect = Callable[[], tuple[Ledger, Function]]


def with_one_reason(handler: Handler) -> Handler:
    """Convert every failure into one sentence that fits into CloudFormation's response."""

    @functools.wraps(handler)
    def answering(event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            return handler(event, context)
        except LookupFailed as failed:
            sentence = str(failed)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            sentence = f"The look-up failed unexpectedly: {type(error).__name__} in {place.name}:{place.lineno}."
        raise LookupFailed(_cut(sentence))

    return answering


def begin(event: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Validate the properties. The physical id derives from stack and logical id, and never changes."""
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    _request(event)
    place = hashlib.sha256(f"{event['StackId']} {event['LogicalResourceId']}".encode())
    created = f"comprehend-medical-job-{place.hexdigest()[:32]}"
    return {
        "PhysicalResourceId": event.get("PhysicalResourceId", created),
        "StartedAt": rfc3339(now),
    }


def check(
    event: Mapping[str, Any], connect: Connect, now: Callable[[], datetime]
) -> dict[str, Any]:
    """Look up the job. Not complete while a matching job can still appear."""
    if event["RequestType"] == "Delete":
        return {"IsComplete": True}
    request = _request(event)
    waited = now() - parse(event["StartedAt"])
    try:
        attributes = _look_up(request, connect(), parse(event["StartedAt"]), waited, now)
    except LedgerUnavailable as unavailable:
        if waited < max(request.patience, _LEDGER_PATIENCE):
            return {"IsComplete": False}
        raise LookupFailed(
            f"The ledger is temporarily unavailable ({unavailable}). No data was lost. Try again. "
            f"Looked for: {request.looked_for}."
        ) from unavailable
    if attributes is None:
        return {"IsComplete": False}
    size = _answer_size(event, attributes)
    if size >= ANSWER_BYTES:
        raise attributes_too_large(request, attributes, size, ANSWER_BYTES)
    return {"IsComplete": True, "Data": attributes}


def _look_up(
    request: LookupRequest,
    connected: tuple[Ledger, Function],
    started: datetime,
    waited: timedelta,
    now: Callable[[], datetime],
) -> Attributes | None:
    """Return the attributes; None to look again later."""
    ledger, sync = connected
    stale = False
    if request.waits:
        _, stale = refreshed(as_of(ledger), request.query.families, sync, now())
    found = find(ledger, request, now())
    if found is not None:
        return found
    if request.waits:
        check_still_possible(ledger, request, started, now())
    if waited < request.patience:
        return None
    if not request.must_exist:
        return NOTHING_FOUND
    raise failure(ledger, request, now(), stale=stale)


def _request(event: Mapping[str, Any]) -> LookupRequest:
    kept = [Family(name) for name in settings.required("FAMILIES").split(",")]
    return read_request(event["ResourceProperties"], kept)


def _answer_size(event: Mapping[str, Any], attributes: Attributes) -> int:
    """Return the size of the framework's response in bytes."""
    ids = ("StackId", "RequestId", "PhysicalResourceId", "LogicalResourceId")
    answer = {
        "Status": "SUCCESS",
        "Reason": "SUCCESS",
        **{name: event[name] for name in ids},
        "Data": attributes,
    }
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())


def _cut(sentence: str) -> str:
    """Return the sentence, shortened to the bytes that are available in JSON."""
    while len(json.dumps(sentence, ensure_ascii=False).encode("utf-8", "replace")) > _REASON_BYTES:
        sentence = f"{sentence[: len(sentence) * 9 // 10]}…"
    return sentence
