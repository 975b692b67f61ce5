"""moto's DynamoDB with a ledger table, in the place of `tests.memory_dynamodb`."""

import os
from collections.abc import Callable
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

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
        """Every row, as `MemoryDynamoDB` has them; read again after a write, and past the API, as a scan is slow."""
        if self._items is None:
            backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][os.environ["AWS_REGION"]]
            rows = [row.to_json()["Attributes"] for row in backend.get_table(TABLE).all_items()]
            self._items = {(row["PK"]["S"], row["SK"]["S"]): row for row in rows}
        return self._items

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        called = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            self.before(operation)
            if operation == "transact_write_items":
                self._items = None
            return called(**request)

        return call
