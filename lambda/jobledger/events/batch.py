"""Sends a batch of stream records to EventBridge, in order."""

from collections.abc import Callable
from typing import Any

from jobledger.errors import JobLedgerError
from jobledger.events.eventbridge import EventBus
from jobledger.jobs import Job
from jobledger.ledger.rows import Change, change_from_row
from jobledger.ledger.table import Row, decode, text_of
from jobledger.ledger.writing import Ledger
from jobledger.observability import logger, publish_metrics

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
    sent = 0
    for row in rows.values():
        if remaining_milliseconds() < _LONGEST_SEND_MILLISECONDS or not _send(
            ledger, bus, row, with_names=with_names
        ):
            break
        sent += 1
    publish_metrics({"EventsSent": sent, "EventFailures": int(sent < len(rows))})
    rest = list(rows)[sent:]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in rest[:1]]}


def _send(ledger: Ledger, bus: EventBus, row: Row, *, with_names: bool) -> bool:
    """Send one change; log the error and return False when that fails for any reason."""
    try:
        change = change_from_row(row)
        bus.put(change, ledger.scope, _name(ledger, change) if with_names else None)
    except JobLedgerError as error:
        logger.error("event not sent", extra={"error": error.name, "job_id": row.get("JobId")})
        return False
    except Exception as error:
        # Raising would make Lambda send the earlier records again.
        logger.error("event not sent", extra={"error": type(error).__name__})
        return False
    return True


def _name(ledger: Ledger, change: Change) -> str | None:
    """Return the job's name, which the change log does not contain."""
    key = {
        "PK": ledger.partition(change.family),
        "SK": Job.key_of(change.submit_time, change.job_id),
    }
    row = ledger.table.get(key)
    return text_of(row, "JobName") if row else None
