"""Sends a batch of stream records to EventBridge, in order.

When a send fails for now, the batch ends there, and Lambda repeats it from that record on. A record that can
never be sent goes to the queue Undelivered, and the records after it are sent. Otherwise Lambda would repeat
that record, and everything behind it, for twelve hours.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jobledger import metrics
from jobledger.errors import EventInvalid, JobLedgerError, LedgerUnavailable, NotUnderstood
from jobledger.events.eventbridge import EventBus
from jobledger.jobs import Job
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import Change, change_from_row, name_of
from jobledger.ledger.table import decode
from jobledger.observability import logger, publish_metrics, step
from jobledger.service import TERMINAL
from jobledger.sqs import Undelivered
from jobledger.times import seconds_between

Dependencies = tuple[Ledger, EventBus, bool]
# A send takes at most four attempts of seven seconds, and their pauses. It begins only when that much time is left.
_LONGEST_SEND_MILLISECONDS = 45_000


def send_changes(
    records: list[Any],
    remaining_milliseconds: Callable[[], int],
    dependencies: Dependencies,
    undelivered: Callable[[], Undelivered],
) -> dict[str, Any]:
    """Send the batch's changes in order, up to the first that fails; put aside what cannot be sent.

    `undelivered` connects to the queue; few batches need it.
    """
    sent: list[Change] = []
    put_aside = 0
    failed: str | None = None
    for position, record in enumerate(records):
        try:
            number = _sequence_number(record)
            if _is_other(record):
                continue
            if remaining_milliseconds() < _LONGEST_SEND_MILLISECONDS or not _send(
                record, sent, dependencies
            ):
                failed = number
                break
        except (NotUnderstood, EventInvalid) as error:
            put_aside += 1
            _put_aside(position, record, error, undelivered)
    values: dict[metrics.Metric, float | Sequence[float]] = {
        metrics.JOB_DURATION: _durations(sent),
        metrics.EVENTS_SENT: len(sent),
        metrics.EVENT_FAILURES: int(failed is not None),
    }
    publish_metrics(values | ({metrics.RECORDS_PUT_ASIDE: put_aside} if put_aside else {}))
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed else []}


def _sequence_number(record: Any) -> str:
    number = _member(record, "SequenceNumber")
    if not number or not isinstance(number, str):
        raise NotUnderstood("no sequence number")
    return number


def _is_other(record: Any) -> bool:
    """Whether the record is of a row outside the change log. The event source's filter removes such records."""
    partition = _key(record, "PK")
    return partition is not None and not partition.endswith("#changes")


def _send(record: Any, sent: list[Change], dependencies: Dependencies) -> bool:
    """Send one change and add it to `sent`; log the error and return False when that fails for now."""
    ledger, bus, with_names = dependencies
    change = _read(record)
    try:
        with step("PutEvent", Family=change.family.value):
            bus.put(change, ledger.scope, _name(ledger, change) if with_names else None)
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


def _read(record: Any) -> Change:
    """Return the change of a record. Raises NotUnderstood for anything but a new row of the change log."""
    if record.get("eventName") != "INSERT":
        raise NotUnderstood("not a new row")
    try:
        row = decode(_member(record, "NewImage"))
    except LedgerUnavailable as error:
        raise NotUnderstood("not a row") from error
    return change_from_row(row)


def _put_aside(
    position: int, record: Any, error: JobLedgerError, undelivered: Callable[[], Undelivered]
) -> None:
    """Send the key of the record's row to the queue, to find the row again. The log has its position in any case."""
    number = _member(record, "SequenceNumber")
    where: dict[str, Any] = {"position": position, "sequence_number": _text(number)}
    logger.error("record put aside", extra={"error": error.name, **where})
    entry = {
        "Error": error.name,
        "EventName": _text(record.get("eventName") if isinstance(record, Mapping) else None),
        "SequenceNumber": _text(number),
        "PK": _key(record, "PK"),
        "SK": _key(record, "SK"),
    }
    try:
        undelivered().put(entry)
    except Exception as failure:
        # The records after this one must not wait for the queue.
        name = failure.name if isinstance(failure, JobLedgerError) else type(failure).__name__
        logger.error("record not in the queue", extra={"error": name, **where})


def _member(record: Any, name: str) -> Any:
    """Return a member of a record's `dynamodb`; None when the record has none."""
    inner = record.get("dynamodb") if isinstance(record, Mapping) else None
    return inner.get(name) if isinstance(inner, Mapping) else None


def _key(record: Any, name: str) -> str | None:
    """Return a key attribute of a record's row, if it is text."""
    for image in ("Keys", "NewImage"):
        row = _member(record, image)
        value = row.get(name) if isinstance(row, Mapping) else None
        if isinstance(value, Mapping) and isinstance(value.get("S"), str):
            return str(value["S"])
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


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
    return name_of(row) if row else None
