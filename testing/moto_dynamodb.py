"""moto's DynamoDB with a ledger table, in the place of `testing.memory_dynamodb`."""

import functools
from collections.abc import Callable
from typing import Any

from botocore.session import Session

from testing.dynamodb_limits import Item
from testing.memory_dynamodb import INDEXES

TABLE = "ledger"
# One for all clients of a process: each session reads the descriptions of its services anew, which takes half a second.
shared_session = functools.cache(Session)


class MotoDynamoDB:
    """A client of an empty table, for use within `moto.mock_aws`. `before` is called with each operation's name."""

    def __init__(self) -> None:
        self._client = shared_session().create_client("dynamodb")
        if TABLE in self._client.list_tables()["TableNames"]:
            self._client.delete_table(TableName=TABLE)
        create_ledger_table(self._client, TABLE)
        self._items: dict[tuple[str, str], Item] | None = None
        self.before: Callable[[str], None] = lambda operation: None

    @property
    def items(self) -> dict[tuple[str, str], Item]:
        """Every row, as `MemoryDynamoDB` has them; scanned again after a write."""
        if self._items is None:
            pages = self._client.get_paginator("scan").paginate(TableName=TABLE)
            self._items = {(i["PK"]["S"], i["SK"]["S"]): i for page in pages for i in page["Items"]}
        return self._items

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        called = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            self.before(operation)
            if operation in ("transact_write_items", "put_item"):
                self._items = None
            return called(**request)

        return call


def create_ledger_table(client: Any, name: str) -> None:
    """Make a table with the keys and the indexes of the deployed one."""
    attributes = {"PK", "SK", *(key for key, _ in INDEXES.values())}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_keys("PK", "SK"),
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in sorted(attributes)
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": _keys(*keys), "Projection": {"ProjectionType": "ALL"}}
            for index, keys in INDEXES.items()
        ],
    )


def _keys(partition: str, sort: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    return keys + ([{"AttributeName": sort, "KeyType": "RANGE"}] if sort else [])
