"""A DynamoDB client in memory, of just what `jobledger.ledger.table` asks of one.

`tests/functional/ledger/test_dynamodb_contract.py` holds it to what AWS documents, beside moto and MiniStack.
It counts requests and rows read, refuses parameters that it does not know, and takes the place of a botocore
client.
"""

import bisect
import operator
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from testing.dynamodb_limits import PAGE_BYTES, Item, check_keys, check_rows, refused, size_of

INDEXES = {
    "ByStatus": ("StatusKey", "SK"),
    "ByName": ("NameKey", "SK"),
    "ByNameAndStatus": ("NameStatusKey", "SK"),
    "ById": ("IdKey", None),
    "BySource": ("SourceKey", "SK"),
}
_INDEX_KEYS = [key for key, _ in INDEXES.values()]
# A ledger of 350,000 jobs takes a fifth of this: what calls more often does not end.
_MOST_CALLS = 100_000
_TERM = re.compile(
    r"(?P<between>(?P<ba>\w+) BETWEEN (?P<low>:\w+) AND (?P<high>:\w+))"
    r"|(?P<function>attribute_not_exists|attribute_exists|begins_with)\((?P<fa>\w+)(?:, (?P<fv>:\w+))?\)"
    r"|(?P<in>(?P<ia>\w+) IN \((?P<iv>:\w+(?:, ?:\w+)*)\))"
    r"|(?P<a>\w+) (?P<op><=|>=|=|<|>) (?P<v>:\w+)"
)
_OF_ACTIONS = {
    *("TableName", "Item", "Key", "UpdateExpression", "ConditionExpression"),
    *("ExpressionAttributeNames", "ExpressionAttributeValues"),
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class MemoryDynamoDB:
    """One table's rows; `before` is called with each operation's name, and may raise.

    `largest_answer` rows end a page early, as a megabyte does.
    """

    def __init__(self, largest_answer: int = 1_000_000) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.calls: Counter[str] = Counter()
        self.rows_read = 0
        self.before: Callable[[str], None] = lambda operation: None
        self.after: Callable[[str], None] = lambda operation: None
        self._largest_answer = largest_answer
        # (index, partition) -> sorted (sort key, PK, SK)
        self._order: dict[tuple[str | None, str], list[tuple[str, str, str]]] = defaultdict(list)
        self._lock = threading.RLock()

    def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:
        with self._call("get_item"):
            item = self.items.get(_key(Key))
            return {"Item": dict(item)} if item else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        ((name, request),) = RequestItems.items()
        assert request.keys() <= {"Keys", "ConsistentRead"}
        check_keys([_key(key) for key in request["Keys"]])
        with self._call("batch_get_item"):
            found = [self.items[_key(key)] for key in request["Keys"] if _key(key) in self.items]
            return {"Responses": {name: [dict(item) for item in found]}}

    def put_item(self, **put: Any) -> dict[str, Any]:
        """Write one row, as `calls`, `before` and `after` have it: a write is a write."""
        assert put.keys() <= _OF_ACTIONS
        with self._call("transact_write_items"):
            if not self._holds(put):
                raise error("ConditionalCheckFailedException")
            check_rows([put["Item"]], _INDEX_KEYS)
            self._put(put["Item"])
            return {}

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:
        actions = [(kind, action) for each in TransactItems for kind, action in each.items()]
        assert {kind for kind, _ in actions} <= {"Put", "Update", "Delete", "ConditionCheck"}
        assert {name for _, action in actions for name in action} <= _OF_ACTIONS
        check_keys([_key(action.get("Item") or action["Key"]) for _, action in actions])
        with self._call("transact_write_items"):
            holds = [self._holds(action) for _, action in actions]
            if not all(holds):
                raise cancelled(*("None" if held else "ConditionalCheckFailed" for held in holds))
            rows = [self._written(kind, action) for kind, action in actions]
            written = [row for row in rows if row is not None]
            check_rows(written, _INDEX_KEYS)
            for row in written:
                self._put(row)
            for kind, action in actions:
                if kind == "Delete" and _key(action["Key"]) in self.items:
                    self._remove(_key(action["Key"]))
            return {}

    def _written(self, kind: str, action: Mapping[str, Any]) -> Item | None:
        """The row after an action; None for one that writes nothing."""
        if kind == "Update":
            return _added(self.items.get(_key(action["Key"])), **action)
        return action["Item"] if kind == "Put" else None

    def query(self, **request: Any) -> dict[str, Any]:
        with self._call("query"):
            return self._query(**request)

    def _query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        IndexName: str | None = None,
        FilterExpression: str | None = None,
        ExclusiveStartKey: Item | None = None,
        ScanIndexForward: bool = True,
        Limit: int | None = None,
        Select: str | None = None,
        ConsistentRead: bool = False,
        ProjectionExpression: str = "",
    ) -> dict[str, Any]:
        if IndexName and ConsistentRead:
            raise refused("an index cannot be read consistently")
        attribute = INDEXES[IndexName][0] if IndexName else "PK"
        partition, low, high = _range(KeyConditionExpression, ExpressionAttributeValues, attribute)
        entries = self._order[IndexName, partition]
        first = bisect.bisect_left(entries, (low,))
        last = bisect.bisect_right(entries, (high, "\U0010ffff"))
        if ExclusiveStartKey:
            start = (_text(ExclusiveStartKey["SK"]), *_key(ExclusiveStartKey))
            assert low <= start[0] <= high, "the start key is outside the query"
            if ScanIndexForward:
                first = max(first, bisect.bisect_right(entries, start))
            else:
                last = min(last, bisect.bisect_left(entries, start))
        stretch = entries[first:last] if ScanIndexForward else entries[first:last][::-1]
        most = min(Limit or self._largest_answer, self._largest_answer)
        read = list(_megabyte(self.items[pk, sk] for _, pk, sk in stretch[:most]))
        self.rows_read += len(read)
        kept = [i for i in read if _all_hold(FilterExpression, ExpressionAttributeValues, i)]
        answer: dict[str, Any] = {"Count": len(kept), "ScannedCount": len(read)}
        if Select != "COUNT":
            answer["Items"] = [_projected(item, ProjectionExpression) for item in kept]
        if len(stretch) > len(read) or (Limit and len(read) == most):
            names = {"PK", "SK", attribute}
            answer["LastEvaluatedKey"] = {name: read[-1][name] for name in names}
        return answer

    def _put(self, item: Item) -> None:
        self._order_row(self.items.get(_key(item)), _take)
        self._order_row(item, bisect.insort)
        self.items[_key(item)] = dict(item)

    def _remove(self, key: tuple[str, str]) -> None:
        self._order_row(self.items.pop(key), _take)

    def _order_row(self, row: Item | None, change: Callable[..., None]) -> None:
        attributes: dict[str | None, str] = {name: key for name, (key, _) in INDEXES.items()}
        attributes[None] = "PK"
        for index, attribute in attributes.items():
            if row and attribute in row:
                entry = (_text(row["SK"]), *_key(row))
                change(self._order[index, _text(row[attribute])], entry)

    def _holds(self, action: Mapping[str, Any]) -> bool:
        item = self.items.get(_key(action.get("Item") or action["Key"]), {})
        values = action.get("ExpressionAttributeValues", {})
        return _all_hold(action.get("ConditionExpression"), values, item)

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        self.before(operation)
        with self._lock:
            self.calls[operation] += 1
            assert self.calls[operation] <= _MOST_CALLS, f"{operation} is called without an end"
            yield
        self.after(operation)


class RecordingDynamoDB(MemoryDynamoDB):
    """Keeps what each read and query asks for."""

    def __init__(self, largest_answer: int = 1_000_000) -> None:
        super().__init__(largest_answer)
        self.reads: list[Mapping[str, Any]] = []
        self.queries: list[Mapping[str, Any]] = []

    def get_item(self, **request: Any) -> dict[str, Any]:
        self.reads.append(request)
        return super().get_item(**request)

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        self.reads.append(*request["RequestItems"].values())
        return super().batch_get_item(**request)

    def query(self, **request: Any) -> dict[str, Any]:
        self.queries.append(request)
        return super().query(**request)

    def forget(self) -> None:
        """Begin to count anew."""
        self.reads, self.queries, self.rows_read = [], [], 0
        self.calls.clear()


def error(code: str, status: int = 400) -> ClientError:
    """What botocore raises for an error of DynamoDB."""
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


def cancelled(*reasons: str) -> ClientError:
    """What botocore raises for a transaction that was cancelled, with a reason for each action."""
    whole = error("TransactionCanceledException")
    listed: Any = [{"Code": reason} for reason in reasons]
    whole.response["CancellationReasons"] = listed
    return whole


def _added(
    item: Item | None,
    *,
    Key: Item,
    UpdateExpression: str,
    ExpressionAttributeNames: Mapping[str, str],
    ExpressionAttributeValues: Item,
    TableName: str,
) -> Item:
    """The item after an Update that adds to numbers, with the limits and rules of DynamoDB."""
    assert len(UpdateExpression) <= 4096
    verb, added = UpdateExpression.split(" ", 1)
    assert verb == "ADD"
    pairs = [pair.split(" ") for pair in added.split(", ")]
    assert len({name for name, _ in pairs}) == len(pairs)
    assert {name for name, _ in pairs} == ExpressionAttributeNames.keys()
    assert {at for _, at in pairs} == ExpressionAttributeValues.keys()
    assert all(re.fullmatch(r"[#:]\w+", text) for pair in pairs for text in pair)
    new = dict(item or Key)
    for name, added_value in pairs:
        attribute = ExpressionAttributeNames[name]
        before = _plain(new.get(attribute, {"N": "0"}))
        new[attribute] = {"N": str(before + _plain(ExpressionAttributeValues[added_value]))}
    return new


def _megabyte(rows: Iterable[Item]) -> Iterator[Item]:
    """The rows of one page, which ends with the row that reaches a megabyte."""
    size = 0
    for row in rows:
        yield row
        size += size_of(row)
        if size >= PAGE_BYTES:
            return


def _projected(item: Item, expression: str) -> Item:
    names = set(expression.split(", ")) if expression else item.keys()
    return {name: value for name, value in item.items() if name in names}


def _range(expression: str, values: Item, attribute: str) -> tuple[str, str, str]:
    partition, low, high = "", "", "\U0010ffff"
    for term in _terms(expression):
        if term["between"]:
            low, high = _text(values[term["low"]]), _text(values[term["high"]])
            if low > high:
                raise refused("BETWEEN requires an upper bound that is not below the lower bound")
        elif term["function"] == "begins_with":
            low = _text(values[term["fv"]])
            high = low + "\U0010ffff"
        elif (term["a"], term["op"]) == ("SK", ">="):
            low = _text(values[term["v"]])
        elif (term["a"], term["op"]) == ("SK", "<="):
            high = _text(values[term["v"]])
        else:
            assert (term["a"], term["op"]) == (attribute, "=")
            partition = _text(values[term["v"]])
    return partition, low, high


def _all_hold(expression: str | None, values: Item, item: Item) -> bool:
    alternatives = (expression or "").split(" OR ")
    return any(all(_holds(term, values, item) for term in _terms(one)) for one in alternatives)


def _holds(term: re.Match[str], values: Item, item: Item) -> bool:
    if term["function"] == "attribute_not_exists":
        return term["fa"] not in item
    if term["function"] == "attribute_exists":
        return term["fa"] in item
    if term["function"] == "begins_with":
        return term["fa"] in item and _text(item[term["fa"]]).startswith(_text(values[term["fv"]]))
    if term["between"]:
        return _text(values[term["low"]]) <= _text(item[term["ba"]]) <= _text(values[term["high"]])
    if term["in"]:
        allowed = [values[name.strip()] for name in term["iv"].split(",")]
        assert len(allowed) <= 100
        return item.get(term["ia"]) in allowed
    if term["a"] not in item:
        return False
    return _COMPARE[term["op"]](_plain(item[term["a"]]), _plain(values[term["v"]]))


def _terms(expression: str) -> Iterator[re.Match[str]]:
    rest = _TERM.sub("", expression).replace("AND", "").replace("(", "").replace(")", "").strip()
    assert not rest, f"not understood: {expression}"
    return _TERM.finditer(expression)


def _take(entries: list[Any], entry: Any) -> None:
    """Remove an entry of an ordered list."""
    del entries[bisect.bisect_left(entries, entry)]


def _key(item: Item) -> tuple[str, str]:
    return _text(item["PK"]), _text(item["SK"])


def _text(value: Mapping[str, Any]) -> str:
    text = value["S"]
    assert isinstance(text, str)
    return text


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, plain),) = value.items()
    return int(plain) if kind == "N" else plain
