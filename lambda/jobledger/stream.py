"""Batches of the table's stream: the changes in them, in order, and what happens to a record that holds none.

When a change cannot be handled for now, the batch ends there, and Lambda repeats it from that record on. A record that
can never be handled goes to the queue Undelivered, and the records after it are handled. Otherwise Lambda would repeat
that record, and everything behind it, for twelve hours.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jobledger.errors import EventInvalid, JobLedgerError, LedgerUnavailable, NotUnderstood
from jobledger.ledger.rows import Change, change_from_row
from jobledger.ledger.table import decode
from jobledger.observability import logger
from jobledger.sqs import Undelivered

Remaining = Callable[[], int]
"""Returns the milliseconds that an invocation has left."""


class Handled(NamedTuple):
    """The sequence number of the record at which a batch ended, if it did, and how many records were put aside."""

    failed: str | None
    put_aside: int

    @property
    def answer(self) -> dict[str, Any]:
        """What Lambda expects of a function that reads a stream."""
        return {"batchItemFailures": [{"itemIdentifier": self.failed}] if self.failed else []}


def handle_changes(
    records: list[Any], handle: Callable[[Change], bool], undelivered: Callable[[], Undelivered]
) -> Handled:
    """Handle the batch's changes in order, up to the first for which `handle` returns False.

    A record is put aside when it has no change, or when `handle` raises NotUnderstood or EventInvalid. `undelivered`
    connects to the queue; few batches need it.
    """
    put_aside = 0
    for position, record in enumerate(records):
        try:
            number = _sequence_number(record)
            if not _is_other(record) and not handle(_read(record)):
                return Handled(number, put_aside)
        except (NotUnderstood, EventInvalid) as error:
            put_aside += 1
            _put_aside(position, record, error, undelivered)
    return Handled(None, put_aside)


def _sequence_number(record: Any) -> str:
    number = _member(record, "SequenceNumber")
    if not number or not isinstance(number, str):
        raise NotUnderstood("no sequence number")
    return number


def _is_other(record: Any) -> bool:
    """Whether the record is of a row outside the change log. The event source's filter removes such records."""
    partition = _key(record, "PK")
    return partition is not None and not partition.endswith("#changes")


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
