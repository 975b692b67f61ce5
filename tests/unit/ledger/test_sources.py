"""Several sources in one ledger: their keys, their active jobs, their counters, and what a recount of them repairs."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.ledger import counters
from jobledger.ledger.active import ActiveJob, active_from_row, active_key, active_row
from jobledger.ledger.counters import Changes
from jobledger.ledger.counts import LAYOUT, submit_day
from jobledger.ledger.job_facts import facts_of_job
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output
from jobledger.ledger.outputs import Outputs, Waiting
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sources import job_id_of, source_of_key, tagged
from jobledger.sync.confirming import ActiveJobs
from jobledger.times import rfc3339
from jobledger.totals.recount import recount
from testing.builders import DAY, HOUR, NOW, SCOPE, SECOND, a_job
from testing.memory_dynamodb import RecordingDynamoDB, cancelled
from testing.recounted import check_rows, recounted, stored_counters

SNOMEDCT = Family.SNOMEDCT
ABROAD, OTHER, LIKE = "111122223333/us-east-11", "444455556666/us-east-1", "444455556666/us-east-11"
ALL = (SCOPE, ABROAD, OTHER, LIKE)
TODAY = "2026-11-23"
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


class Shared:
    """A ledger in memory that has jobs of several sources."""

    def __init__(self, sources: tuple[str, ...] = ALL) -> None:
        self.database = RecordingDynamoDB()
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: NOW, sources)

    def record(self, source: str, *jobs: Any, **more: Any) -> None:
        more = {"announce_new": True} | more
        self.ledger.of(source).record(SNOMEDCT, jobs, rfc3339(NOW + SECOND), **more)

    def recount(self, source: str | None = None, **state: Any) -> tuple[int, Mapping[str, Any]]:
        """Recount as a sync of a source does; return the rows that were replaced, and the last changes of the state."""
        kept = replace(SyncState(as_of=rfc3339(NOW), recounted="", counted=LAYOUT), **state)
        ledger = self.ledger.of(source or self.ledger.keeper)
        done = list(recount(ledger, SNOMEDCT, kept, lambda: NOW, lambda: None))
        return sum(repaired for repaired, _ in done), done[-1][1] if done else {}

    def agree(self) -> None:
        check_rows(self.database.items, SCOPE, SNOMEDCT)
        for source in ALL[1:]:
            stored = stored_counters(self.database.items, SCOPE, source)
            assert stored == recounted(self.database.items, SCOPE, source, every_row=True)


def of_all_sources() -> Shared:
    """Jobs of equal ids and times in each source, and others, active and ended."""
    world = Shared()
    for number, source in enumerate(ALL):
        jobs = [a_job(i, "IN_PROGRESS", ExpirationTime=NOW + 9 * DAY) for i in IDS]
        jobs += [a_job(f"e{n}", submitted=NOW - (n + number) * DAY) for n in range(40)]
        world.record(source, *jobs)
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


def test_a_key_of_the_own_source_is_as_it_was():
    for job_id in ("a", "~", "#", "x~", "é", "x~1/us-east-1", "7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b"):
        assert tagged(f"T#{job_id}", None) == f"T#{job_id}"
        assert active_key("scope", job_id)["SK"] == job_id


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
    world.record(OTHER, a_job(status="IN_PROGRESS"))
    ((_, item),) = [i for i in world.database.items.items() if i[0][0].endswith("#active")]
    right = dict(item)
    item["JobKey"] = {"S": item["JobKey"]["S"].partition("~")[0]}
    assert world.ledger.of(OTHER).active(SNOMEDCT, consistent=True).keys() == {"job"}
    assert world.database.items[right["PK"]["S"], right["SK"]["S"]] == right


def test_a_sync_follows_the_jobs_that_it_sees_under_the_keys_of_their_rows():
    world = Shared()
    unused: Any = None
    followed = ActiveJobs(SNOMEDCT, unused, world.ledger.of(OTHER), unused, unused)
    followed.see([a_job(status="IN_PROGRESS")])
    assert followed.jobs["job"].sort_key.endswith(f"#job~{OTHER}")


def test_the_counters_of_the_ledger_are_those_of_all_sources_and_each_member_has_its_own():
    world = of_all_sources()
    world.agree()
    total, *members = (
        {
            row.family: dict(row.counts)
            for row in counters.all_jobs(world.ledger.table, SCOPE, source=s)
        }
        for s in (None, *ALL[1:])
    )
    jobs = {"Jobs#IN_PROGRESS": len(IDS), "Jobs#COMPLETED": 40}
    assert members == [{SNOMEDCT: jobs}] * 3
    assert total == {SNOMEDCT: {name: 4 * number for name, number in jobs.items()}}
    # Each further reader of them.
    table = world.ledger.table
    for source, times in ((None, 4), (OTHER, 1)):
        (day,) = counters.chosen_days(table, SCOPE, SNOMEDCT, [TODAY], source=source)
        assert day.counts["Jobs#IN_PROGRESS"] == times * len(IDS)
        assert [day] == list(counters.days(table, SCOPE, TODAY, TODAY, source=source))
        (expiring,) = counters.expirations(table, SCOPE, TODAY, source=source)
        assert sum(expiring.counts.values()) == times * len(IDS)
        (month,) = counters.months(table, SCOPE, "2026-11", "2026-11", source=source)
        assert month.counts["Jobs#IN_PROGRESS"] == times * len(IDS)
        hours = counters.jobs_by_hour(table, SCOPE, SNOMEDCT, TODAY, source=source)
        assert sum(n for _, n in hours) == day.counts["Jobs#IN_PROGRESS"] + day.counts.get(
            "Jobs#COMPLETED", 0
        )


def test_transactions_of_members_leave_room_for_two_rows_of_each_counter():
    """Each job of another day, month and expiration day: 50 actions of the ledger are twice as many."""
    world = Shared()
    jobs = [
        a_job(f"{n}", submitted=NOW - n * 31 * DAY, ExpirationTime=NOW + n * DAY) for n in range(60)
    ]
    world.record(OTHER, *jobs)  # the table in memory refuses more than a hundred
    world.agree()
    changes = Changes(SCOPE, SNOMEDCT)
    for job in jobs:
        changes.add(submit_day(job.sort_key), facts_of_job(replace(job, source=OTHER)))
    by_partition = [str(increment.key["PK"]) for increment in changes.increments()]
    assert sorted({*by_partition}) == [f"{SCOPE}#totals#3", f"{SCOPE}#totals#3#{OTHER}"]
    assert by_partition.count(f"{SCOPE}#totals#3") * 2 == len(by_partition)


@pytest.mark.parametrize("source", [None, OTHER])
@pytest.mark.parametrize(
    "key", ["day#2026-11-23", "month#2026-11", "all", "expires#2026-12-02~2026-11-23"]
)
@pytest.mark.parametrize("wrong", ["less", "more", "gone"])
@pytest.mark.parametrize("configured", [ALL, (SCOPE,)])
def test_a_recount_replaces_what_is_wrong_in_the_counters_of_any_source(
    source, key, wrong, configured
):
    world = of_all_sources()
    # A source that was removed has its state, and its jobs stay.
    world.ledger.of(OTHER).save_state(SNOMEDCT, SyncState(as_of=rfc3339(NOW)))
    world.ledger = Ledger(world.ledger.table, SCOPE, lambda: NOW, configured)
    at = counters.partition(SCOPE, source), f"{key}#SNOMEDCT"
    before = dict(world.database.items[at])
    if wrong == "gone":
        world.database._remove(at)
    else:
        name = next(name for name in before if name.startswith(("Jobs#", "12#")))
        world.database.items[at][name] = {"N": "1" if wrong == "less" else "99"}
    assert world.recount()[0] == 1
    assert world.database.items[at].keys() == before.keys()
    world.agree()
    assert world.recount()[0] == 0


def test_rows_of_all_sources_that_no_counter_includes_are_counted_in_transactions_of_a_hundred_rows():
    world = of_all_sources()
    for key, item in list(world.database.items.items()):
        if "#totals#" in key[0]:
            world.database._remove(key)
        item.pop("Counted", None)
    assert world.recount(counted=0) == (0, {"recounted": None, "counted": LAYOUT})
    world.agree()


@pytest.mark.parametrize(
    "sources,recounting", [(ALL, SCOPE), ((OTHER, ABROAD), OTHER), ((SCOPE,), SCOPE), ((), SCOPE)]
)
def test_one_source_recounts_for_all(sources, recounting):
    world = of_all_sources()
    world.ledger = Ledger(world.ledger.table, SCOPE, lambda: NOW, sources)
    for source in ALL:
        world.database.forget()
        _, changed = world.recount(source)
        assert (changed != {}) is (source == recounting)
        assert changed or not world.database.calls
    # The own source counts after its first fill; another has counted in it, even if it never ends.
    assert (world.recount(as_of=None, counted=0)[1] != {}) is (recounting != SCOPE)


def test_a_recount_gives_the_active_jobs_of_members_their_rows():
    world = of_all_sources()
    for key in [key for key in world.database.items if key[0].endswith("#active")]:
        world.database._remove(key)
    world.recount()
    world.agree()
    assert len(world.ledger.of(OTHER).active(SNOMEDCT)) == len(IDS)


def test_what_equal_jobs_of_two_sources_processed_is_that_of_each():
    world = Shared()
    outputs = Outputs(world.ledger)
    for source in ALL[:2]:
        world.record(source, a_job(EndTime=NOW))
    keys = [tagged(a_job().sort_key, source) for source in (None, ABROAD)]
    waiting = [Waiting(SNOMEDCT, "job", key, 1, rfc3339(NOW)) for key in keys]
    for one in waiting:
        outputs.wait(one)
    assert outputs.due(rfc3339(NOW + HOUR), 10) == waiting
    outputs.done(waiting[0])
    assert outputs.due(rfc3339(NOW + HOUR), 10) == waiting[1:]
    assert outputs.record(SNOMEDCT, keys[1], Output(5, 5, 0, 500, 31))
    assert "JobOutput" not in (outputs.row(SNOMEDCT, keys[0]) or {})
    assert (
        stored_counters(world.database.items, SCOPE, ABROAD)["all#SNOMEDCT"]["C#COMPLETED"] == 500
    )
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
    world = Shared((SCOPE, *(f"{number:012}/us-east-1" for number in range(24))))
    world.database = Conflicting()
    world.ledger = Ledger(Table(world.database, "ledger"), SCOPE, lambda: NOW, world.ledger.sources)
    jobs = [a_job(f"{n}", submitted=NOW - n * SECOND) for n in range(120)]
    with ThreadPoolExecutor(25) as pool:
        fills = [
            pool.submit(world.record, source, *jobs, announce_new=False)
            for source in world.ledger.sources
        ]
    assert [fill.result() for fill in fills] == [None] * 25
    assert world.database.calls["transact_write_items"] == 25 * 3
    world.agree()
