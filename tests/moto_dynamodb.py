"""moto's DynamoDB with a ledger table, in the place of `tests.memory_dynamodb`."""

from collections.abc import Callable
from typing import Any

from tests.dynamodb_limits import Item
from tests.functional.conftest import create_ledger_table, shared_session

TABLE = "ledger"


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
