"""Sends the changes of a batch of the table's stream to EventBridge, in order; `stream` says what fails and how."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jobledger import metrics
from jobledger.errors import EventInvalid, JobLedgerError
from jobledger.events.eventbridge import EventBus
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import Change, name_of
from jobledger.observability import logger, publish_metrics, step
from jobledger.service import TERMINAL
from jobledger.sqs import Undelivered
from jobledger.stream import Remaining, handle_changes
from jobledger.times import seconds_between

Dependencies = tuple[Ledger, EventBus, bool]
# A send takes at most four attempts of seven seconds, and their pauses. It begins only when that much time is left.
_LONGEST_SEND_MILLISECONDS = 45_000


def send_changes(
    records: list[Any],
    remaining_milliseconds: Remaining,
    dependencies: Dependencies,
    undelivered: Callable[[], Undelivered],
) -> dict[str, Any]:
    """Send the batch's changes in order, up to the first that fails; put aside what cannot be sent."""
    sent: list[Change] = []

    def send(change: Change) -> bool:
        if remaining_milliseconds() < _LONGEST_SEND_MILLISECONDS:
            return False
        return _send(change, sent, dependencies)

    handled = handle_changes(records, send, undelivered)
    values: dict[metrics.Metric, float | Sequence[float]] = {
        metrics.JOB_DURATION: _durations(sent),
        metrics.EVENTS_SENT: len(sent),
        metrics.EVENT_FAILURES: int(handled.failed is not None),
    }
    if handled.put_aside:
        values[metrics.RECORDS_PUT_ASIDE] = handled.put_aside
    publish_metrics(values)
    return handled.answer


def _send(change: Change, sent: list[Change], dependencies: Dependencies) -> bool:
    """Send one change and add it to `sent`; log the error and return False when that fails for now."""
    ledger, bus, with_names = dependencies
    try:
        with step("PutEvent", Family=change.family.value):
            bus.put(
                change, change.source or ledger.scope, _name(ledger, change) if with_names else None
            )
    except EventInvalid:
        raise
    except JobLedgerError as error:
        logger.error("event not sent", extra={"error": error.name, "job_id": change.job_id})
        return False
    except Exception as error:
        # Raising would make Lambda send the earlier records again.
        logger.error("event not sent", extra={"error": type(error).__name__})
        return False
    sent.append(change)
    return True


def _durations(changes: Iterable[Change]) -> list[float]:
    """Return the seconds from submission to end of the jobs that ended with these changes."""
    return [
        seconds_between(change.submit_time, change.end_time)
        for change in changes
        if change.status in TERMINAL and change.submit_time and change.end_time
    ]


def _name(ledger: Ledger, change: Change) -> str | None:
    """Return the job's name, which the change log does not contain."""
    key = {"PK": ledger.partition(change.family), "SK": change.sort_key}
    row = ledger.table.get(key)
    return name_of(row) if row else None
