"""What fails for a time, or for one job, stops nothing else and loses nothing."""

import pytest

from jobledger.errors import LedgerUnavailable, NotUnderstood
from jobledger.ledger.outputs import Outputs
from jobledger.outputs import run
from testing.builders import HOUR, MINUTE, SECOND
from tests.unit.events.stream import ODDITIES, SENT, failed_at
from tests.unit.outputs.world import (
    CANARY,
    READ,
    OutputsWorld,
    ended_job,
    key_of,
    record_of,
    world_of,
)


@pytest.mark.parametrize("call", range(1, 12))
def test_a_batch_ends_where_the_ledger_fails_and_goes_on_there(call, caplog):
    world = world_of(5, 1, 2, 4, 5)
    world.fail_at(call)
    (failed,) = world.end()["batchItemFailures"]
    world.fail_at()
    done = int(failed["itemIdentifier"])
    assert world.all_outputs()[done + 1 :] == [None] * (4 - done)
    assert world.end(*[*world.jobs.values()][done:]) == SENT
    assert world.all_outputs() == [READ, READ, None, READ, READ]
    assert world.waiting() == [("job0003", 1)]
    assert [one.getMessage() for one in caplog.records] == ["output not recorded"]
    world.agree()


@pytest.mark.parametrize("call", range(2, 14))
def test_a_run_of_the_schedule_goes_on_where_the_ledger_fails_for_one_job(call):
    world = world_of(3)
    world.end()
    for number in (1, 2, 3):
        world.put(number)
    world.now += MINUTE
    world.fail_at(call)
    world.due()
    world.fail_at()
    assert world.all_outputs().count(READ) >= 2
    world.due()
    assert (world.all_outputs(), world.waiting()) == ([READ] * 3, [])
    world.agree()


def test_a_run_that_cannot_read_what_is_due_fails():
    world = OutputsWorld()
    world.fail_at(1)
    with pytest.raises(LedgerUnavailable):
        world.due()


@pytest.fixture
def refuse_first(monkeypatch):
    """Return what lets every record of the first job's output fail."""

    def refuse_first(failure):
        record = Outputs.record

        def refused(outputs, family, job_key, output):
            if job_key.endswith("job0001"):
                raise failure
            return record(outputs, family, job_key, output)

        monkeypatch.setattr(Outputs, "record", refused)

    return refuse_first


@pytest.mark.parametrize(
    "failure", [KeyError(CANARY), NotUnderstood("row"), LedgerUnavailable("x")]
)
def test_one_job_that_always_fails_stops_no_other_and_is_given_up(failure, refuse_first, caplog):
    world = world_of(2)
    world.end()
    world.put(1)
    world.put(2)
    refuse_first(failure)
    world.forward(MINUTE)
    assert world.output("job0002") == READ
    world.forward(25 * HOUR)
    # A ledger that fails for now may not fail later.
    assert len(world.waiting()) == isinstance(failure, LedgerUnavailable)
    assert CANARY not in caplog.text
    assert {vars(one)["job_id"] for one in caplog.records} == {"job0001"}


def test_one_job_of_a_batch_that_always_fails_stops_no_other(refuse_first, caplog):
    world = world_of(2, 1, 2)
    refuse_first(KeyError(CANARY))
    assert world.end() == SENT
    assert (world.all_outputs(), world.waiting()) == ([None, READ], [("job0001", 1)])
    assert CANARY not in caplog.text


def test_a_batch_ends_when_the_time_runs_out_and_goes_on_there():
    world = world_of(5)
    for number in range(1, 6):
        world.put(number, 5, "A")
    times = iter([run.LONGEST_MILLISECONDS] * 7 + [0] * 100)
    world.left = lambda: next(times)
    assert world.end() == failed_at("002")
    assert [output is None for output in world.all_outputs()] == [False] * 2 + [True] * 3
    world.left = lambda: run.LONGEST_MILLISECONDS - 1
    assert world.end() == failed_at("000")


@pytest.mark.parametrize("milliseconds, most", [(10_000, 6), (200_000, 1)])
def test_a_run_of_the_schedule_ends_before_the_next_one_and_in_time(milliseconds, most):
    world = world_of(19)
    world.end()
    world.now += MINUTE
    world.reads.clear()
    world.left = lambda: 300_000 - milliseconds * len(world.reads)
    assert world.due()["LookedFor"] == most == len(world.reads)
    world.left = lambda: run.LONGEST_MILLISECONDS - 1
    assert world.due()["LookedFor"] == 0


def test_a_run_looks_for_two_hundred_jobs_the_longest_due_first():
    world = world_of(210)
    for job in world.jobs.values():
        world.now += SECOND
        world.end(job)
    world.now += MINUTE
    world.reads.clear()
    assert world.due() == {"LookedFor": 200, "Recorded": 0}
    assert world.reads == [f"out/{key_of(n)}" for n in range(1, 201)]
    assert world.due()["LookedFor"] == 10


def test_only_the_records_that_are_not_understood_are_put_aside(caplog):
    world = world_of(2, 1, 2)
    first, last = (record_of(job, n) for n, job in enumerate(world.jobs.values()))
    odd = [change(record_of(ended_job(3), 9)) for change in ODDITIES.values()]
    assert world.send([first, *odd, last]) == SENT
    assert world.all_outputs() == [READ] * 2
    assert [entry["Error"] for entry in world.queue.entries] == ["NotUnderstood"] * len(ODDITIES)
    assert "patient" not in f"{world.queue.entries} {caplog.text}"


def test_a_job_whose_row_is_damaged_is_put_aside_and_no_longer_waited_for():
    world = world_of(2)
    world.end()
    for (pk, sk), item in world.database.items.items():
        if pk.endswith("/SNOMEDCT") and sk.endswith("job0001"):
            item["Job"] = {"S": "{"}
    world.put(2)
    assert world.end() == SENT
    assert [entry["SK"][-7:] for entry in world.queue.entries] == ["job0001"]
    world.forward(MINUTE)
    assert (world.output("job0002"), world.waiting()) == (READ, [])
