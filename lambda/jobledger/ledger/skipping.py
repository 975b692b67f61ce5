"""Reads rows one by one: a row that no version of ours writes is skipped, so that it does not stop the others.

It is counted, and logged with its position and its key, which has times and ids only.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from jobledger import metrics
from jobledger.errors import NotUnderstood
from jobledger.observability import logger, publish_metrics

Read = TypeVar("Read")
Item = TypeVar("Item", bound=Mapping[str, Any])

# A missing attribute, one of another type, and one of another form; damaged JSON is a ValueError.
_UNREADABLE = (NotUnderstood, KeyError, TypeError, ValueError, AttributeError)


def readable(rows: Iterable[Item], read: Callable[[Item], Read]) -> Iterator[Read]:
    """Yield what `read` makes of each row, except those that it cannot read. It must call no AWS service."""
    for position, row in enumerate(rows):
        try:
            value = read(row)
        except _UNREADABLE as error:
            _report(position, row, error)
            continue
        yield value


def _report(position: int, row: Mapping[str, Any], error: Exception) -> None:
    key = {"partition_key": _plain(row.get("PK")), "sort_key": _plain(row.get("SK"))}
    logger.error("row skipped", extra={"error": type(error).__name__, "position": position, **key})
    publish_metrics({metrics.ROWS_SKIPPED: 1})


def _plain(value: Any) -> Any:
    """Return a key's text, also from DynamoDB's typed form."""
    return value.get("S") if isinstance(value, Mapping) else value
