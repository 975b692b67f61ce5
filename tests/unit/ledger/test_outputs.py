"""What jobs processed: written once, counted exactly, and part of the job that every reader gets."""

import json
import random
from collections import Counter
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import pytest

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Job
from jobledger.ledger.counts import LAYOUT, OutputTotals
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.output import Output, output_of
from jobledger.ledger.outputs import Outputs, Waiting
from jobledger.ledger.pages import read_page
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals.read import read_summary
from testing.builders import DAY, FAR_PAST, HOUR, MINUTE, NOW, SCOPE, a_job
from testing.counted import Counted
from testing.recounted import stored_counters

SNOMEDCT, PHI = Family.SNOMEDCT, Family.PHI
PARTLY = Output(400, 388, 12, 123_456, 31, {"InternalServerError": 9, "TextSizeLimitExceeded": 3})
MISSING = Output(problem="ManifestNotFound", location="s3://codes/out/Manifest")
LISTLESS = Output(
    400, 388, 12, 123_456, 31, problem="AccessDenied", location="s3://codes/out/Manifest"
)
PARTIAL_JOB = a_job(status="PARTIAL_SUCCESS", EndTime=NOW)


def a_world(*jobs: Job) -> tuple[Counted, Outputs]:
    world = Counted()
    world.record(*(jobs or (PARTIAL_JOB,)))
    return world, Outputs(world.ledger)


def stored(world: Counted, job_id: str = "job") -> Output | None:
    return output_of(world.row(job_id))


def listed(world: Counted, **filters: Any) -> list[dict[str, Any]]:
    page = read_page(world.ledger, JobQuery(**filters), 100, None, rfc3339(world.now))
    return [json.loads(job) for job in page.jobs]


@pytest.mark.parametrize("filters", [{}, {"statuses": ("PARTIAL_SUCCESS",)}])
def test_a_job_of_a_page_ends_with_what_it_processed(filters):
    world, outputs = a_world()
    (before,) = listed(world, **filters)
    assert outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, PARTLY)
    (job,) = listed(world, **filters)
    output = {
        "InputFileCount": 400,
        "SuccessFilesCount": 388,
        "UnprocessedFilesCount": 12,
        "TotalMeteredCharacters": 123_456,
        "TotalDurationSeconds": 31,
        "ErrorCodes": {"InternalServerError": 9, "TextSizeLimitExceeded": 3},
    }
    assert (job, list(job)[-1]) == (before | {"Output": output}, "Output")


def test_of_what_is_not_known_an_output_has_nothing():
    shown = {"Problem": "ManifestNotFound", "Location": "s3://codes/out/Manifest"}
    assert json.loads(MISSING.json) == shown
    too_large = Output(characters=0, problem="TooLarge")
    assert [each.numbered for each in (MISSING, LISTLESS, too_large)] == [False, True, True]


def test_files_and_characters_are_counted_by_status_and_month():
    other = a_job("other", submitted=NOW - 40 * DAY, EndTime=NOW)
    world, outputs = a_world(PARTIAL_JOB, other)
    outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, PARTLY)
    outputs.record(SNOMEDCT, other.sort_key, Output(5, 5, 0, 1_000, 2))
    world.agree()
    of_other = {"COMPLETED": OutputTotals(5, 0, 1_000)}
    of_both = of_other | {"PARTIAL_SUCCESS": OutputTotals(400, 12, 123_456)}
    by_month = {"2026-10": {SNOMEDCT: 1_000}}
    few = JobQuery(statuses=("COMPLETED",), after=rfc3339(NOW - 60 * DAY))
    for query, layout, totals, characters in (
        (JobQuery(), LAYOUT, of_both, by_month | {"2026-11": {SNOMEDCT: 123_456}}),
        # From the counters, and from the jobs.
        *((few, layout, of_other, by_month) for layout in (LAYOUT, 0)),
    ):
        found = read_summary(world.ledger, query, world.states(layout), NOW, by_month=True)
        assert (found.outputs, found.characters) == ({SNOMEDCT: totals}, characters)


@pytest.mark.parametrize(
    "first,second,kept",
    [
        (PARTLY, PARTLY, PARTLY),
        (PARTLY, MISSING, PARTLY),
        (MISSING, PARTLY, PARTLY),
        (LISTLESS, MISSING, LISTLESS),
        (LISTLESS, PARTLY, PARTLY),
        (MISSING, LISTLESS, LISTLESS),
        (PARTLY, Output(1, 1), PARTLY),
    ],
)
def test_what_is_known_is_replaced_only_by_more(first, second, kept):
    world, outputs = a_world()
    outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, first)
    written = world.database.calls["transact_write_items"]
    assert outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, second)
    assert stored(world) == kept
    assert (world.database.calls["transact_write_items"] > written) is (kept == second != first)
    world.agree()


def test_a_job_that_is_written_again_keeps_what_it_processed():
    world, outputs = a_world()
    outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, PARTLY)
    world.now += MINUTE
    world.record(a_job(status="PARTIAL_SUCCESS", EndTime=NOW, Message="late"))
    world.record(a_job(submitted=NOW - 2 * DAY, status="PARTIAL_SUCCESS", EndTime=NOW, Message="x"))
    assert (stored(world), len(listed(world))) == (PARTLY, 1)
    world.agree()


def test_an_output_that_is_written_beside_another_change_of_its_job_undoes_nothing():
    world, outputs = a_world()
    late = a_job(status="PARTIAL_SUCCESS", EndTime=NOW, Message="late")
    world.before_a_write(partial(world.record, late))
    assert outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, PARTLY)
    assert (stored(world), "late" in str(world.row()["Job"])) == (PARTLY, True)


def test_a_job_that_is_not_in_the_ledger_or_is_damaged_gets_no_output(slept):
    world, outputs = a_world()
    row = world.database.items[f"{SCOPE}/SNOMEDCT", PARTIAL_JOB.sort_key]
    for damaged in ("", "[]", "{", '{"InputFileCount":"x"}'):
        row["JobOutput"] = {"S": damaged}
        assert stored(world) is None
    assert listed(world)[0].keys() >= {"JobId"}
    assert not outputs.record(SNOMEDCT, "2026-11-23T11:00:00.000Z#gone", PARTLY)
    world.refuse_writes()
    with pytest.raises(LedgerUnavailable):
        outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, PARTLY)
    row["Version"] = {"S": "damaged"}
    assert not outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, PARTLY)


@pytest.mark.parametrize("seed", range(20))
def test_counters_are_right_whatever_comes_in_whatever_order(seed):
    """Jobs begin, move and end, outputs come late, twice and beside other writers, and rows are recounted.

    Of each second ledger, the first rows are those of a version that counted nothing.
    """
    source = random.Random(seed)
    world, outputs = a_world()
    if seed % 2:
        world.forget_counters()
        outputs.record(SNOMEDCT, PARTIAL_JOB.sort_key, PARTLY)
    for _ in range(60):
        family = source.choice([SNOMEDCT, PHI])
        status = source.choice(["IN_PROGRESS", "COMPLETED", "PARTIAL_SUCCESS", "PAUSED"])
        submitted = NOW - source.choice([1, 40]) * DAY
        job = a_job(f"{source.randrange(8)}", status, submitted, family, EndTime=NOW)
        change = source.randrange(4)
        if change == 0:
            world.record(job)
        elif change == 1:
            outputs.record(
                family, job.sort_key, source.choice([PARTLY, MISSING, LISTLESS, Output(3, 3)])
            )
        elif change == 2:
            world.before_a_write(partial(world.record, job))
            outputs.record(family, job.sort_key, PARTLY)
        else:
            world.recount()
        world.now += MINUTE
    assert world.recount() == 0
    assert stored_counters(world.database.items, SCOPE) == world.expected()


# Jobs whose manifest is looked for later.


def waiting(job_id: str, due: datetime, attempt: int = 1) -> Waiting:
    return Waiting(SNOMEDCT, job_id, a_job(job_id).sort_key, attempt, rfc3339(due))


def test_waiting_jobs_are_due_in_order_until_they_are_done():
    _, outputs = a_world()
    late, early, later = (
        waiting(name, NOW + wait) for name, wait in (("b", MINUTE), ("a", -MINUTE), ("c", HOUR))
    )
    for each in (late, early, later, early):
        outputs.wait(each)
    assert outputs.due(rfc3339(NOW + MINUTE), 10) == [early, late]
    assert outputs.due(rfc3339(NOW + MINUTE), 1) == [early]
    outputs.done(early)
    assert outputs.due(rfc3339(NOW + HOUR), 10) == [late, later]


@pytest.mark.parametrize(
    "damaged",
    [{"Family": "LOST"}, {"Attempt": "x"}, {"Due": "soon"}, {"JobKey": ""}, {}],
)
def test_a_waiting_row_that_cannot_be_read_is_removed(damaged):
    world, outputs = a_world()
    outputs.wait(waiting("a", NOW))
    outputs.wait(waiting("b", NOW))
    (row, _) = [row for (pk, _), row in world.database.items.items() if pk == f"{SCOPE}#outputs"]
    row.update({name: {"S": text} for name, text in damaged.items()})
    if not damaged:
        del row["JobId"]
    assert [each.job_id for each in outputs.due(rfc3339(NOW), 10)] == ["b"]
    assert Counter(pk for pk, _ in world.database.items)[f"{SCOPE}#outputs"] == 1


def test_jobs_between_two_times_are_found_the_newest_first_with_what_they_processed():
    jobs = [a_job(f"{n}", submitted=NOW - n * DAY, EndTime=NOW) for n in range(5)]
    _, outputs = a_world(*jobs)
    outputs.record(SNOMEDCT, jobs[1].sort_key, PARTLY)
    outputs.record(SNOMEDCT, jobs[2].sort_key, MISSING)
    found = outputs.jobs(SNOMEDCT, rfc3339(NOW - 4 * DAY), rfc3339(NOW))
    expected = [("1", PARTLY), ("2", MISSING), ("3", None)]
    assert [(job.job_id, job.output) for job in found] == expected
    assert not list(outputs.jobs(SNOMEDCT, rfc3339(NOW), rfc3339(NOW)))
    found = outputs.jobs(SNOMEDCT, FAR_PAST, rfc3339(NOW + DAY))
    assert [job.job_id for job in found] == ["0", "1", "2", "3", "4"]


def test_an_output_has_a_bounded_size():
    codes = {f"{n:02}" + "c" * 62: 10**15 for n in range(21)}
    largest = Output(10**15, 10**15, 10**15, 10**15, 10**15, codes, "AccessDenied", "\x01" * 1_100)
    assert len(largest.json) < 10_000
    assert msgspec.json.decode(largest.json, type=Output) == largest
