"""A table that was restored, with the program of docs/operations.md: no job and no transition is lost or repeated."""

import re

import boto3
import pytest
from moto import mock_aws

from testing.builders import SCOPE, listed_job
from testing.moto_dynamodb import TABLE, MotoDynamoDB, create_ledger_table
from testing.processes import ROOT
from testing.world import MINUTE, World

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
(PROGRAM,) = re.findall(r"```python\n(.*?)```", OPERATIONS, re.DOTALL)
JOBS = [listed_job(f"{n}", 900 + n, "COMPLETED" if n else "IN_PROGRESS") for n in range(20)]
CHANGED_SINCE = (JOBS[0] | {"JobStatus": "FAILED"}, listed_job("new", 60, "SUBMITTED"))


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(), World(JOBS, hostile=False, database=MotoDynamoDB()) as world:
        world.sync()
        yield world


def lose(world, partition=""):
    """Delete the rows of a partition, or all; return those that there were."""
    rows = dict(world.database.items)
    for pk, sk in rows:
        if pk.startswith(partition):
            key = {"PK": {"S": pk}, "SK": {"S": sk}}
            world.database.delete_item(TableName=TABLE, Key=key)
    world.database._items = None
    return rows


def restore(world, rows):
    client = boto3.client("dynamodb")
    create_ledger_table(client, "job-ledger-restored")
    for row in rows.values():
        client.put_item(TableName="job-ledger-restored", Item=row)
    assert "the output LedgerTableName" in PROGRAM
    exec(PROGRAM.replace("the output LedgerTableName", TABLE), {})
    world.database._items = None
    world.clock.forward(MINUTE)


def test_a_deployment_continues_from_a_table_restored_to_an_earlier_time(world):
    backup = dict(world.database.items)
    world.put(*CHANGED_SINCE)
    world.sync()
    expected = [(c.job_id, c.previous, c.status) for c in world.changes()]
    lose(world)
    restore(world, backup)
    assert world.truth() != world.statuses()
    world.sync()
    assert world.truth() == world.statuses()
    assert [(c.job_id, c.previous, c.status) for c in world.changes()] == expected


def test_rows_that_were_lost_are_restored_beside_those_that_were_not(world):
    world.put(*CHANGED_SINCE)
    world.sync()
    backup = lose(world, f"{SCOPE}/SNOMEDCT")
    assert world.statuses() == {}
    world.put(listed_job("newer", 30, "FAILED"))
    restore(world, backup)
    world.sync()
    assert world.truth() == world.statuses()
