"""DynamoDB's limits on keys, rows and transactions, for the tests' own implementation.

Source: the developer guide's "Quotas" and "Item sizes and formats" pages. A number of n digits has about
n/2 + 1 bytes.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, dict[str, Any]]

PAGE_BYTES = 1_048_576
_KEY_BYTES = {"PK": 2048, "SK": 1024}
_ROW_BYTES = 400 * 1024
_TRANSACTION_BYTES = 4 * 1024 * 1024
_ROWS = 100


def refused(message: str, code: str = "ValidationException") -> ClientError:
    """Return what botocore raises for a request that DynamoDB does not accept."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(response, "Operation")


def size_of(item: Item) -> int:
    """Return the bytes of a row with the names of its attributes. Raises for text that is not Unicode."""
    try:
        return sum(len(name.encode()) + _size(value) for name, value in item.items())
    except UnicodeEncodeError as error:
        raise refused("text is not UTF-8", "SerializationException") from error


def _size(value: Mapping[str, Any]) -> int:
    ((kind, plain),) = value.items()
    if kind == "S":
        return len(plain.encode())
    return len(str(plain)) // 2 + 1 if kind == "N" else 1


def check_rows(rows: Sequence[Item], index_keys: Collection[str]) -> None:
    """Raise for rows that one transaction may not write."""
    sizes = [_checked(row, index_keys) for row in rows]
    if sum(sizes) > _TRANSACTION_BYTES:
        raise refused("a transaction has more than 4 MB")


def _checked(row: Item, index_keys: Collection[str]) -> int:
    size = size_of(row)
    for name, most in _KEY_BYTES.items():
        if not 1 <= len(row[name]["S"].encode()) <= most:
            raise refused(f"{name} has no text or more than {most} bytes")
    if any(name in row and not row[name]["S"] for name in index_keys):
        raise refused("the key of an index is empty")
    if size > _ROW_BYTES:
        raise refused("a row has more than 400 KB")
    return size


def check_keys(keys: Sequence[tuple[str, str]]) -> None:
    """Raise for more than 100 rows in one request, or a row that is named twice."""
    if len(keys) > _ROWS:
        raise refused("a request names more than 100 rows")
    if len(set(keys)) < len(keys):
        raise refused("a request names a row twice")
