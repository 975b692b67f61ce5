"""A table of many rows for the bench: the tests' table in memory, with its rows in a file."""

import functools
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from testing.dynamodb_limits import Item
from testing.memory_dynamodb import INDEXES, MemoryDynamoDB, _all_hold, _projected, _range

_MEGABYTE = 1_000_000
# The partition keys of the table and of each index in the order of SK, which are columns.
_KEYS = ("PK", *(key for key, sort_key in INDEXES.values() if sort_key))
_INSERT = f"INTO row VALUES (?, ?, {', '.join('?' for _ in _KEYS)})"
_REMEMBERED = 100_000

NumberedRow = tuple[int, str, Mapping[str, str]]
"""A row's number, its sort key, and its partition keys by the names of their attributes."""


class LargeTable(MemoryDynamoDB):
    """Answers as its base class does; a page of a Query ends at one megabyte, as DynamoDB's does."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("PRAGMA journal_mode = OFF")
        # A partition key is stored as a number: it is long, and each of millions of rows has five of them.
        keys = ", ".join(f"{key} INTEGER" for key in _KEYS)
        self._rows.execute(f"CREATE TABLE row (SK TEXT, item BLOB, {keys})")
        self._create_indexes()
        self._rows.execute("BEGIN")
        self._partitions: dict[str, int] = {}
        self._read_numbered: Callable[[int], tuple[Item, int]] | None = None
        self.items = self  # type: ignore[assignment] # what the methods of the base class ask of a dict

    def _create_indexes(self) -> None:
        for key in _KEYS:
            kind = "UNIQUE INDEX" if key == "PK" else "INDEX"
            condition = f"WHERE {key} IS NOT NULL"
            self._rows.execute(f"CREATE {kind} Of{key} ON row ({key}, SK) {condition}")

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """Return a row, as a dict does."""
        partition, sort_key = key
        found = self._rows.execute(
            "SELECT item FROM row WHERE PK = ? AND SK = ?", (self._number(partition), sort_key)
        ).fetchone()
        return self._read(found[0])[0] if found else default

    def __contains__(self, key: tuple[str, str]) -> bool:
        return self.get(key) is not None

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self.get(key)

    def count(self, partition: str) -> int:
        """Return the number of rows with a partition key."""
        query = "SELECT COUNT(*) FROM row WHERE PK = ?"
        return int(self._rows.execute(query, (self._number(partition),)).fetchone()[0])

    def insert(self, items: Iterable[Item]) -> None:
        """Insert many new rows, without a transaction and its conditions."""
        self._rows.executemany(f"INSERT {_INSERT}", map(self._stored, items))

    def insert_numbered(self, rows: Iterable[NumberedRow], item_of: Callable[[int], Item]) -> None:
        """Insert millions of new rows. Only their keys are stored: `item_of` makes the row when it is read."""

        @functools.lru_cache(_REMEMBERED)
        def read(number: int) -> tuple[Item, int]:
            item = item_of(number)
            return item, len(msgspec.json.encode(item))

        self._read_numbered = read
        # To sort at the end is faster than to keep the order of each index.
        for key in _KEYS:
            self._rows.execute(f"DROP INDEX Of{key}")
        number_of = self._number
        self._rows.executemany(
            f"INSERT {_INSERT}",
            (
                (
                    sort_key,
                    number,
                    *[number_of(keys[key]) if key in keys else None for key in _KEYS],
                )
                for number, sort_key, keys in rows
            ),
        )
        self._create_indexes()

    def _put(self, item: Item) -> None:
        self._rows.execute(f"INSERT OR REPLACE {_INSERT}", self._stored(item))

    def _stored(self, item: Item) -> tuple[object, ...]:
        keys = [self._number(item[key]["S"]) if key in item else None for key in _KEYS]
        return item["SK"]["S"], msgspec.json.encode(item), *keys

    def _number(self, partition: str) -> int:
        return self._partitions.setdefault(partition, len(self._partitions))

    def _read(self, stored: bytes | int) -> tuple[Item, int]:
        """Return a row and its size in bytes."""
        if isinstance(stored, bytes):
            return msgspec.json.decode(stored), len(stored)
        assert self._read_numbered
        return self._read_numbered(stored)

    def _query(
        self,
        *,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        IndexName: str | None = None,
        FilterExpression: str | None = None,
        ExclusiveStartKey: Item | None = None,
        ScanIndexForward: bool = True,
        Limit: int | None = None,
        ProjectionExpression: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        if IndexName == "ById":
            return {"Count": 0, "ScannedCount": 0, "Items": []}  # each job is written once
        key = INDEXES[IndexName][0] if IndexName else "PK"
        partition, low, high = _range(KeyConditionExpression, ExpressionAttributeValues, key)
        after, before = ">=", "<="
        if ExclusiveStartKey and ScanIndexForward:
            low, after = ExclusiveStartKey["SK"]["S"], ">"
        elif ExclusiveStartKey:
            high, before = ExclusiveStartKey["SK"]["S"], "<"
        found = self._rows.execute(
            f"SELECT item FROM row WHERE {key} = ? AND SK {after} ? AND SK {before} ?"
            f" ORDER BY SK {'ASC' if ScanIndexForward else 'DESC'} LIMIT ?",
            (self._number(partition), low, high, Limit or -1),
        )
        read, size = [], 0
        for (stored,) in found:
            item, bytes_read = self._read(stored)
            read.append(item)
            size += bytes_read
            if size > _MEGABYTE:
                break
        kept = [i for i in read if _all_hold(FilterExpression, ExpressionAttributeValues, i)]
        answer: dict[str, Any] = {
            "Count": len(kept),
            "ScannedCount": len(read),
            "Items": [_projected(item, ProjectionExpression) for item in kept],
        }
        if size > _MEGABYTE or (Limit and len(read) == Limit):
            answer["LastEvaluatedKey"] = {name: read[-1][name] for name in ("PK", "SK", key)}
        return answer
