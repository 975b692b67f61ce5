"""Several sources in one ledger: their keys, their active jobs, their counters, and what a recount of them repairs."""

import itertools
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.jobs import Job
from jobledger.ledger import counters
from jobledger.ledger.active import ActiveJob, active_from_row, active_key, active_row
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output
from jobledger.ledger.outputs import Outputs, Waiting
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.sources import job_id_of, source_of_key, tagged
from jobledger.times import rfc3339
from jobledger.totals.recount import recount
from testing.builders import DAY, HOUR, NOW, SCOPE, SECOND, a_job
from testing.counted import TODAY, Counted
from testing.memory_dynamodb import RecordingDynamoDB, cancelled
from testing.recounted import stored_counters

SNOMEDCT = Family.SNOMEDCT
ABROAD, OTHER, LIKE = "111122223333/us-east-11", "444455556666/us-east-1", "444455556666/us-east-11"
ALL = (SCOPE, ABROAD, OTHER, LIKE)
IDS = (
    "a",
    "~",
    "#",
    "~1",
    "~~1",
    "x~",
    "é",
    f"x~{OTHER}",
    f"x~{OTHER}~",
    f"~{OTHER}#a",
    f"~~{OTHER}#a",
    f"{'1' * 34}~{'2' * 64}",  # as a longer id is stored
)


class Shared(Counted):
    """A ledger in memory that has jobs of several sources."""

    def __init__(self, sources: tuple[str, ...] = ALL, **more: Any) -> None:
        super().__init__(sources=sources, **more)

    def record_of(self, source: str, *jobs: Job, **more: Any) -> None:
        member = None if source == SCOPE else source
        self.record(*(replace(job, source=member) for job in jobs), **more)

    def recount_of(self, source: str, **state: Any) -> tuple[int, Mapping[str, Any]]:
        """Recount as a sync of a source does; return the rows that were replaced, and the last changes of the state."""
        kept = replace(SyncState(as_of=rfc3339(NOW), recounted="", counted=LAYOUT), **state)
        done = list(recount(self.ledger.of(source), SNOMEDCT, kept, lambda: NOW, lambda: None))
        return sum(repaired for repaired, _ in done), done[-1][1] if done else {}


def of_all_sources(ended: int = 40) -> Shared:
    """Jobs of equal ids and times in each source, and others, active and ended."""
    world = Shared()
    for number, source in enumerate(ALL):
        jobs = [a_job(i, "IN_PROGRESS", ExpirationTime=NOW + 9 * DAY) for i in IDS]
        jobs += [a_job(f"e{n}", submitted=NOW - (n + number) * DAY) for n in range(ended)]
        world.record_of(source, *jobs)
    return world


@pytest.mark.parametrize("job_id", IDS)
@pytest.mark.parametrize("source", [None, *ALL[1:]])
def test_whatever_a_job_id_is_its_keys_say_the_id_and_the_source(job_id, source):
    key = tagged(f"2026-11-23T11:00:00.000Z#{job_id}", source)
    assert (source_of_key(key), job_id_of(key)) == (source, job_id)
    job = ActiveJob(job_id, key)
    assert active_from_row(active_row("scope", job)) == job
    keys = {(o, i): active_key("scope", i, o)["SK"] for o in (None, *ALL[1:]) for i in IDS}
    assert len({*keys.values()}) == len(keys)
    # Those of the own source are as they were before there were others.
    if source is None and "/" not in job_id and job_id[0] != "~":
        assert (key, keys[None, job_id]) == (f"2026-11-23T11:00:00.000Z#{job_id}", job_id)


@pytest.mark.parametrize("source", ALL)
def test_each_source_has_its_own_active_jobs_and_reads_no_others(source):
    world = of_all_sources()
    ledger = world.ledger.of(source)
    state = replace(ledger.state(SNOMEDCT), version=1)
    world.database.forget()
    active = ledger.active(SNOMEDCT, state, consistent=True)
    assert sorted(active) == sorted(IDS)
    assert {job.source for job in active.values()} == {ledger.member}
    assert world.database.rows_read == len(IDS)
    alone = Ledger(world.ledger.table, SCOPE, lambda: NOW)
    assert sorted(alone.active(SNOMEDCT, state)) == sorted(IDS)


def test_an_active_row_that_says_another_source_is_written_anew():
    world = Shared()
    world.record_of(OTHER, a_job(status="IN_PROGRESS"))
    ((_, item),) = [i for i in world.database.items.items() if i[0][0].endswith("#active")]
    right = dict(item)
    item["JobKey"] = {"S": item["JobKey"]["S"].partition("~")[0]}
    assert world.ledger.of(OTHER).active(SNOMEDCT, consistent=True).keys() == {"job"}
    assert world.database.items[right["PK"]["S"], right["SK"]["S"]] == right


def test_a_members_active_job_is_found_moved_given_up_and_forgotten_under_its_own_key():
    world = Shared()
    for source in (SCOPE, OTHER):
        world.record_of(source, a_job("job", "IN_PROGRESS", None))
    member, own = world.ledger.of(OTHER), world.ledger.of(SCOPE)
    world.record_of(OTHER, a_job("job", "IN_PROGRESS", NOW - HOUR), followed=None)
    jobs = [key for key in world.database.items if key[0].endswith("SNOMEDCT")]
    assert len(jobs) == 2
    member.mark_expired(SNOMEDCT, "job", rfc3339(NOW - HOUR))
    assert member.active(SNOMEDCT, consistent=True) == {}
    assert own.active(SNOMEDCT, consistent=True).keys() == {"job"}
    row = world.ledger.find("job", {OTHER})
    assert row is not None
    assert row["ExpiredUpstream"] is True
    # An active row of a job that is not there.
    world.record_of(OTHER, a_job("gone", "IN_PROGRESS"))
    partition = member.partition(SNOMEDCT)
    job_key = next(key for key in world.database.items if key[0] == partition and "gone" in key[1])
    world.database._remove(job_key)
    key = active_key(partition, "gone", OTHER)
    world.database.items[key["PK"], key["SK"]]["JobKey"] = {"S": "damaged"}
    assert member.active(SNOMEDCT, consistent=True) == {}
    assert (key["PK"], key["SK"]) not in world.database.items


def test_the_counters_of_the_ledger_are_those_of_all_sources_and_each_member_has_its_own():
    world = of_all_sources()
    world.agree()
    table = world.ledger.table
    for source, times in ((None, 4), *((member, 1) for member in ALL[1:])):
        (all_jobs,) = counters.all_jobs(table, SCOPE, source=source)
        jobs = {"Jobs#IN_PROGRESS": times * len(IDS), "Jobs#COMPLETED": times * 40}
        assert all_jobs.counts == jobs
        (day,) = counters.chosen_days(table, SCOPE, SNOMEDCT, [TODAY], source=source)
        assert [day] == list(counters.days(table, SCOPE, TODAY, TODAY, source=source))
        (expiring,) = counters.expirations(table, SCOPE, TODAY, source=source)
        (month,) = counters.months(table, SCOPE, "2026-11", "2026-11", source=source)
        hours = counters.jobs_by_hour(table, SCOPE, SNOMEDCT, TODAY, source=source)
        assert (
            day.counts["Jobs#IN_PROGRESS"] == month.counts["Jobs#IN_PROGRESS"] == times * len(IDS)
        )
        assert sum(expiring.counts.values()) == times * len(IDS)
        in_hours = day.counts["Jobs#IN_PROGRESS"] + day.counts.get("Jobs#COMPLETED", 0)
        assert sum(number for _, number in hours) == in_hours


@pytest.mark.parametrize("announce_new", [True, False])
@pytest.mark.parametrize("source", [SCOPE, OTHER])
def test_transactions_leave_room_for_each_counter_that_a_job_of_any_source_changes(
    source, announce_new
):
    """Each job of another day, month and expiration day: 50 actions of the ledger are twice as many of a member."""
    world = Shared()  # its database refuses more than 100 actions, and two of one row
    for status, step in (("IN_PROGRESS", HOUR), ("COMPLETED", DAY)):
        for apart in (DAY, 31 * DAY):
            jobs = (
                a_job(f"{apart}{n}", status, NOW - n * apart, ExpirationTime=NOW + n * step)
                for n in range(60)
            )
            world.record_of(source, *jobs, announce_new=announce_new)
        world.agree()


@pytest.mark.parametrize("configured", [ALL, (SCOPE,)])
@pytest.mark.parametrize("seed", range(20))
def test_a_recount_replaces_what_is_wrong_in_the_counters_of_any_source(configured, seed):
    """Rows have wrong numbers or are missing, and another, of a day without jobs, is too many."""
    source, world = random.Random(seed), of_all_sources(ended=3)
    # Sources that were removed have their states, and their jobs stay.
    for member in ALL[1:]:
        world.ledger.of(member).save_state(SNOMEDCT, SyncState(as_of=rfc3339(NOW)))
    world.ledger = Ledger(world.ledger.table, SCOPE, world.time, configured)
    rows = world.database.items
    right = {key: dict(row) for key, row in rows.items() if "#totals#" in key[0]}
    wrong = source.sample(sorted(right), source.randint(1, 6))
    for at in wrong:
        names = sorted(rows[at].keys() - {"PK", "SK", "Version"})
        if kept := source.choice([True, False]):
            rows[at][source.choice([*names, "Jobs#LOST"])] = {"N": source.choice(["-7", "99"])}
        else:
            world.database._remove(at)
        version = int(right[at]["Version"]["N"]) if kept else 0
        right[at]["Version"] = {"N": f"{version + 1}"}
    lost = {"PK": {"S": source.choice(wrong)[0]}, "SK": {"S": "day#2026-11-01#SNOMEDCT"}}
    world.database._put(lost | {"Jobs#FAILED": {"N": "1"}, "Version": {"N": "1"}})
    assert world.recount_of(SCOPE)[0] == len(wrong) + 1
    world.agree()
    assert {at: rows[at] for at in right} == right
    assert world.recount_of(SCOPE)[0] == 0


@pytest.mark.parametrize("call", range(1, 12))
def test_a_recount_beside_a_writer_replaces_nothing_that_is_right(call):
    world, calls = of_all_sources(ended=3), itertools.count(1)

    def write(operation: str) -> None:
        if next(calls) == call:
            world.record_of(OTHER, a_job("a", EndTime=NOW), a_job("new"))

    world.database.before = write
    assert world.recount_of(SCOPE)[0] == 0
    world.agree()


def test_rows_of_all_sources_that_no_counter_includes_are_counted_and_the_active_ones_followed():
    world = of_all_sources()
    world.forget_counters()
    for key in [key for key in world.database.items if key[0].endswith("#active")]:
        world.database._remove(key)
    # No transaction has more than a hundred rows: the table in memory refuses it.
    assert world.recount_of(SCOPE, counted=0) == (0, {"recounted": None, "counted": LAYOUT})
    world.agree()


@pytest.mark.parametrize(
    "sources,recounting", [(ALL, SCOPE), ((OTHER, ABROAD), OTHER), ((SCOPE,), SCOPE), ((), SCOPE)]
)
def test_one_source_recounts_for_all(sources, recounting):
    world = of_all_sources(ended=3)
    world.ledger = Ledger(world.ledger.table, SCOPE, lambda: NOW, sources)
    for source in ALL:
        world.database.forget()
        _, changed = world.recount_of(source)
        assert (changed != {}) is (source == recounting)
        assert changed or not world.database.calls
    # The own source counts after its first fill; another has counted in it, even if it never ends.
    _, changed = world.recount_of(world.ledger.keeper, as_of=None, counted=0)
    assert (changed != {}) is (recounting != SCOPE)


def test_what_equal_jobs_of_two_sources_processed_is_that_of_each():
    world = Shared()
    outputs = Outputs(world.ledger)
    for source in ALL[:2]:
        world.record_of(source, a_job(EndTime=NOW))
    keys = [tagged(a_job().sort_key, source) for source in (None, ABROAD)]
    waiting = [Waiting(SNOMEDCT, "job", key, 1, rfc3339(NOW)) for key in keys]
    for one in waiting:
        outputs.wait(one)
    assert outputs.due(rfc3339(NOW + HOUR), 10) == waiting
    outputs.done(waiting[0])
    assert outputs.due(rfc3339(NOW + HOUR), 10) == waiting[1:]
    assert outputs.record(SNOMEDCT, keys[1], Output(5, 5, 0, 500, 31))
    assert "JobOutput" not in (outputs.row(SNOMEDCT, keys[0]) or {})
    abroad = stored_counters(world.database.items, SCOPE, ABROAD)
    assert abroad["all#SNOMEDCT"]["C#COMPLETED"] == 500
    world.agree()


class Conflicting(RecordingDynamoDB):
    """A transaction takes a millisecond, and is refused when it meets another one on a row, as DynamoDB does."""

    def __init__(self) -> None:
        super().__init__()
        self._in_flight: set[tuple[str, str]] = set()
        self._guard = threading.Lock()

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        actions = [action for each in request["TransactItems"] for action in each.values()]
        rows = [action.get("Item") or action["Key"] for action in actions]
        keys = {(row["PK"]["S"], row["SK"]["S"]) for row in rows}
        with self._guard:
            if keys & self._in_flight:
                raise cancelled("TransactionConflict")
            self._in_flight |= keys
        try:
            time.sleep(0.001)
            return super().transact_write_items(**request)
        finally:
            with self._guard:
                self._in_flight -= keys


def test_twenty_five_sources_fill_at_once_without_an_error_and_in_few_transactions():
    sources = (SCOPE, *(f"{number:012}/us-east-1" for number in range(24)))
    world = Shared(sources, database=Conflicting())
    jobs = [a_job(f"{n}", submitted=NOW - n * SECOND) for n in range(120)]
    with ThreadPoolExecutor(25) as pool:
        fills = [pool.submit(world.record_of, s, *jobs, announce_new=False) for s in sources]
    assert [fill.result() for fill in fills] == [None] * 25
    assert world.database.calls["transact_write_items"] == 25 * 3
    world.agree()
