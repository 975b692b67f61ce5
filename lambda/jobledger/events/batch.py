"""Sends a batch of stream records to EventBridge, in order."""

from collections.abc import Callable, Iterable
from typing import Any

from jobledger import metrics
from jobledger.errors import JobLedgerError
from jobledger.events.eventbridge import EventBus
from jobledger.jobs import TERMINAL, Job
from jobledger.ledger.rows import Change, change_from_row
from jobledger.ledger.table import Row, decode, text_of
from jobledger.ledger.writing import Ledger
from jobledger.observability import logger, publish_metrics, step
from jobledger.times import seconds_between

Dependencies = tuple[Ledger, EventBus, bool]
# Four attempts of seven seconds and their pauses: with less time left, no send begins.
_LONGEST_SEND_MILLISECONDS = 45_000


def send_changes(
    records: list[dict[str, Any]],
    remaining_milliseconds: Callable[[], int],
    dependencies: Dependencies,
) -> dict[str, Any]:
    """Send the batch's changes in order, up to the first that fails."""
    ledger, bus, with_names = dependencies
    rows = {
        record["dynamodb"]["SequenceNumber"]: row
        for record in records
        if str((row := decode(record["dynamodb"]["NewImage"]))["PK"]).endswith("#changes")
    }
    sent: list[Change] = []
    for row in rows.values():
        if remaining_milliseconds() < _LONGEST_SEND_MILLISECONDS:
            break
        change = _send(ledger, bus, row, with_names=with_names)
        if change is None:
            break
        sent.append(change)
    publish_metrics(
        {
            metrics.JOB_DURATION: _durations(sent),
            metrics.EVENTS_SENT: len(sent),
            metrics.EVENT_FAILURES: int(len(sent) < len(rows)),
        }
    )
    rest = list(rows)[len(sent) :]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in rest[:1]]}


def _send(ledger: Ledger, bus: EventBus, row: Row, *, with_names: bool) -> Change | None:
    """Send one change and return it; log the error and return None when that fails for any reason."""
    try:
        change = change_from_row(row)
        with step("PutEvent", Family=change.family.value):
            bus.put(change, ledger.scope, _name(ledger, change) if with_names else None)
    except JobLedgerError as error:
        logger.error("event not sent", extra={"error": error.name, "job_id": row.get("JobId")})
        return None
    except Exception as error:
        # Raising would make Lambda send the earlier records again.
        logger.error("event not sent", extra={"error": type(error).__name__})
        return None
    return change


def _durations(changes: Iterable[Change]) -> list[float]:
    """Return the seconds from submission to end of the jobs that ended with these changes."""
    return [
        seconds_between(change.submit_time, change.end_time)
        for change in changes
        if change.status in TERMINAL and change.submit_time and change.end_time
    ]


def _name(ledger: Ledger, change: Change) -> str | None:
    """Return the job's name, which the change log does not contain."""
    key = {
        "PK": ledger.partition(change.family),
        "SK": Job.key_of(change.submit_time, change.job_id),
    }
    row = ledger.table.get(key)
    return text_of(row, "JobName") if row else None
