"""The changes function: sends each new row of the change log, from the table's stream, to EventBridge.

The stream's answer names the first row that could not be sent; Lambda delivers from there again, so
what came before is not sent twice and order is kept.
"""

import functools
from datetime import UTC, datetime
from typing import Any

from jobledger import settings
from jobledger.errors import JobLedgerError
from jobledger.events import EventBus
from jobledger.jobs import Job
from jobledger.ledger import Ledger
from jobledger.observability import logger, observed, publish_metrics
from jobledger.rows import Change, change_from_row
from jobledger.table import Table, decode, text_of


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
    """Send the batch's rows in order, up to the first that cannot be sent."""
    ledger, bus, with_names = _parts()
    sent = 0
    for record in event["Records"]:
        row = decode(record["dynamodb"]["NewImage"])
        if not str(row["PK"]).endswith("#changes"):
            continue
        change = change_from_row(row)
        try:
            bus.put(change, ledger.scope, _name(ledger, change) if with_names else None)
        except JobLedgerError as error:
            logger.error("event not sent", extra={"error": error.name, "job_id": change.job_id})
            publish_metrics({"EventsSent": sent, "EventFailures": 1})
            failed = {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
            return {"batchItemFailures": [failed]}
        sent += 1
    publish_metrics({"EventsSent": sent, "EventFailures": 0})
    return {"batchItemFailures": []}


def _name(ledger: Ledger, change: Change) -> str | None:
    """Return the job's name, which the change log does not hold."""
    key = {
        "PK": ledger.partition(change.family),
        "SK": Job.key_of(change.submit_time, change.job_id),
    }
    row = ledger.table.get(key)
    return text_of(row, "JobName") if row else None
