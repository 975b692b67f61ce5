"""What jobs processed, in an alert: read from the ledger when the alert is sent, because events do not say it."""

import json
from datetime import timedelta

import pytest
from msgspec.structs import replace

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import job_from_service
from jobledger.ledger.output import Output
from jobledger.ledger.outputs import Outputs
from jobledger.service import Family
from testing.builders import MemoryLedger
from tests.unit.alerts.world import NOW, World, detail, event

PARTLY = Output(400, 388, 12, 123_456, 31, {"InternalServerError": 12}, "TooLarge", "s3://ward-7/M")


@pytest.fixture
def world() -> World:
    """Two alerts wait; the ledger knows what the first job processed."""
    change = detail(1)
    properties = {"JobId": change["JobId"], "JobStatus": "FAILED", "SubmitTime": 1.0}
    job = job_from_service(Family(change["Family"]), properties)
    assert job
    memory = MemoryLedger(job)
    assert Outputs(memory.ledger).record(job.family, job.sort_key, PARTLY)
    world = World([event(1), event(2)])
    world.dependencies = replace(world.dependencies, ledger=memory.ledger)
    return world


def test_an_alert_says_why_files_were_not_processed_and_names_no_place(world):
    assert world.run() == 2
    (alert,) = world.documents()
    expected = json.loads(PARTLY.json)
    del expected["Location"]
    assert [change.get("Processed") for change in alert["Changes"]] == [expected, None]
    (taken,) = world.published()
    email = json.loads(taken["Message"])["email"]
    assert "  12 of 400 files were not processed: 12 × InternalServerError.\n" in email
    assert "ward-7" not in taken["Message"]


def test_an_alert_does_not_wait_for_a_slow_ledger(world, monkeypatch):
    clock = [NOW]

    def find(job_id: str) -> None:
        clock[0] += timedelta(seconds=15)

    monkeypatch.setattr(world.dependencies.ledger, "find", find)
    world.dependencies = replace(world.dependencies, now=lambda: clock[0])
    for number in range(3, 30):
        world.waiting[f"receipt-{number}"] = event(number)
    assert world.run() == 29
    assert clock[0] - NOW <= timedelta(seconds=40)


def test_an_alert_does_not_wait_for_the_ledger(world, monkeypatch):
    def fail(job_id: str) -> None:
        raise LedgerUnavailable("down")

    monkeypatch.setattr(world.dependencies.ledger, "find", fail)
    assert world.run() == 2
    assert all("Processed" not in change for change in world.documents()[0]["Changes"])
