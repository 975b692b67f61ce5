"""One run of the alerts function: all events that wait become one message."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from jobledger import metrics, settings
from jobledger.alerts.changes import Change, Place, parse_event
from jobledger.alerts.message import listed, render, render_chat
from jobledger.errors import JobLedgerError
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output, output_of
from jobledger.observability import logger, publish_metrics, step
from jobledger.sns import Notifier
from jobledger.sqs import AlertQueue
from jobledger.times import utc_now

# With one more request, and with what else a run does, below the function's two minutes.
_READING = timedelta(seconds=20)


class Dependencies(msgspec.Struct, frozen=True):
    """The dependencies of a run; `chat_topic` is None without chatDigests, and `ledger` without outputBuckets."""

    queue: AlertQueue
    notifier: Notifier
    topic: str
    chat_topic: str | None
    place: Place
    now: Callable[[], datetime]
    ledger: Ledger | None = None


def connect() -> Dependencies:
    """Return the dependencies with clients of their own."""
    configured = settings.load()
    account, _, region = configured.scope.partition("/")
    return Dependencies(
        queue=AlertQueue.connect(settings.required("ALERT_QUEUE_URL")),
        notifier=Notifier.connect(),
        topic=settings.required("ALERT_TOPIC_ARN"),
        chat_topic=os.environ.get("CHAT_TOPIC_ARN"),
        place=Place(account, region, os.environ.get("API_URL"), bool(configured.sources)),
        now=utc_now,
        ledger=Ledger.connect(configured, utc_now) if settings.shows_outputs() else None,
    )


def send_alerts(dependencies: Dependencies) -> dict[str, Any]:
    """Send the waiting events. When SNS refuses, raises PublishRefused or PublishUncertain; the queue keeps them.

    Tests of the delivery (`"Test": true` in the event's detail) are a message of their own.
    """
    waiting = [(each.receipt, parse_event(each.body)) for each in dependencies.queue.receive()]
    strange = sum(change is None for _, change in waiting)
    if strange:
        # They are not deleted: after several attempts the queue puts them aside.
        logger.error("events not understood", extra={"events": strange})
    sent = 0
    for is_test in (False, True):
        known = [(r, change) for r, change in waiting if change and change.test is is_test]
        if known:
            # EventBridge can deliver an event more than once, and SQS in any order.
            unique = {change.event_id: change for _, change in known}
            changes = sorted(unique.values(), key=lambda each: (each.observed_at, each.event_id))
            _publish(dependencies, changes)
            sent += len(changes)
            remaining = dependencies.queue.delete([receipt for receipt, _ in known])
            if remaining:
                logger.error("sent events not deleted", extra={"events": remaining})
    if sent:
        logger.info("alerts sent", extra={"changes": sent})
    return {"Changes": sent}


def _publish(dependencies: Dependencies, changes: Sequence[Change]) -> None:
    with step("Publish") as put:
        put("Jobs", len(changes))
        ledger, now = dependencies.ledger, dependencies.now
        outputs = _outputs(ledger, changes, now) if ledger else {}
        notification = render(changes, dependencies.place, now(), outputs)
        dependencies.notifier.publish(dependencies.topic, notification)
    if dependencies.chat_topic is None:
        return
    try:
        chat = render_chat(changes, dependencies.place)
        dependencies.notifier.publish(dependencies.chat_topic, chat)
    except JobLedgerError as error:
        # An exception would repeat the run, and publish the e-mail again.
        logger.error("chat alert not published", extra={"error": error.name})
        publish_metrics({metrics.CHAT_FAILURES: 1})


def _outputs(
    ledger: Ledger, changes: Sequence[Change], now: Callable[[], datetime]
) -> dict[str, Output]:
    """Return what the jobs processed that a person reads of, by EventId; events do not say it. A slow ledger tells of few."""
    found: dict[str, Output] = {}
    until = now() + _READING
    try:
        for change in listed(changes):
            if now() > until:
                break
            row = ledger.find(change.job_id, (change.source,))
            if row and (output := output_of(row)):
                found[change.event_id] = output
    except JobLedgerError as error:
        # The alert is worth more than this part of it.
        logger.error("outputs not read", extra={"error": error.name})
    return found
