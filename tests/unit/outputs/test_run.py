"""Jobs that end are looked for, and those whose manifest is not there again, until a day has passed."""

from datetime import timedelta

import pytest

from jobledger.ledger.output import Output
from jobledger.service import Family
from testing.builders import DAY, HOUR, MINUTE, NOW, SCOPE, SECOND
from tests.unit.events.stream import SENT
from tests.unit.outputs.world import (
    READ,
    OutputsWorld,
    ended_job,
    key_of,
    list_of,
    manifest,
    unprocessed_list,
    world_of,
)

ATTEMPTS = [timedelta(minutes=minutes) for minutes in (0, 1, 5, 15, 60, 240, 720, 1440)]


def test_a_job_that_ends_has_its_numbers_at_once():
    world = OutputsWorld(ended_job(status="PARTIAL_SUCCESS"))
    world.put(1, 5, "A", "B", "B")
    assert world.end() == SENT
    assert world.output() == Output(8, 5, 3, 500, 31, {"B": 2, "A": 1})
    assert not world.waiting()


@pytest.mark.parametrize(
    "end, statuses, output",
    [
        (None, ["SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED", "NEW_ONE", None], None),
        (NOW, ["COMPLETED", "FAILED", "STOPPED", "NEW_ONE"], READ),
    ],
)
def test_a_job_is_looked_for_when_it_has_ended_in_whatever_status(end, statuses, output):
    for status in statuses:
        world = OutputsWorld(ended_job(status=status, EndTime=end))
        world.put()
        assert world.end() == SENT
        assert (world.output(), len(world.reads), world.waiting()) == (output, bool(output), [])


def test_a_manifest_that_is_not_there_is_looked_for_again_and_then_said_to_be_missing(logged):
    world = world_of(1)
    world.end()
    asked = [world.now]
    while world.now < NOW + 2 * DAY:
        world.now += MINUTE
        before = len(world.reads)
        world.due()
        asked += [world.now] * (len(world.reads) - before)
        assert (world.output() is None) is (world.now < NOW + DAY)
    assert [at - NOW for at in asked] == ATTEMPTS
    assert world.output() == Output(problem="ManifestNotFound", location=f"s3://out/{key_of(1)}")
    assert (world.waiting(), logged()) == ([], (["ManifestNotFound"], {"OutputProblems": [1]}))


@pytest.mark.parametrize("attempt", range(1, 8))
def test_a_manifest_that_comes_late_is_read_by_the_next_attempt(attempt):
    world = world_of(1)
    world.end()
    world.forward(ATTEMPTS[attempt] - MINUTE)
    world.put()
    world.forward(MINUTE)
    assert (world.output(), world.waiting()) == (READ, [])


def test_a_path_that_the_service_tells_later_is_used():
    world = OutputsWorld(ended_job(ManifestFilePath=None))
    world.put()
    world.end()
    assert world.output() is None
    world.record(ended_job(), listed_at=NOW + SECOND)
    world.forward(MINUTE)
    assert world.output() == READ


def test_numbers_are_there_before_the_list_of_the_unprocessed_files(logged):
    world = world_of(1)
    world.objects[key_of(1)] = manifest(5, 1, UnprocessedFilesListLocation=list_of(1))
    world.end()
    location = f"s3://out/{key_of(1)}"
    partly = Output(6, 5, 1, 500, 31, problem="ManifestNotFound", location=location)
    assert (world.output(), logged()) == (partly, ([], {}))
    world.objects[list_of(1)] = unprocessed_list("A")
    world.forward(MINUTE)
    assert world.output() == Output(6, 5, 1, 500, 31, {"A": 1})


@pytest.mark.parametrize(
    "properties, problem",
    [
        ({"OutputDataConfig": None}, "NoOutputLocation"),
        ({"ManifestFilePath": "s3://a/Manifest"}, "BucketNotConfigured"),
    ],
)
def test_a_problem_that_no_wait_changes_is_said_at_once(properties, problem, logged):
    world = OutputsWorld(ended_job(**properties))
    world.end()
    output = world.output()
    assert output is not None
    assert (output.problem, world.waiting(), world.reads) == (problem, [], [])
    assert logged() == ([problem], {"OutputProblems": [1]})


def test_records_that_are_repeated_or_reordered_change_nothing():
    world = world_of(3, 1, 3)
    jobs = list(world.jobs.values())
    for order in (jobs, jobs[::-1], [jobs[1]] * 3, jobs * 2):
        world.end(*order)
        world.now += SECOND
    reads = len(world.reads)
    world.put(2)
    world.forward(HOUR)
    assert (world.all_outputs(), world.waiting()) == ([READ] * 3, [])
    assert len(world.reads) == reads + 1, "what is known is not read again"
    world.agree()


def test_a_job_whose_row_is_gone_is_no_longer_waited_for(logged):
    world = world_of(1)
    world.end()
    key = (f"{SCOPE}/SNOMEDCT", str(world.row("job0001")["SK"]))
    world.database._remove(key)
    assert world.end() == SENT
    world.forward(MINUTE)
    assert (world.waiting(), len(world.reads), logged()) == ([], 1, ([], {}))


def test_a_job_that_another_submit_time_moves_is_still_waited_for():
    world = OutputsWorld(ended_job(1), ended_job(1, family=Family.PHI))
    old = ended_job(1)
    world.end(old)
    world.record(ended_job(1, submitted=NOW - 2 * HOUR), listed_at=NOW + SECOND)
    world.forward(MINUTE)
    assert [attempt for _, attempt in world.waiting()] == [2]
    world.put()
    assert world.end(old) == SENT
    items = world.database.items
    outputs = {key: item["JobOutput"]["S"] for key, item in items.items() if "JobOutput" in item}
    assert outputs == {(f"{SCOPE}/SNOMEDCT", "2026-11-23T10:00:00.000Z#job0001"): READ.json}
    world.agree()
