"""The jobs of the last days are looked for, paced, by the payload Days."""

from datetime import UTC, datetime
from functools import partial

import pytest

from jobledger.errors import (
    InvalidParameters,
    ObjectDenied,
)
from jobledger.outputs import run
from jobledger.outputs.places import Place
from jobledger.service import Family
from jobledger.times import parse, rfc3339
from testing.builders import DAY, HOUR, MINUTE, NOW, SCOPE
from tests.unit.events.stream import SENT
from tests.unit.outputs.world import (
    READ,
    OutputsWorld,
    ended_job,
    key_of,
    record_of,
)


def test_jobs_that_ended_before_are_queued_and_those_that_ended_long_ago_are_looked_for_once(
    logged,
):
    jobs = [
        ended_job(1),
        ended_job(2, submitted=NOW - 3 * DAY, EndTime=NOW - 2 * DAY),
        ended_job(3, submitted=NOW - 3 * DAY, EndTime=None, status="FAILED"),
        ended_job(4, submitted=NOW - 5 * DAY, EndTime=NOW - 5 * DAY),
        ended_job(5, "IN_PROGRESS", EndTime=None),
        ended_job(6, family=Family.PHI),
    ]
    world = OutputsWorld(*jobs)
    world.put(6)
    assert world.queue_days(4) == {"Queued": 4}
    assert dict(world.waiting()) == {"job0001": 1, "job0002": 7, "job0003": 7, "job0006": 1}
    assert world.due() == {"LookedFor": 4, "Recorded": 3}
    assert [world.output(f"job000{n}") is None for n in (1, 2, 3, 6)] == [True, False, False, False]
    assert sorted(logged()[0]) == ["ManifestNotFound"] * 2


def test_what_could_not_be_read_is_read_after_a_problem_is_mended():
    world = OutputsWorld(ended_job(1), ended_job(2))
    world.put(1)
    world.objects[key_of(2)] = ObjectDenied("AccessDenied")
    world.end()
    world.forward(25 * HOUR)
    world.put(2)
    world.reads.clear()
    assert world.queue_days(3) == {"Queued": 1}
    assert world.due() == {"LookedFor": 1, "Recorded": 1}
    assert (world.output("job0002"), world.reads) == (READ, [f"out/{key_of(2)}"])


def test_no_more_jobs_become_due_in_a_minute_than_a_run_can_look_for():
    world = OutputsWorld(*(ended_job(n) for n in range(1, 251)))
    assert world.queue_days(1) == {"Queued": 250}
    for due in (100, 100, 50, 0):
        assert world.due()["LookedFor"] == due
        world.now += MINUTE


def test_what_there_is_no_time_to_queue_is_queued_by_the_next_call():
    jobs = [ended_job(n, family=[*Family][n % 5], submitted=NOW - n * HOUR) for n in range(1, 23)]
    world = OutputsWorld(*jobs)
    queued = []
    before: datetime | None = NOW
    while before:
        times = iter([run.LONGEST_MILLISECONDS] * 5)
        world.left = partial(next, times, 0)
        answer = world.queue_days(1, before)
        queued.append(answer["Queued"])
        before = parse(answer["Before"]) if "Before" in answer else None
    assert queued == [5, 5, 5, 5, 2]
    assert sorted({job_id for job_id, _ in world.waiting()}) == sorted(world.jobs)


def test_no_more_become_due_in_a_minute_when_calls_continue_one_another():
    world = OutputsWorld(*(ended_job(n) for n in range(1, 451)))
    before: datetime | None = None
    while True:
        times = iter([run.LONGEST_MILLISECONDS] * 150)
        world.left = partial(next, times, 0)
        answer = world.queue_days(1, before)
        if "Before" not in answer:
            break
        before = parse(answer["Before"])
    world.left = lambda: 300_000
    found = []
    while world.waiting():
        found.append(world.due()["LookedFor"])
        world.now += MINUTE
    assert max(found) <= 150
    assert sum(found) >= 450


def test_a_call_ends_in_time_however_many_jobs_need_not_be_queued():
    world = OutputsWorld(*(ended_job(n) for n in range(1, 21)), ended_job(30, "IN_PROGRESS"))
    for number in range(1, 21):
        world.put(number)
    world.end()
    world.left = partial(next, iter([run.LONGEST_MILLISECONDS] * 5), 0)
    answer = world.queue_days(1)
    assert answer["Queued"] == 0
    world.left = lambda: 300_000
    assert world.queue_days(1, parse(answer["Before"])) == {"Queued": 0}


def test_the_handler_takes_each_payload(monkeypatch):
    from jobledger.handlers import outputs as handler
    from testing.api import Context

    world = OutputsWorld(ended_job())
    monkeypatch.setattr(handler, "_connect", lambda: world.dependencies)
    context = Context()
    context.milliseconds = 300_000
    assert handler.handler({"Records": [record_of(ended_job())]}, context) == SENT
    assert handler.handler({"Days": 1}, context) == {"Queued": 1}
    before = {"Days": 1, "Before": rfc3339(NOW - DAY)}
    assert handler.handler(before, context) == {"Queued": 0}
    assert handler.handler({}, context) == {"LookedFor": 1, "Recorded": 0}
    with pytest.raises(InvalidParameters, match="Days: a whole number from 1 to 3650"):
        handler.handler({"Days": 0}, context)


def test_the_function_is_made_of_its_environment(monkeypatch):
    from jobledger.handlers import outputs as handler

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
