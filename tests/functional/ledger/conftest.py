"""Three implementations of DynamoDB, each with one empty table that has the deployed keys and indexes."""

import uuid

import pytest
from moto import mock_aws

from testing.memory_dynamodb import MemoryDynamoDB
from testing.moto_dynamodb import create_ledger_table, shared_session

# Where an implementation does not do what AWS documents; the contract's tests state what AWS documents.
# A difference that goes away fails its test, so that this list stays true.
DIFFERENCES = {
    "test_a_request_has_at_most_what_the_quotas_allow[moto-beyond-4 MB]": "moto has no limit for a transaction; the quotas page has 4 MB",
    "test_a_request_has_at_most_what_the_quotas_allow[moto-at-400 KB a row]": "moto counts more than the item sizes "
    "page does: it refuses a row of exactly 400 KB",
}


class Dynamo:
    """A client, and shorthands for the requests of the contract. Rows are flat text and integers."""

    def __init__(self, client, table="ledger"):
        self.client = client
        self.table = table

    def write(self, *actions):
        """Run one transaction; each action is its kind and its parameters."""
        typed = [(kind, given) for action in actions for kind, given in action.items()]
        transaction = [{kind: {"TableName": self.table, **given}} for kind, given in typed]
        self.client.transact_write_items(TransactItems=transaction)

    def get(self, pk, sk):
        """Return the row in typed form; empty when there is none."""
        key = {"PK": {"S": pk}, "SK": {"S": sk}}
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return answer.get("Item", {})

    def batch_get(self, keys):
        request = {"Keys": [{"PK": {"S": pk}, "SK": {"S": sk}} for pk, sk in keys]}
        answer = self.client.batch_get_item(RequestItems={self.table: request})
        return answer["Responses"][self.table]

    def query(self, condition, *, values, **parameters):
        return self.client.query(
            TableName=self.table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={name: {"S": text} for name, text in values.items()},
            **parameters,
        )


@pytest.fixture(params=["memory", "moto", "ministack"])
def dynamo(request):
    """The implementation under test; a known difference from AWS's documentation must show."""
    if reason := DIFFERENCES.get(request.node.name):
        request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    if request.param == "memory":
        yield Dynamo(MemoryDynamoDB())
    elif request.param == "moto":
        with mock_aws():
            client = shared_session().create_client("dynamodb")
            create_ledger_table(client, "ledger")
            yield Dynamo(client)
    else:
        aws = request.getfixturevalue("aws")
        table = aws.ledger_table(f"ledger-{uuid.uuid4().hex}")
        yield Dynamo(aws.client("dynamodb"), table)
