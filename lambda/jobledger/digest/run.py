"""One run of the digest function: publishes the scheduled digest, or a requested one."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from jobledger import metrics, settings
from jobledger.clients import session
from jobledger.digest.claims import Sent
from jobledger.digest.content import DigestReader
from jobledger.digest.delivery import Delivery, Topics, When
from jobledger.digest.series import (
    Series,
    covered_by_sources,
    publish_each,
    series_of,
    series_until,
)
from jobledger.digest.text import TextOptions
from jobledger.digest.windows import Window, asked_window, end_of_run, settled
from jobledger.digest_answers import together
from jobledger.errors import (
    DigestInProgress,
    IdempotencyKeyReused,
    InvalidParameters,
    InvalidWindow,
    JobLedgerError,
)
from jobledger.idempotency import IdempotentOperation
from jobledger.inputs.payloads import read_digest_payload
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import CONFIG, Table
from jobledger.observability import logger, publish_metrics, step
from jobledger.sns import PUBLISH_SECONDS, Notification, Notifier

_DAY = 86_400
# Within this time, no window is published twice. It is longer than the interval of any useful schedule.
_REMEMBER_WINDOWS = 35 * _DAY
_REMEMBER_REQUESTS = _DAY
# Another run needs at most PUBLISH_SECONDS to publish. After that it must have been killed.
_PATIENCE = PUBLISH_SECONDS + 10
# The API waits 20 seconds in total, and the digest itself takes a part of them.
_PATIENCE_ON_DEMAND = 10


class _Publisher(msgspec.Struct, frozen=True):
    """Publishes to one topic, at most once per key."""

    notifier: Notifier
    topic_arn: str
    once: IdempotentOperation

    def __call__(self, key: str, notification: Notification) -> str:
        def publish() -> dict[str, Any]:
            with step("Publish"):
                return {"MessageId": self.notifier.publish(self.topic_arn, notification)}

        return str(self.once(key, publish)["MessageId"])


class Dependencies(msgspec.Struct, frozen=True):
    """The dependencies of a run; clients are created once per execution environment."""

    table: Table
    scope: str
    by_source: bool
    reader: DigestReader
    when: When
    delivery: Delivery
    publications: IdempotentOperation
    requests: IdempotentOperation


def connect() -> Dependencies:
    """Return the dependencies with clients of their own."""
    client = session().create_client("dynamodb", config=CONFIG)
    return assemble(client, Notifier.connect(), lambda: datetime.now(UTC))


def assemble(
    dynamodb: Any,
    notifier: Notifier,
    now: Callable[[], datetime],
    sleep: Callable[[float], Any] = time.sleep,
) -> Dependencies:
    """Return the dependencies that the environment configures, with these clients."""
    configured = settings.load()
    table = Table(dynamodb, configured.ledger_table_name)
    remembered = settings.required("IDEMPOTENCY_TABLE_NAME")
    publications = IdempotentOperation(
        "publish", remembered, dynamodb, _REMEMBER_WINDOWS, in_progress=DigestInProgress
    )
    requests = IdempotentOperation(
        "request",
        remembered,
        dynamodb,
        _REMEMBER_REQUESTS,
        in_progress=DigestInProgress,
        compare_bodies=True,
    )
    reader = DigestReader(
        Ledger(table, configured.scope, now, configured.sources),
        configured.families,
        sync_minutes=int(settings.required("SYNC_MINUTES")),
        include_details=os.environ.get("INCLUDE_JOB_DETAILS") == "true",
        include_outputs=settings.shows_outputs(),
    )
    zone = ZoneInfo(settings.required("DIGEST_TIMEZONE"))
    delivery = Delivery(
        reader=reader,
        options=TextOptions(zone, os.environ.get("API_URL") or None),
        topics=_topics(notifier, publications),
        now=now,
        patience=_PATIENCE,
        schedule=os.environ.get("DIGEST_SCHEDULE", ""),
        sleep=sleep,
    )
    when = When(os.environ.get("DIGEST_WHEN", When.ALWAYS))
    by_source = os.environ.get("DIGEST_BY") == "source"
    return Dependencies(
        table, configured.scope, by_source, reader, when, delivery, publications, requests
    )


def _topics(notifier: Notifier, publications: IdempotentOperation) -> Topics:
    chat = os.environ.get("CHAT_TOPIC_ARN")
    return Topics(
        _Publisher(notifier, settings.required("DIGEST_TOPIC_ARN"), publications),
        _Publisher(notifier, chat, publications) if chat else None,
    )


def run(dependencies: Dependencies, event: object, context: Any) -> dict[str, Any]:
    """Handle one event; log only ids and error names. Raises InvalidParameters when the payload is wrong."""
    # Powertools would keep the lock of a killed publication for five minutes. No publication takes longer than this.
    dependencies.publications.register(context, at_most_seconds=PUBLISH_SECONDS)
    dependencies.requests.register(context)
    try:
        asked = read_digest_payload(event)
        answer = (
            _scheduled(dependencies, asked["ScheduledTime"])
            if "ScheduledTime" in asked
            else _on_demand(dependencies, asked)
        )
    except (InvalidParameters, IdempotencyKeyReused, InvalidWindow, DigestInProgress) as fault:
        logger.info("refused", extra={"error": fault.name})
        raise
    except JobLedgerError as error:
        logger.error("no digest", extra={"error": error.name})
        publish_metrics({metrics.DIGEST_FAILURES: 1})
        raise
    logger.info("digest", extra={"digest_id": answer["DigestId"]})
    return answer


def _scheduled(dependencies: Dependencies, time: datetime | None) -> dict[str, Any]:
    delivery = dependencies.delivery
    end = end_of_run(time, delivery.now())

    def publish(series: Series) -> dict[str, Any]:
        outcome = series.delivery.publish_next(series.rows, end, dependencies.when, scheduled=True)
        return _result(outcome.sent) | {"Published": outcome.published}

    answer = _answer(dependencies, delivery, end, publish)
    publish_metrics({metrics.DIGEST_RUNS: 1})
    return answer


def _on_demand(dependencies: Dependencies, asked: Mapping[str, Any]) -> dict[str, Any]:
    window = None
    if "WindowStart" in asked:
        window = asked_window(asked["WindowStart"], asked["WindowEnd"], dependencies.delivery.now())
    key = asked.get("IdempotencyKey")
    if key is None:
        return _publish(dependencies, window, None)
    request = hashlib.sha256(key.encode()).hexdigest()
    body = f"{window.start} {window.end}" if window else ""
    return dependencies.requests(request, lambda: _publish(dependencies, window, request), body)


def _publish(
    dependencies: Dependencies, window: Window | None, request: str | None
) -> dict[str, Any]:
    delivery = replace(dependencies.delivery, patience=_PATIENCE_ON_DEMAND)
    if window is not None:
        return _answer(
            dependencies,
            delivery,
            window,
            lambda series: _result(series.delivery.named(series.rows_of(window), window, request)),
        )
    # Without a key, only the window can identify a repeated call, so windows end on whole minutes. A key
    # identifies the call itself, so its window ends now.
    now = delivery.now()
    end = settled(now) if request else end_of_run(None, now)

    def publish(series: Series) -> dict[str, Any]:
        rows, always = series.rows, When.ALWAYS
        outcome = series.delivery.publish_next(rows, end, always, scheduled=False, request=request)
        return _result(outcome.sent)

    return _answer(dependencies, delivery, end, publish)


def _answer(
    dependencies: Dependencies,
    delivery: Delivery,
    until: str | Window,
    publish: Callable[[Series], dict[str, Any]],
) -> dict[str, Any]:
    """Publish the digest of the ledger, or those of its sources; return the answer of the function."""
    reader = dependencies.reader
    if not dependencies.by_source:
        covered = covered_by_sources(reader, delivery.now())
        delivery = replace(delivery, covered=covered)
        return publish(Series(dependencies.table, dependencies.scope, delivery))
    if isinstance(until, Window):
        series = series_of(reader, delivery, until)
    else:
        series = series_until(reader, delivery, until)
    return together(publish_each(series, publish))


def _result(sent: Sent) -> dict[str, Any]:
    return {
        "DigestId": sent.digest_id,
        "MessageId": sent.message_id,
        "Window": sent.window.to_json(),
        "Counts": sent.counts,
    }
