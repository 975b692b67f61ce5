"""The digest function: publishes digests, for the schedule, by hand or for `POST /digests`.

From the schedule: `{"ScheduledTime": …}`; an unreplaced placeholder means now. `digestWhen` can suppress a
digest; the next one then covers its window as well.

On demand: `{"WindowStart", "WindowEnd", "IdempotencyKey"}`, all optional. With a window: the digest of that
window, once for each key, or once in all without a key; the schedule's windows are not affected. Without a
window: from the end of the last digest to two minutes ago, and the next digest starts there. Without a key
as well, calls within the same minute are the same call. The same key with the same window returns the same
result for 24 hours and publishes once.

Result: `{"DigestId", "MessageId", "Window": {"Start", "End"}, "Counts"}`. For the schedule also
`"Published"`: false for a repeated, late or suppressed run; the rest then describes the last digest.

Errors that a caller can correct are returned as `{"Error": name}`: InvalidWindow, IdempotencyKeyReused
(used with another window), DigestInProgress (try again). All other errors are raised, so that Lambda
retries or the caller sees the errorType: PublishRefused, PublishUncertain, LedgerUnavailable. No data is
lost: the next run covers the window.
"""

import functools
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from botocore.session import Session

from jobledger import settings
from jobledger.digest.claims import ChainRow, Sent
from jobledger.digest.content import Reader
from jobledger.digest.delivery import Delivery, Topics, When
from jobledger.digest.idempotency import Once
from jobledger.digest.sns import PUBLISH_SECONDS, Notification, Notifier
from jobledger.digest.text import Reading
from jobledger.digest.windows import Window, asked_window, digest_id, end_of_run, settled
from jobledger.errors import (
    DigestInProgress,
    IdempotencyKeyReused,
    InvalidWindow,
    JobLedgerError,
)
from jobledger.ledger.table import CONFIG, Table
from jobledger.ledger.writing import Ledger
from jobledger.observability import logger, observed, publish_metrics

_DAY = 86_400
# Longer than any useful schedule interval: no window is published twice within this time.
_REMEMBER_WINDOWS = 35 * _DAY
_REMEMBER_REQUESTS = _DAY
# Another run publishes for at most PUBLISH_SECONDS, or it was killed.
_PATIENCE = PUBLISH_SECONDS + 10
# The API waits 20 seconds in total.
_PATIENCE_ON_DEMAND = 10


@dataclass(frozen=True, slots=True)
class _Publisher:
    """Publishes to one topic, at most once per key."""

    notifier: Notifier
    topic_arn: str
    once: Once

    def __call__(self, key: str, notification: Notification) -> str:
        def publish() -> dict[str, Any]:
            return {"MessageId": self.notifier.publish(self.topic_arn, notification)}

        return str(self.once(key, publish)["MessageId"])


@dataclass(frozen=True, slots=True)
class _PublishTime:
    """The time that Powertools allows for a publication, in place of the invocation's remaining time.

    A killed publication can then be retried after half a minute instead of five.
    """

    context: Any

    def get_remaining_time_in_millis(self) -> int:
        left = int(self.context.get_remaining_time_in_millis())
        return min(left, PUBLISH_SECONDS * 1000)


@dataclass(frozen=True, slots=True)
class Parts:
    """The dependencies of a run; clients are created once per execution environment."""

    table: Table
    scope: str
    when: When
    delivery: Delivery
    publications: Once
    requests: Once


@functools.cache
def _parts() -> Parts:
    client = Session().create_client("dynamodb", config=CONFIG)
    return assemble(client, Notifier.connect(), lambda: datetime.now(UTC))


def assemble(
    dynamodb: Any,
    notifier: Notifier,
    now: Callable[[], datetime],
    sleep: Callable[[float], Any] = time.sleep,
) -> Parts:
    """Return the dependencies that the environment configures, with these clients."""
    configured = settings.load()
    table = Table(dynamodb, configured.ledger_table_name)
    remembered = settings.required("IDEMPOTENCY_TABLE_NAME")
    publications = Once(
        "publish", DynamoDBPersistenceLayer(remembered, boto3_client=dynamodb), _REMEMBER_WINDOWS
    )
    requests = Once(
        "request",
        DynamoDBPersistenceLayer(remembered, boto3_client=dynamodb),
        _REMEMBER_REQUESTS,
        compare_bodies=True,
    )
    chat = os.environ.get("CHAT_TOPIC_ARN")
    delivery = Delivery(
        reader=Reader(
            Ledger(table, configured.scope, now),
            configured.families,
            sync_minutes=int(settings.required("SYNC_MINUTES")),
            include_details=os.environ.get("INCLUDE_JOB_DETAILS") == "true",
        ),
        reading=Reading(
            ZoneInfo(settings.required("DIGEST_TIMEZONE")), os.environ.get("API_URL") or None
        ),
        topics=Topics(
            _Publisher(notifier, settings.required("DIGEST_TOPIC_ARN"), publications),
            _Publisher(notifier, chat, publications) if chat else None,
        ),
        now=now,
        patience=_PATIENCE,
        schedule=os.environ.get("DIGEST_SCHEDULE", ""),
        sleep=sleep,
    )
    when = When(os.environ.get("DIGEST_WHEN", When.ALWAYS))
    return Parts(table, configured.scope, when, delivery, publications, requests)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Publish the due or requested digest. Errors that a caller can correct are returned, not raised."""
    try:
        return respond(_parts(), event, context)
    except (IdempotencyKeyReused, InvalidWindow, DigestInProgress) as fault:
        if "ScheduledTime" in event:
            raise
        return {"Error": fault.name}


def respond(parts: Parts, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Handle one event; log only ids and error names."""
    parts.publications.register(_PublishTime(context))
    parts.requests.register(context)
    try:
        answer = _scheduled(parts, event) if "ScheduledTime" in event else _on_demand(parts, event)
    except (IdempotencyKeyReused, InvalidWindow, DigestInProgress) as fault:
        logger.info("refused", extra={"error": fault.name})
        raise
    except JobLedgerError as error:
        logger.error("no digest", extra={"error": error.name})
        publish_metrics({"DigestFailures": 1})
        raise
    logger.info("digest", extra={"digest_id": answer["DigestId"]})
    return answer


def _scheduled(parts: Parts, event: Mapping[str, Any]) -> dict[str, Any]:
    end = end_of_run(event["ScheduledTime"], parts.delivery.now())
    rows = ChainRow(parts.table, parts.scope)
    outcome = parts.delivery.next_in_chain(rows, end, parts.when, scheduled=True)
    return _answer(outcome.sent) | {"Published": outcome.published}


def _on_demand(parts: Parts, event: Mapping[str, Any]) -> dict[str, Any]:
    window = None
    if "WindowStart" in event or "WindowEnd" in event:
        window = asked_window(
            event.get("WindowStart"), event.get("WindowEnd"), parts.delivery.now()
        )
    key = event.get("IdempotencyKey")
    if key is None:
        return _publish(parts, window, None)
    request = hashlib.sha256(str(key).encode()).hexdigest()
    body = f"{window.start} {window.end}" if window else ""
    return parts.requests(request, lambda: _publish(parts, window, request), body)


def _publish(parts: Parts, window: Window | None, request: str | None) -> dict[str, Any]:
    delivery = replace(parts.delivery, patience=_PATIENCE_ON_DEMAND)
    if window is None:
        # Without a key, the window identifies the call, so windows end on whole minutes. With a key, each
        # key gets its own digest, up to the millisecond.
        now = delivery.now()
        rows, end = (
            ChainRow(parts.table, parts.scope),
            settled(now) if request else end_of_run(None, now),
        )
        outcome = delivery.next_in_chain(rows, end, When.ALWAYS, scheduled=False, request=request)
        return _answer(outcome.sent)
    rows = ChainRow(parts.table, f"{parts.scope}#{digest_id(parts.scope, window)}")
    return _answer(delivery.named(rows, window, request))


def _answer(sent: Sent) -> dict[str, Any]:
    return {
        "DigestId": sent.digest_id,
        "MessageId": sent.message_id,
        "Window": sent.window.to_json(),
        "Counts": sent.counts,
    }
