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
from jobledger.times import rfc3339
from testing.builders import MemoryLedger, a_job
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


def test_of_two_jobs_with_one_id_each_has_the_output_of_its_own_source(world):
    ledger, other = world.dependencies.ledger, "444455556666/eu-west-1"
    job = replace(a_job(detail(1)["JobId"], "FAILED"), source=other)
    ledger.of(other).record(job.family, [job], rfc3339(NOW), announce_new=True)
    assert Outputs(ledger).record(job.family, job.sort_key, replace(PARTLY, input_files=500))
    world.waiting["receipt"] = event(1, Account="444455556666", Region="eu-west-1", EventId="e")
    assert world.run() == 3
    (alert,) = world.documents()
    counts = [change.get("Processed", {}).get("InputFileCount") for change in alert["Changes"]]
    assert counts == [400, 500, None]


def test_an_alert_does_not_wait_for_a_slow_ledger_or_one_that_fails(world, monkeypatch):
    clock = [NOW]

    def find(job_id: str, sources: object) -> None:
        clock[0] += timedelta(seconds=15)
        if len(world.hidden) == 2:
            raise LedgerUnavailable("down")

    monkeypatch.setattr(world.dependencies.ledger, "find", find)
    world.dependencies = replace(world.dependencies, now=lambda: clock[0])
    assert world.run() == 2
    assert all("Processed" not in change for change in world.documents()[0]["Changes"])
    for number in range(3, 30):
        world.waiting[f"receipt-{number}"] = event(number)
    clock[0] = NOW
    assert world.run() == 27
    assert clock[0] - NOW <= timedelta(seconds=40)
