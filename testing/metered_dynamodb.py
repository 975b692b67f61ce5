"""The tests' table in memory, with the request units that DynamoDB would bill.

Rules: DynamoDB Developer Guide, "On-demand capacity mode" (a read unit is 4 KB read consistently, half a unit
otherwise; a write unit is 1 KB), "Transactions" (a write in a transaction counts twice) and "Global
secondary indexes" (a changed key is a delete and a put in that index, any other change one put).
"""

from math import ceil
from typing import Any

from testing.dynamodb_limits import Item, size_of
from testing.memory_dynamodb import INDEXES, MemoryDynamoDB


class Metered(MemoryDynamoDB):
    """Counts `reads` and `writes` in request units, and the `stored` bytes of table and indexes."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0.0
        self.writes = 0.0
        self.stored = 0
        self._times = 2  # in a transaction

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Count a consistent read of one row."""
        answer = super().get_item(**request)
        self.reads += units_of(size_of(answer.get("Item", {})), 4096)
        return answer

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Count a consistent read of each row; a row that does not exist counts as well."""
        answer = super().batch_get_item(**request)
        ((name, asked),) = request["RequestItems"].items()
        found = answer["Responses"][name]
        self.reads += sum(units_of(size_of(item), 4096) for item in found)
        self.reads += len(asked["Keys"]) - len(found)
        return answer

    def query(self, **request: Any) -> dict[str, Any]:
        """Count the bytes that were read together, before any filter and projection."""
        cut = {"FilterExpression", "ProjectionExpression"} & request.keys()
        answer = super().query(**request)
        whole = {name: value for name, value in request.items() if name not in cut}
        read = super().query(**whole) if cut else answer
        size = sum(map(size_of, read.get("Items", [])))
        self.reads += units_of(size, 4096) * (1 if request.get("ConsistentRead") else 0.5)
        return answer

    def put_item(self, **put: Any) -> dict[str, Any]:
        """Count a write outside a transaction."""
        self._times = 1
        try:
            return super().put_item(**put)
        finally:
            self._times = 2

    def _put(self, item: Item) -> None:
        key = (item["PK"]["S"], item["SK"]["S"])
        old: Item = dict(self.items.get(key) or {})
        super()._put(item)
        size = max(size_of(item), size_of(old))
        self.writes += self._times * units_of(size, 1024)
        self.stored += size_of(item) - size_of(old)
        for attribute, _ in INDEXES.values():
            before, after = old.get(attribute), item.get(attribute)
            entries = (before is not None) + (after is not None) if before != after else 1
            if before or after:
                self.writes += entries * units_of(size, 1024)
            self.stored += bool(after) * size_of(item) - bool(before) * size_of(old)

    def _remove(self, key: tuple[str, str]) -> None:
        old = dict(self.items[key])
        super()._remove(key)
        entries = sum(attribute in old for attribute, _ in INDEXES.values())
        self.writes += (2 + entries) * units_of(size_of(old), 1024)
        self.stored -= (1 + entries) * size_of(old)


def units_of(size: int, unit: int) -> int:
    return max(1, ceil(size / unit))
