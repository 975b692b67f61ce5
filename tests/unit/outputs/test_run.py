"""Which jobs are looked for and when: batches of the stream, the schedule, and the jobs of the last days."""

import json
from datetime import datetime, timedelta
from functools import partial

import pytest

from jobledger.errors import (
    InvalidParameters,
    LedgerUnavailable,
    NotUnderstood,
    ObjectDenied,
)
from jobledger.ledger.output import Output
from jobledger.outputs import recent, run
from jobledger.service import Family
from jobledger.times import parse, rfc3339
from testing.builders import DAY, HOUR, MINUTE, NOW, SCOPE, SECOND
from testing.memory_dynamodb import error
from testing.recounted import recounted, stored_counters
from tests.unit.events.stream import ODDITIES, SENT, failed_at
from tests.unit.outputs.world import (
    CANARY,
    OutputsWorld,
    ended_job,
    key_of,
    list_of,
    manifest,
    record_of,
    unprocessed_list,
)

ATTEMPTS = [timedelta(minutes=minutes) for minutes in (0, 1, 5, 15, 60, 240, 720, 1440)]
READ = Output(5, 5, 0, 500, 31)


@pytest.fixture
def logged(caplog, capsys):
    """Return the log's messages with their problems or errors, and the values of each metric."""

    def logged():
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        values = {
            name: value for line in lines for name, value in line.items() if name[:6] == "Output"
        }
        texts = [vars(one) for one in caplog.records]
        return [one.get("problem") or one.get("error") for one in texts], values

    return logged


def test_a_job_that_ends_has_its_numbers_at_once():
    world = OutputsWorld(ended_job(status="PARTIAL_SUCCESS"))
    world.put(1, 5, "A", "B", "B")
    assert world.end() == SENT
    assert world.output() == Output(8, 5, 3, 500, 31, {"B": 2, "A": 1})
    assert not world.waiting()


@pytest.mark.parametrize("status", ["SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED", "NEW_ONE", None])
def test_a_job_that_has_not_ended_is_not_looked_for(status):
    job = ended_job(status=status, EndTime=None)
    world = OutputsWorld(job)
    world.put()
    assert world.end() == SENT
    assert (world.reads, world.waiting()) == ([], [])


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "STOPPED", "NEW_ONE"])
def test_a_job_that_ended_in_any_status_is_looked_for(status):
    world = OutputsWorld(ended_job(status=status))
    world.put()
    world.end()
    assert world.output() == READ


def test_a_manifest_that_is_not_there_is_looked_for_again_and_then_said_to_be_missing(logged):
    world = OutputsWorld(ended_job())
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
    world = OutputsWorld(ended_job())
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
    world = OutputsWorld(ended_job())
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
    world = OutputsWorld(*(ended_job(n) for n in (1, 2, 3)))
    for number in (1, 3):
        world.put(number)
    jobs = list(world.jobs.values())
    for order in (jobs, jobs[::-1], [jobs[1]] * 3, jobs * 2):
        world.end(*order)
        world.now += SECOND
    reads = len(world.reads)
    world.put(2)
    world.forward(HOUR)
    assert [world.output(f"job000{n}") for n in (1, 2, 3)] == [READ] * 3
    assert world.waiting() == []
    assert len(world.reads) == reads + 1, "what is known is not read again"
    agree(world)


def agree(world):
    """The counters are those of the rows."""
    items = world.database.items
    assert stored_counters(items, SCOPE) == recounted(items, SCOPE)


@pytest.mark.parametrize("oddity", ODDITIES)
def test_only_the_record_that_is_not_understood_is_put_aside(oddity, caplog):
    world = OutputsWorld(ended_job(1), ended_job(2))
    world.put(1)
    world.put(2)
    records = [record_of(job, n) for n, job in enumerate(world.jobs.values())]
    records.insert(1, ODDITIES[oddity](record_of(ended_job(3), 9)))
    assert world.send(records) == SENT
    assert [world.output(f"job000{n}") for n in (1, 2)] == [READ] * 2
    (entry,) = world.queue.entries
    assert entry["Error"] == "NotUnderstood"
    assert "patient" not in f"{entry} {caplog.text}"


def test_a_job_whose_row_is_damaged_is_put_aside_and_no_longer_waited_for():
    world = OutputsWorld(ended_job(1), ended_job(2))
    world.end()
    for (pk, sk), item in world.database.items.items():
        if pk.endswith("/SNOMEDCT") and sk.endswith("job0001"):
            item["Job"] = {"S": "{"}
    world.put(2)
    assert world.end() == SENT
    assert [entry["SK"][-7:] for entry in world.queue.entries] == ["job0001"]
    world.forward(MINUTE)
    assert (world.output("job0002"), world.waiting()) == (READ, [])


def test_a_job_whose_row_is_gone_is_no_longer_waited_for(logged):
    world = OutputsWorld(ended_job())
    world.end()
    key = (f"{SCOPE}/SNOMEDCT", str(world.row("job0001")["SK"]))
    world.database._remove(key)
    assert world.end() == SENT
    world.forward(MINUTE)
    assert (world.waiting(), len(world.reads), logged()) == ([], 1, ([], {}))


@pytest.mark.parametrize("call", range(1, 12))
def test_a_batch_ends_where_the_ledger_fails_and_goes_on_there(call, caplog):
    world = OutputsWorld(*(ended_job(n) for n in range(1, 6)))
    for number in (1, 2, 4, 5):
        world.put(number)
    fail_at(world, call)
    answer = world.end()
    world.database.before = lambda operation: None
    (failed,) = answer["batchItemFailures"]
    done = int(failed["itemIdentifier"])
    jobs = list(world.jobs.values())
    assert [world.output(job.job_id) for job in jobs[done + 1 :]] == [None] * (4 - done)
    assert world.end(*jobs[done:]) == SENT
    assert [world.output(job.job_id) for job in jobs] == [READ, READ, None, READ, READ]
    assert [job_id for job_id, _ in world.waiting()] == ["job0003"]
    assert [one.getMessage() for one in caplog.records] == ["output not recorded"]
    agree(world)


def fail_at(world, *calls):
    """Let these calls of DynamoDB fail, counted from now."""
    left = iter(range(1, 10_000))

    def fail(operation):
        if next(left) in calls:
            raise error("InternalServerError", 500)

    world.database.before = fail


@pytest.mark.parametrize("call", range(2, 14))
def test_a_run_of_the_schedule_goes_on_where_the_ledger_fails_for_one_job(call):
    world = OutputsWorld(*(ended_job(n) for n in (1, 2, 3)))
    world.end()
    for number in (1, 2, 3):
        world.put(number)
    world.now += MINUTE
    fail_at(world, call)
    world.due()
    world.database.before = lambda operation: None
    jobs = ("job0001", "job0002", "job0003")
    assert sum(world.output(job_id) == READ for job_id in jobs) >= 2
    world.due()
    assert [world.output(job_id) for job_id in jobs] == [READ] * 3
    assert world.waiting() == []
    agree(world)


def test_a_run_that_cannot_read_what_is_due_fails():
    world = OutputsWorld()
    fail_at(world, 1)
    with pytest.raises(LedgerUnavailable):
        world.due()


@pytest.mark.parametrize(
    "failure", [KeyError(CANARY), NotUnderstood("row"), LedgerUnavailable("x")]
)
def test_one_job_that_always_fails_stops_no_other_and_is_given_up(failure, monkeypatch, caplog):
    world = OutputsWorld(ended_job(1), ended_job(2))
    world.end()
    world.put(1)
    world.put(2)
    record = world.outputs.record

    def refuse(family, job_key, output):
        if job_key.endswith("job0001"):
            raise failure
        return record(family, job_key, output)

    monkeypatch.setattr(world.outputs.__class__, "record", lambda _, *given: refuse(*given))
    world.forward(MINUTE)
    assert world.output("job0002") == READ
    world.forward(25 * HOUR)
    # A ledger that fails for now may not fail later.
    assert len(world.waiting()) == isinstance(failure, LedgerUnavailable)
    assert CANARY not in caplog.text
    assert {vars(one)["job_id"] for one in caplog.records} == {"job0001"}


def test_a_batch_ends_when_the_time_runs_out_and_goes_on_there():
    world = OutputsWorld(*(ended_job(n) for n in range(1, 6)))
    for number in range(1, 6):
        world.put(number, 5, "A")
    times = iter([run.LONGEST_MILLISECONDS] * 7 + [0] * 100)
    world.left = lambda: next(times)
    assert world.end() == failed_at("002")
    assert [world.output(f"job000{n}") is None for n in range(1, 6)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    world.left = lambda: run.LONGEST_MILLISECONDS - 1
    assert world.end() == failed_at("000")


@pytest.mark.parametrize("milliseconds, most", [(10_000, 6), (200_000, 1)])
def test_a_run_of_the_schedule_ends_before_the_next_one_and_in_time(milliseconds, most):
    world = OutputsWorld(*(ended_job(n) for n in range(1, 20)))
    world.end()
    world.now += MINUTE
    world.reads.clear()
    world.left = lambda: 300_000 - milliseconds * len(world.reads)
    assert world.due()["LookedFor"] == most == len(world.reads)
    world.left = lambda: run.LONGEST_MILLISECONDS - 1
    assert world.due()["LookedFor"] == 0


def test_a_run_looks_for_two_hundred_jobs_the_longest_due_first():
    jobs = [ended_job(n) for n in range(1, 211)]
    world = OutputsWorld(*jobs)
    for job in jobs:
        world.now += SECOND
        world.end(job)
    world.now += MINUTE
    world.reads.clear()
    assert world.due() == {"LookedFor": 200, "Recorded": 0}
    assert world.reads == [f"out/{key_of(n)}" for n in range(1, 201)]
    assert world.due()["LookedFor"] == 10


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


def test_the_metric_says_when_most_of_the_last_outputs_fail_and_when_they_no_longer_do(logged):
    world = OutputsWorld(*(ended_job(n) for n in range(1, 60)))
    jobs = list(world.jobs.values())
    for number in range(30, 60):
        world.put(number)
    wrong = [ended_job(n, ManifestFilePath="s3://other/Manifest") for n in range(1, 30)]
    world.record(*wrong, listed_at=NOW + SECOND)
    said = []
    for job in [*jobs[:6], *jobs[29:59]]:
        world.end(job)
        said.append(logged()[1].get("OutputsFailing"))
    assert said == [*[None] * 4, [1], [1], *[[1]] * 5, [0], *[None] * 24]


@pytest.mark.parametrize("status, said", [("COMPLETED", [1]), ("FAILED", None), ("STOPPED", None)])
def test_jobs_that_may_have_no_manifest_are_not_what_fails(status, said, logged):
    jobs = [ended_job(n, status, ManifestFilePath="s3://other/Manifest") for n in range(1, 10)]
    OutputsWorld(*jobs).end()
    assert logged()[1].get("OutputsFailing") == said


def test_a_ledger_that_does_not_keep_the_outcomes_stops_nothing(logged):
    world = OutputsWorld(ended_job())
    world.put()
    world.end()
    world.database.before = lambda operation: (_ for _ in ()).throw(
        error("InternalServerError", 500)
    )
    assert recent.keep_outcomes(world.ledger, [True]) is None
    assert logged()[0] == ["LedgerUnavailable"]


def test_nothing_of_files_and_errors_is_logged_or_written(logged, caplog, capsys):
    world = OutputsWorld(*(ended_job(n, "PARTIAL_SUCCESS") for n in range(1, 8)))
    world.put(1, 5, "A", f"{CANARY} of a patient", f"{CANARY}/1")
    world.objects[key_of(2)] = CANARY.encode()
    world.objects[key_of(3)] = ObjectDenied(CANARY)
    world.objects[key_of(4)] = KeyError(CANARY)
    world.objects[key_of(5)] = manifest(
        5, 1, UnprocessedFilesListLocation=f"s3://{CANARY}-bucket/list"
    )
    world.end()
    world.forward(25 * HOUR, 5 * MINUTE)
    out = capsys.readouterr()
    assert CANARY not in caplog.text + out.out + out.err + repr(
        [vars(one) for one in caplog.records]
    )
    # The key of a manifest is the job's own property; nothing else may be in a row.
    rows = repr(world.database.items).replace(f"results/{CANARY}/Manifest_", "")
    assert CANARY not in rows
    assert "patient" not in rows


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
