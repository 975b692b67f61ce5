"""The changes function: sends each change from the table's stream to EventBridge.

The result names the first record that could not be sent. Lambda retries from there, so earlier records are
not sent twice and the order is kept. A record that no retry can send is put aside in the queue Undelivered.
"""

import functools
from typing import Any

from jobledger import settings
from jobledger.events.batch import Dependencies, send_changes
from jobledger.events.eventbridge import EventBus
from jobledger.init_phase import finish
from jobledger.ledger.ledger import Ledger
from jobledger.observability import observed
from jobledger.sqs import Undelivered
from jobledger.times import utc_now


@functools.cache
def _connect() -> Dependencies:
    configured = settings.load()
    with_names = settings.required("INCLUDE_JOB_DETAILS") == "true"
    return (
        Ledger.connect(configured, utc_now),
        EventBus.connect(settings.required("EVENT_SOURCE")),
        with_names,
    )


@functools.cache
def _undelivered() -> Undelivered:
    """Return the queue. Few batches need it, so it is not part of the init phase."""
    return Undelivered.connect(settings.required("UNDELIVERED_QUEUE_URL"))


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send the batch's changes in order, up to the first that fails."""
    return send_changes(
        event["Records"], context.get_remaining_time_in_millis, _connect(), _undelivered
    )


finish(_connect)
