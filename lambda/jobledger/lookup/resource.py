"""The two calls of a `Custom::ComprehendMedicalJob`: validate the properties, then look up the job.

CDK's provider framework calls `begin` once per request and `check` until it is complete.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jobledger import metrics, settings
from jobledger.errors import LedgerUnavailable, LookupFailed
from jobledger.invoke import Function
from jobledger.ledger.as_of import by_source, refreshed
from jobledger.ledger.ledger import Ledger
from jobledger.lookup.encryption import PropertyCipher
from jobledger.lookup.lookup import (
    Attributes,
    attributes_too_large,
    check_still_possible,
    failure,
    find,
    nothing_found,
)
from jobledger.lookup.request import LookupRequest, read_request
from jobledger.observability import described, logger, publish_metrics, step
from jobledger.times import known, parse, rfc3339

ANSWER_BYTES = 4096
"""CloudFormation's limit for the whole response (custom resource request and response reference)."""
# The framework adds a location in its own code and the request's ids: less than 1,600 bytes.
_REASON_BYTES = 2000
# A read error that passes must not roll back a stack.
_LEDGER_PATIENCE = timedelta(minutes=1)

Clock = Callable[[], datetime]
Cipher = Callable[[], PropertyCipher]
Connect = Callable[[], tuple[Ledger, Function]]


def with_one_reason(
    event: Mapping[str, Any], now: Clock, handle: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Convert every failure into one sentence that fits into CloudFormation's response, and count it."""
    try:
        return handle()
    except LookupFailed as failed:
        sentence = str(failed)
    except Exception as error:
        place = described(error)
        sentence = f"The look-up failed unexpectedly: {place['error']} in {place['where'][-1]}."
    logger.info("look-up failed", extra=_ids(event))
    publish_metrics({metrics.LOOKUPS_FAILED: 1, metrics.LOOKUP_WAIT: _waited(event, now())})
    raise LookupFailed(_cut(sentence))


def begin(event: Mapping[str, Any], cipher: Cipher, now: datetime) -> dict[str, Any]:
    """Validate and encrypt the properties.

    The physical id derives from stack and logical id and never changes: CloudFormation would replace the resource.
    The framework passes the request on with the returned members in place of its own, so the properties are
    passed on only encrypted.
    """
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"], "ResourceProperties": {}}
    # Which sources the ledger has, the second call reads from it.
    read_request(event["ResourceProperties"], settings.families())
    try:
        encrypted = cipher().encrypt(event)
    except LedgerUnavailable as unavailable:
        raise LookupFailed(
            f"The properties could not be encrypted ({unavailable}). Try again."
        ) from unavailable
    place = hashlib.sha256(f"{event['StackId']} {event['LogicalResourceId']}".encode())
    created = f"comprehend-medical-job-{place.hexdigest()[:32]}"
    return {
        "PhysicalResourceId": event.get("PhysicalResourceId", created),
        "StartedAt": rfc3339(now),
        "ResourceProperties": encrypted,
        "OldResourceProperties": {},
    }


def check(event: Mapping[str, Any], cipher: Cipher, connect: Connect, now: Clock) -> dict[str, Any]:
    """Look up the job. The request stays incomplete while a matching job can still appear."""
    if event["RequestType"] == "Delete":
        return {"IsComplete": True}
    started = _started(event, now())
    waited = now() - started
    patience = _LEDGER_PATIENCE
    try:
        properties = cipher().decrypt(event)
        ledger, sync = connect()
        request = read_request(properties, settings.families(), ledger.known_sources)
        patience = max(request.patience, _LEDGER_PATIENCE)
        attributes = _look_up(request, (ledger, sync), started, waited, now)
    except LedgerUnavailable as unavailable:
        if waited < patience:
            return {"IsComplete": False}
        raise LookupFailed(
            f"The ledger is temporarily unavailable ({unavailable}). No data was lost. Try again."
        ) from unavailable
    if attributes is None:
        return {"IsComplete": False}
    size = _answer_size(event, attributes)
    if size >= ANSWER_BYTES:
        raise attributes_too_large(attributes, size, ANSWER_BYTES)
    logger.info("look-up complete", extra={**_ids(event), "job_id": attributes["JobId"]})
    found = int(attributes["Count"] != "0")
    publish_metrics({metrics.LOOKUPS_FOUND: found, metrics.LOOKUP_WAIT: _waited(event, now())})
    return {"IsComplete": True, "Data": attributes}


def _look_up(
    request: LookupRequest,
    connected: tuple[Ledger, Function],
    started: datetime,
    waited: timedelta,
    now: Clock,
) -> Attributes | None:
    """Return the attributes; None to look again later."""
    ledger, sync = connected
    stale = False
    if request.waits:
        times = by_source(ledger, request.query.families, request.query.sources)
        _, stale = refreshed(times, sync, now(), is_shared=ledger.is_shared)
    with step("FindJob") as put:
        found = find(ledger, request, now())
        put("Jobs", int(found["Count"]) if found else 0)
    if found is not None:
        return found
    if request.waits:
        check_still_possible(ledger, request, started, now())
    if waited < request.patience:
        return None
    if not request.must_exist:
        return nothing_found(ledger)
    raise failure(ledger, request, now(), stale=stale)


def _ids(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what identifies the resource in a log record."""
    return {"stack_id": event.get("StackId"), "logical_id": event.get("LogicalResourceId")}


def _waited(event: Mapping[str, Any], now: datetime) -> float:
    """Return the seconds since the look-up began."""
    return (now - _started(event, now)).total_seconds()


def _started(event: Mapping[str, Any], now: datetime) -> datetime:
    """Return when the look-up began; now, if that is unknown."""
    started = known(event.get("StartedAt"), now)
    return parse(started) if started else now


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
