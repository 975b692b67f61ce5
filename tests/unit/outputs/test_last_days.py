"""The jobs of the last days are looked for, paced, by the payload Days."""

from datetime import UTC, datetime
from functools import partial

import pytest

from jobledger.errors import InvalidParameters, ObjectDenied
from jobledger.handlers import outputs as handler
from jobledger.outputs import run
from jobledger.outputs.places import Place
from jobledger.service import Family
from jobledger.times import parse, rfc3339
from testing.api import Context
from testing.builders import DAY, HOUR, MINUTE, NOW, SCOPE
from tests.unit.events.stream import SENT
from tests.unit.outputs.world import (
    PLENTY,
    READ,
    OutputsWorld,
    ended_job,
    key_of,
    record_of,
    world_of,
)


def queue_in_calls(world, jobs):
    """Queue jobs in calls that have time for so many; each continues the last. Return what each has queued."""
    queued: list[int] = []
    before: datetime | None = None
    while before or not queued:
        world.left = partial(next, iter([run.LONGEST_MILLISECONDS] * jobs), 0)
        answer = world.queue_days(1, before)
        queued.append(answer["Queued"])
        before = parse(answer["Before"]) if "Before" in answer else None
    world.left = lambda: PLENTY
    return queued


def test_jobs_that_ended_before_are_queued_and_those_that_ended_long_ago_are_looked_for_once(
    logged,
):
    world = OutputsWorld(
        ended_job(1),
        ended_job(2, submitted=NOW - 3 * DAY, EndTime=NOW - 2 * DAY),
        ended_job(3, submitted=NOW - 3 * DAY, EndTime=None, status="FAILED"),
        ended_job(4, submitted=NOW - 5 * DAY, EndTime=NOW - 5 * DAY),
        ended_job(5, "IN_PROGRESS", EndTime=None),
        ended_job(6, family=Family.PHI),
    )
    world.put(6)
    assert world.queue_days(4) == {"Queued": 4}
    assert dict(world.waiting()) == {"job0001": 1, "job0002": 7, "job0003": 7, "job0006": 1}
    assert world.due() == {"LookedFor": 4, "Recorded": 3}
    assert [one is None for one in world.all_outputs()] == [True, False, False, True, True, False]
    assert sorted(logged()[0]) == ["ManifestNotFound"] * 2


def test_what_could_not_be_read_is_read_after_a_problem_is_mended():
    world = world_of(2, 1)
    world.objects[key_of(2)] = ObjectDenied("AccessDenied")
    world.end()
    world.forward(25 * HOUR)
    world.put(2)
    world.reads.clear()
    assert world.queue_days(3) == {"Queued": 1}
    assert world.due() == {"LookedFor": 1, "Recorded": 1}
    assert (world.output("job0002"), world.reads) == (READ, [f"out/{key_of(2)}"])


@pytest.mark.parametrize("in_a_call, most", [(100, 10), (15, 15)])
def test_no_more_jobs_become_due_in_a_minute_than_a_run_can_look_for(in_a_call, most, monkeypatch):
    """Half as many again when one call continues another, because the minute of its last one is not full."""
    monkeypatch.setattr(run, "_QUEUED_A_MINUTE", 10)
    world = world_of(45, *range(1, 46))
    queue_in_calls(world, in_a_call)
    found = []
    while world.waiting():
        found.append(world.due()["LookedFor"])
        world.now += MINUTE
    assert max(found) == most
    assert sum(found) >= 45


def test_what_there_is_no_time_to_queue_is_queued_by_the_next_call():
    jobs = [ended_job(n, family=[*Family][n % 5], submitted=NOW - n * HOUR) for n in range(1, 23)]
    world = OutputsWorld(*jobs)
    assert queue_in_calls(world, 5) == [5, 5, 5, 5, 2]
    assert sorted({job_id for job_id, _ in world.waiting()}) == sorted(world.jobs)


def test_a_call_ends_in_time_however_many_jobs_need_not_be_queued():
    world = OutputsWorld(*(ended_job(n) for n in range(1, 21)), ended_job(30, "IN_PROGRESS"))
    for number in range(1, 21):
        world.put(number)
    world.end()
    assert queue_in_calls(world, 5) == [0] * 5


def test_the_handler_takes_each_payload(monkeypatch):
    world = world_of(1)
    monkeypatch.setattr(handler, "_connect", lambda: world.dependencies)
    context = Context()
    context.milliseconds = 300_000
    for payload, answer in (
        ({"Records": [record_of(ended_job())]}, SENT),
        ({"Days": 1}, {"Queued": 1}),
        ({"Days": 1, "Before": rfc3339(NOW - DAY)}, {"Queued": 0}),
        ({}, {"LookedFor": 1, "Recorded": 0}),
    ):
        assert handler.handler(payload, context) == answer
    with pytest.raises(InvalidParameters, match="Days: a whole number from 1 to 3650"):
        handler.handler({"Days": 0}, context)


def test_the_function_is_made_of_its_environment(monkeypatch):
    environment = {
        "LEDGER_TABLE_NAME": "ledger",
        "LEDGER_SCOPE": SCOPE,
        "FAMILIES": "SNOMEDCT,PHI",
        "OUTPUT_BUCKETS": "a,out/results",
        "UNDELIVERED_QUEUE_URL": "https://queue",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = handler._connect.__wrapped__()
    assert (made.ledger.scope, made.families) == (SCOPE, (Family.SNOMEDCT, Family.PHI))
    assert made.buckets.allow(Place("out", "results/Manifest"))
    assert not made.buckets.allow(Place("out", "Manifest"))
    assert (made.read.__name__, made.now().tzinfo) == ("read", UTC)
    assert handler._undelivered.__wrapped__()._url == "https://queue"
