"""Three implementations of DynamoDB, each with one empty table that has the deployed keys and indexes."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from testing.memory_dynamodb import MemoryDynamoDB
from testing.moto_dynamodb import create_ledger_table, shared_session
from tests.functional.conftest import Aws

# Where an implementation does not do what AWS documents; the contract's tests state what AWS documents.
# A difference that goes away fails its test, so that this list stays true.
DIFFERENCES = {
    "test_a_transaction_has_at_most_4_mb[moto-11-False]": "moto has no limit for a transaction; the quotas page has 4 MB",
    "test_a_row_has_at_most_400_kb_with_the_names_of_its_attributes[moto-0-True]": "moto counts more than the item sizes "
    "page does: it refuses a row of exactly 400 KB",
}


class Dynamo:
    """A client, and shorthands for the requests of the contract. Rows are flat text and integers."""

    def __init__(self, client: Any, table: str) -> None:
        self.client = client
        self.table = table

    def write(self, *actions: dict[str, Any]) -> None:
        """Run one transaction; each action is its kind and its parameters."""
        self.client.transact_write_items(
            TransactItems=[
                {kind: {"TableName": self.table, **parameters}}
                for action in actions
                for kind, parameters in action.items()
            ]
        )

    def get(self, pk: str, sk: str) -> dict[str, Any]:
        """Return the row in typed form; empty when there is none."""
        key = {"PK": {"S": pk}, "SK": {"S": sk}}
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return answer.get("Item", {})

    def batch_get(self, keys: list[tuple[str, str]]) -> list[dict[str, Any]]:
        request = {"Keys": [{"PK": {"S": pk}, "SK": {"S": sk}} for pk, sk in keys]}
        answer = self.client.batch_get_item(RequestItems={self.table: request})
        return answer["Responses"][self.table]

    def query(self, condition: str, **parameters: Any) -> dict[str, Any]:
        values = parameters.pop("values")
        return self.client.query(
            TableName=self.table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={name: {"S": text} for name, text in values.items()},
            **parameters,
        )


@pytest.fixture(params=["memory", "moto", "ministack"])
def dynamo(request: pytest.FixtureRequest) -> Iterator[Dynamo]:
    """The implementation under test; a known difference from AWS's documentation must show."""
    name = request.param
    if reason := DIFFERENCES.get(request.node.name):
        request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    if name == "memory":
        yield Dynamo(MemoryDynamoDB(), "ledger")
    elif name == "moto":
        with mock_aws():
            client = shared_session().create_client("dynamodb")
            yield Dynamo(_with_table(client, "ledger"), "ledger")
    else:
        aws: Aws = request.getfixturevalue("aws")
        table = f"ledger-{uuid.uuid4().hex}"
        yield Dynamo(_with_table(aws.client("dynamodb"), table), table)


def _with_table(client: Any, name: str) -> Any:
    create_ledger_table(client, name)
    return client
