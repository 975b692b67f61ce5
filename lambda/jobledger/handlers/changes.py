"""The changes function: sends each change from the table's stream to EventBridge.

The result names the first record that could not be sent. Lambda retries from there, so earlier records are
not sent twice and the order is kept.
"""

import functools
from datetime import UTC, datetime
from typing import Any

from jobledger import settings
from jobledger.errors import JobLedgerError
from jobledger.events.eventbridge import EventBus
from jobledger.jobs import Job
from jobledger.ledger.rows import Change, change_from_row
from jobledger.ledger.table import Row, Table, decode, text_of
from jobledger.ledger.writing import Ledger
from jobledger.observability import logger, observed, publish_metrics

# Four attempts of seven seconds and their pauses: with less time left, no send begins.
_LONGEST_SEND_MILLISECONDS = 45_000


@functools.cache
def _parts() -> tuple[Ledger, EventBus, bool]:
    configured = settings.load()
    table = Table.connect(configured.ledger_table_name)
    with_names = settings.required("INCLUDE_JOB_DETAILS") == "true"
    return (
        Ledger(table, configured.scope, lambda: datetime.now(UTC)),
        EventBus.connect(),
        with_names,
    )


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send the batch's changes in order, up to the first that fails."""
    ledger, bus, with_names = _parts()
    rows = {
        record["dynamodb"]["SequenceNumber"]: row
        for record in event["Records"]
        if str((row := decode(record["dynamodb"]["NewImage"]))["PK"]).endswith("#changes")
    }
    sent = 0
    for row in rows.values():
        if context.get_remaining_time_in_millis() < _LONGEST_SEND_MILLISECONDS or not _sent(
            ledger, bus, row, with_names=with_names
        ):
            break
        sent += 1
    publish_metrics({"EventsSent": sent, "EventFailures": int(sent < len(rows))})
    rest = list(rows)[sent:]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in rest[:1]]}


def _sent(ledger: Ledger, bus: EventBus, row: Row, *, with_names: bool) -> bool:
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
