"""The metered table with the limits that DynamoDB enforces for one partition key.

Rules: DynamoDB Developer Guide, "Designing partition keys": 1,000 write and 3,000 read units a second for one
partition key, of the table and of each index. What a second leaves is kept for one second, as a table may not rely
on more. A transaction beyond that is cancelled with ThrottlingError and writes nothing.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from testing.dynamodb_limits import Item, size_of
from testing.memory_dynamodb import INDEXES, cancelled, error
from testing.metered_dynamodb import Metered, units_of

WRITES_A_SECOND = 1_000
READS_A_SECOND = 3_000


class Allowance:
    """The units that are left for each partition key; more of them come with time."""

    def __init__(self, units: float, clock: Callable[[], float]) -> None:
        self._most = units
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = defaultdict(lambda: (units, clock()))

    def take(self, wanted: dict[str, float]) -> bool:
        """Take units of all of these keys, or of none."""
        now = self._clock()
        left = {key: self._at(key, now) - units for key, units in wanted.items()}
        if min(left.values(), default=0) < 0:
            return False
        self._left.update({key: (units, now) for key, units in left.items()})
        return True

    def _at(self, key: str, now: float) -> float:
        units, at = self._left[key]
        return min(units + (now - at) * self._most, self._most)


class Limited(Metered):
    """A metered table that throttles; `throttled` counts the requests that it refused."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.throttled = 0
        self._writes = Allowance(WRITES_A_SECOND, clock)
        self._reads = Allowance(READS_A_SECOND, clock)

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        """Write all rows, or none when a partition key has no units left."""
        wanted: dict[str, float] = defaultdict(float)
        for action in request["TransactItems"]:
            for kind, parameters in action.items():
                for key, units in self._units_of(kind, parameters).items():
                    wanted[key] += units
        if not self._writes.take(wanted):
            self.throttled += 1
            raise cancelled("ThrottlingError")
        return super().transact_write_items(**request)

    def query(self, **request: Any) -> dict[str, Any]:
        """Answer, when the partition key has units left."""
        before = self.reads
        answer = super().query(**request)
        values = request["ExpressionAttributeValues"]
        partition = values[request["KeyConditionExpression"].split(" ")[2]]["S"]
        if not self._reads.take({f"{request.get('IndexName')} {partition}": self.reads - before}):
            self.throttled += 1
            raise error("ProvisionedThroughputExceededException")
        return answer

    def _units_of(self, kind: str, request: dict[str, Any]) -> dict[str, float]:
        """Return the units that an action takes of each partition key."""
        item: Item = request.get("Item") or request["Key"]
        old = self.items.get((item["PK"]["S"], item["SK"]["S"])) or {}
        units = units_of(max(size_of(item), size_of(old)), 1024)
        keys: dict[str, float] = {f"table {item['PK']['S']}": 2 * units}
        if kind == "Put":
            for attribute, _ in INDEXES.values():
                for value in {row[attribute]["S"] for row in (item, old) if attribute in row}:
                    keys[f"{attribute} {value}"] = units
        return keys
