"""The only caller of DynamoDB. Rows are flat: text, integers and booleans by name.

Every DynamoDB error becomes LedgerUnavailable, except a failed condition: that is a result, not an error.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from botocore.config import Config

from jobledger.clients import InvalidResponse, keep_endpoints, session
from jobledger.errors import LedgerUnavailable
from jobledger.ledger.dynamodb_errors import Busy, ConditionFailed, Throttled, ledger_errors

Value = str | int | float | bool
Row = dict[str, Value]
Key = Mapping[str, str]

TRANSACTION_LIMIT = 100
"""Actions in one TransactWriteItems call (API reference)."""
_BATCH_GET_LIMIT = 100

# Four attempts of at most 4 seconds: far below `times.SETTLING`.
CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Otherwise botocore assembles this text from twenty parts for each call: a fifth of a small page.
    user_agent="job-ledger",
    # DynamoDB validates each request anyway.
    parameter_validation=False,
    # A sync of several sources has as many threads.
    max_pool_connections=25,
)
# Rounds after a conflict; four still end well before SETTLING. A writer that is alone on a partition key waits a second
# at most for a throttle to end, and the rounds of a throttled write take 30 seconds at most.
_ROUNDS = 4
_THROTTLED_ROUNDS = 40
WRITE_ATTEMPTS = 6
"""How many times a writer reads and writes again when other writers are faster."""


class Put(msgspec.Struct, frozen=True):
    """A row to write, and the condition that must hold, as a DynamoDB expression; empty for none."""

    row: Row
    condition: str = ""
    values: Row = msgspec.field(default_factory=dict)


class Check(msgspec.Struct, frozen=True):
    """A row that a transaction does not write, and the condition that must hold for it."""

    key: Key
    condition: str
    values: Row = msgspec.field(default_factory=dict)


class Delete(msgspec.Struct, frozen=True):
    """A row to remove, if it exists, and the condition that must hold."""

    key: Key
    condition: str
    values: Row = msgspec.field(default_factory=dict)


class Increment(msgspec.Struct, frozen=True):
    """Numbers to add to the attributes of a row, which is created when it does not exist."""

    key: Key
    amounts: Mapping[str, int]


Action = Put | Check | Delete | Increment


class Table:
    """A DynamoDB table with the keys `PK` and `SK`."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    @classmethod
    def connect(cls, name: str) -> "Table":
        """Return the table with its own client, bounded retries and timeouts."""
        return cls(keep_endpoints(session().create_client("dynamodb", config=CONFIG)), name)

    @contextmanager
    def single_attempts(self) -> Iterator[None]:
        """Make every call in this block without retries. Not for use by several threads."""
        events = self._client.meta.events
        events.register("before-send.dynamodb", _refuse_retry, "single-attempts")
        try:
            yield
        finally:
            events.unregister("before-send.dynamodb", unique_id="single-attempts")

    def get(self, key: Key) -> Row | None:
        """Read one row consistently; None when there is none."""
        with ledger_errors():
            answer = self._client.get_item(
                TableName=self.name, Key=encode(key), ConsistentRead=True
            )
        return decode(answer["Item"]) if "Item" in answer else None

    def batch_get(self, keys: Sequence[Key]) -> Iterator[Row]:
        """Read rows by key, consistently and in no order. Missing rows are omitted."""
        return map(decode, self.batch_get_items(keys))

    def batch_get_items(self, keys: Sequence[Key]) -> Iterator[dict[str, Any]]:
        """Read rows as `batch_get` does, in DynamoDB's typed form."""
        for start in range(0, len(keys), _BATCH_GET_LIMIT):
            wanted = [encode(key) for key in keys[start : start + _BATCH_GET_LIMIT]]
            for round_number in range(_ROUNDS):
                pause(round_number)
                with ledger_errors():
                    answer = self._client.batch_get_item(
                        RequestItems={self.name: {"Keys": wanted, "ConsistentRead": True}}
                    )
                yield from _rows(answer["Responses"].get(self.name, []))
                rest = answer.get("UnprocessedKeys", {}).get(self.name, {"Keys": []})
                wanted = _rows(rest.get("Keys") if isinstance(rest, dict) else None)
                if not wanted:
                    break
            else:
                raise LedgerUnavailable("BatchGetItem left keys unprocessed")

    def query(self, **parameters: Any) -> dict[str, Any]:
        """Run one Query and return DynamoDB's response unchanged, for paths where speed matters."""
        with ledger_errors():
            answer: dict[str, Any] = self._client.query(TableName=self.name, **parameters)
        _rows(answer["Items"])
        return answer

    def query_all(self, **parameters: Any) -> Iterator[Row]:
        """Yield every row of a Query, over all pages."""
        return map(decode, self.query_items(**parameters))

    def query_items(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield every row of a Query in DynamoDB's typed form, over all pages."""
        while True:
            answer = self.query(**parameters)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put(self, put: Put) -> bool:
        """Write one row; False when its condition does not hold."""
        return self.transact([put])

    def put_next(self, row: Row, read: int) -> bool:
        """Write the next version of a row; False when another writer was faster.

        `read` is the Version that was read, or 0 for a row that did not exist.
        """
        return self.put(_next(row, read))

    def put_next_alone(self, row: Row, read: int) -> bool:
        """Write the next version of a row as `put_next` does, with `put_alone`."""
        return self.put_alone(_next(row, read))

    def put_alone(self, put: Put) -> bool:
        """Write one row outside a transaction, for half the price; False when its condition does not hold.

        If the answer to the first attempt is lost, botocore's second attempt meets its own row: the result is False.
        """
        item = self._parameters(put, {"Item": encode(put.row)})
        return self._write(lambda: self._client.put_item(**item))

    def transact(self, actions: Iterable[Action]) -> bool:
        """Write, remove or check up to 100 different rows in one transaction; False when a condition does not hold.

        botocore sends a token with each call, so that its own retries add no increment twice.
        """
        items = [self._action(action) for action in actions]
        return self._write(lambda: self._client.transact_write_items(TransactItems=items))

    def _write(self, call: Callable[[], Any]) -> bool:
        busy = throttled = 0
        while True:
            pause(busy or min(throttled, 2))
            try:
                with ledger_errors():
                    call()
            except ConditionFailed:
                return False
            except Busy:
                busy += 1
                if busy == _ROUNDS:
                    return False
            except Throttled as error:
                throttled += 1
                if throttled == _THROTTLED_ROUNDS:
                    raise LedgerUnavailable("ThrottlingError") from error
            else:
                return True

    def _action(self, action: Action) -> dict[str, Any]:
        if isinstance(action, Put):
            return {"Put": self._parameters(action, {"Item": encode(action.row)})}
        if isinstance(action, Check):
            return {"ConditionCheck": self._parameters(action, {"Key": encode(action.key)})}
        if isinstance(action, Delete):
            return {"Delete": self._parameters(action, {"Key": encode(action.key)})}
        return {"Update": self._update(action)}

    def _parameters(self, action: Put | Check | Delete, row: dict[str, Any]) -> dict[str, Any]:
        parameters = {"TableName": self.name, **row}
        if action.condition:
            parameters["ConditionExpression"] = action.condition
        if action.values:
            parameters["ExpressionAttributeValues"] = encode(action.values)
        return parameters

    def _update(self, increment: Increment) -> dict[str, Any]:
        """Return an Update that adds to each attribute. Its expression may have 4 KB: some 300 names."""
        names = {f"#n{n}": name for n, name in enumerate(increment.amounts)}
        values = {amount: f":v{n}" for n, amount in enumerate(set(increment.amounts.values()))}
        added = (f"{at} {values[increment.amounts[name]]}" for at, name in names.items())
        return {
            "TableName": self.name,
            "Key": encode(increment.key),
            "UpdateExpression": f"ADD {', '.join(added)}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": encode({at: n for n, at in values.items()}),
        }


def _next(row: Row, read: int) -> Put:
    return Put(row, "attribute_not_exists(PK) OR Version = :read", {":read": read})


def put_over(read: Row | None, row: Row) -> Put:
    """Return the write of a row's next version, as `put_next` does. One with a damaged version is replaced."""
    version = version_of(read)
    following: Row = row | {"Version": version + 1}
    return Put(following) if read and not version else _next(following, version)


def pause(round_number: int) -> None:
    """Sleep before the next round: a random time of up to 0.2, 0.8, then 3.2 seconds each."""
    if round_number:
        time.sleep(random.random() * 0.05 * 4 ** min(round_number, 3))


def _refuse_retry(request: Any, **_: Any) -> None:
    if b"attempt=1" not in request.headers.get("amz-sdk-request", b""):
        raise LedgerUnavailable("retries are turned off")


def _rows(items: Any) -> list[dict[str, Any]]:
    """Return rows or keys in DynamoDB's typed form. Raises LedgerUnavailable for anything else."""
    if isinstance(items, list) and all(isinstance(item, dict) for item in items):
        return items
    raise LedgerUnavailable(InvalidResponse.__name__)


def text_of(row: Row, name: str) -> str | None:
    """Return a text attribute of the row; None when it is absent."""
    return str(row[name]) if name in row else None


def version_of(row: Row | None) -> int:
    """Return the version of a row; 0 when there is none, or when it is damaged: then no write replaces it."""
    version = row.get("Version") if row else 0
    return version if isinstance(version, int) else 0


def encode(row: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """Return the row in DynamoDB's typed form."""
    # Most values are text, and a page of new jobs has ten thousand of them.
    return {
        name: {"S": value} if isinstance(value, str) else _encode_number(value)
        for name, value in row.items()
    }


def _encode_number(value: float) -> dict[str, Any]:
    return {"BOOL": value} if isinstance(value, bool) else {"N": str(value)}


def decode(item: Mapping[str, Mapping[str, Any]]) -> Row:
    """Return the row for an item in DynamoDB's typed form. Raises LedgerUnavailable for anything else."""
    try:
        return {
            name: value["S"] if "S" in value else _decode_value(value)
            for name, value in item.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise LedgerUnavailable(InvalidResponse.__name__) from error


def _decode_value(value: Mapping[str, Any]) -> Value:
    """Return a value as it is written. One that no version of ours writes is returned as it is."""
    ((kind, plain),) = value.items()
    try:
        return int(plain) if kind == "N" else plain
    except ValueError:
        return float(plain)
