"""A table of many rows for the bench: the tests' table in memory, with its rows in a file."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from testing.dynamodb_limits import Item
from testing.memory_dynamodb import MemoryDynamoDB, _all_hold, _range

_MEGABYTE = 1_000_000


class LargeTable(MemoryDynamoDB):
    """Answers as its base class does; a page of a Query ends at one megabyte, as DynamoDB's does."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("CREATE TABLE row (PK TEXT, SK TEXT, item BLOB, UNIQUE (PK, SK))")
        self._rows.execute("BEGIN")
        self.items = self  # type: ignore[assignment] # what the methods of the base class ask of a dict

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """Return a row, as a dict does."""
        found = self._rows.execute("SELECT item FROM row WHERE PK = ? AND SK = ?", key).fetchone()
        return msgspec.json.decode(found[0]) if found else default

    def __contains__(self, key: tuple[str, str]) -> bool:
        return self.get(key) is not None

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self.get(key)

    def insert(self, items: Iterable[Item]) -> None:
        """Insert many new rows, without a transaction and its conditions."""
        rows = ((item["PK"]["S"], item["SK"]["S"], msgspec.json.encode(item)) for item in items)
        self._rows.executemany("INSERT INTO row VALUES (?, ?, ?)", rows)

    def _put(self, item: Item) -> None:
        row = (item["PK"]["S"], item["SK"]["S"], msgspec.json.encode(item))
        self._rows.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", row)

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
        **_: Any,
    ) -> dict[str, Any]:
        if IndexName == "ById":
            return {"Count": 0, "ScannedCount": 0, "Items": []}  # each job is written once
        assert IndexName is None, "the measured reads use no index"
        partition, low, high = _range(KeyConditionExpression, ExpressionAttributeValues, "PK")
        after, before = ">=", "<="
        if ExclusiveStartKey and ScanIndexForward:
            low, after = ExclusiveStartKey["SK"]["S"], ">"
        elif ExclusiveStartKey:
            high, before = ExclusiveStartKey["SK"]["S"], "<"
        found = self._rows.execute(
            f"SELECT item FROM row WHERE PK = ? AND SK {after} ? AND SK {before} ?"
            f" ORDER BY SK {'ASC' if ScanIndexForward else 'DESC'} LIMIT ?",
            (partition, low, high, Limit or -1),
        )
        read, size = [], 0
        for (text,) in found:
            read.append(msgspec.json.decode(text))
            size += len(text)
            if size > _MEGABYTE:
                break
        kept = [i for i in read if _all_hold(FilterExpression, ExpressionAttributeValues, i)]
        answer: dict[str, Any] = {"Count": len(kept), "ScannedCount": len(read), "Items": kept}
        if size > _MEGABYTE or (Limit and len(read) == Limit):
            answer["LastEvaluatedKey"] = {name: read[-1][name] for name in ("PK", "SK")}
        return answer
