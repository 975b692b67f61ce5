"""An update of a deployment whose version stored active jobs in the state, and not in rows of their own."""

import itertools
import json
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.errors import DeadlineReached
from jobledger.ledger import counters
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.table import encode
from testing.builders import SCOPE, listed_job
from testing.world import DAY, World

OLD = 40 * 86_400
# DynamoDB's limit for a row; the older version stored some 160 bytes for each job in a walk.
LARGEST_ROW = 400 * 1024


def before_the_update(world: World, **state: Any) -> None:
    """Leave the rows that the older version wrote, with this state of its own."""
    active = f"{world.ledger.partition(world.family)}#active"
    for key in [key for key in world.database.items if key[0] == active]:
        world.database._remove(key)
    written = {
        "AsOf": "2026-11-23T12:00:00.000Z",
        "FullWalkAfter": "2026-11-24T12:00:00.000Z",
        "HighWaterMark": "2026-11-23T11:00:00.000Z",
        "SettledAt": "2026-11-23T12:00:00.100Z",
        "Counted": 2,
        "Version": 7,
        **state,
    }
    sync = json.dumps(written, separators=(",", ":"))
    row = encode({"PK": "state", "SK": world.ledger.partition(world.family), "Sync": sync})
    assert len(json.dumps(row)) < LARGEST_ROW
    world.database._put(row | {"Version": {"N": "7"}})


def state_of(world: World) -> dict[str, Any]:
    row = world.database.items["state", world.ledger.partition(world.family)]
    assert len(json.dumps(row)) < 4_096
    state: dict[str, Any] = json.loads(row["Sync"]["S"])
    return state


def active_of(world: World) -> dict[str, str]:
    """The active jobs as the older version stored them."""
    return {job_id: job.submit_time for job_id, job in world.active().items()}


def active_jobs(number: int, status: str = "IN_PROGRESS") -> list[dict[str, Any]]:
    return [listed_job(f"{n:032x}", OLD + n, status) for n in range(number)]


@pytest.mark.parametrize(
    "walking,number", [("walk", 700), ("full walk", 3), ("recount", 3), ("nothing", 300)]
)
def test_an_update_gives_active_jobs_their_rows_and_records_their_ends(walking, number):
    with World([*active_jobs(number), listed_job("ended", 100)], hostile=False) as world:
        world.sync()
        active = active_of(world)
        assert len(active) == number
        some, rest = dict([*active.items()][: number // 3]), dict([*active.items()][number // 3 :])
        full_walk = {"StartedAt": "2026-11-23T12:00:00.000Z", "Pages": 1, "Active": some}
        walk = full_walk | {"After": "2026-10-01T00:00:00.000Z", "NextToken": "an older version's"}
        states: dict[str, dict[str, Any]] = {
            "walk": {"Walk": walk | {"Known": [*active], "Missing": rest}},
            "full walk": {"FullWalk": full_walk},
            "recount": {"Counted": 1, "Recounted": "2026-09"},
        }
        before_the_update(world, Active=active, **states.get(walking, {}))
        assert active_of(world) == active
        world.sync_until_current()
        assert state_of(world).keys().isdisjoint({"Active", "Walk"})
        assert active_of(world) == active
        world.put(*active_jobs(number, "FAILED"))
        for _ in range(3):
            world.sync_until_current()
        assert world.truth() == world.statuses()
        assert world.active() == {}
        assert state_of(world)["Idle"]


def test_an_update_that_is_interrupted_is_completed_by_the_next_run():
    with World(active_jobs(200), hostile=False) as world:
        world.sync()
        active = active_of(world)
        before_the_update(world, Active=active)
        writes = itertools.count(1)

        def die(operation: str) -> None:
            if operation == "transact_write_items" and next(writes) == 3:
                raise DeadlineReached

        world.database.before = die
        assert world.sync().error == "DeadlineReached"
        row = world.database.items["state", world.ledger.partition(world.family)]
        assert "Active" in json.loads(row["Sync"]["S"])
        world.database.before = lambda operation: None
        assert active_of(world) == active
        assert world.sync().error is None
        assert active_of(world) == active


def test_a_first_fill_of_the_older_version_is_resumed_after_the_update():
    with World(active_jobs(1_200), hostile=False) as world:
        calls = iter([1, 1])

        def stop() -> None:
            if not next(calls, 0):
                raise DeadlineReached

        before, world.upstream._before_call = world.upstream._before_call, stop
        assert world.sync().error == "DeadlineReached"
        world.upstream._before_call = before
        walk = state_of(world)["Walk"] | {"Active": active_of(world), "Pages": 2}
        before_the_update(world, AsOf=None, HighWaterMark=None, Walk=walk)
        done = world.sync()
        assert (done.error, done.upstream_calls) == (None, 1)
        assert len(world.active()) == 1_200


def test_the_older_version_that_runs_again_is_followed_by_another_update():
    """It stores its active jobs in the state again, and does not know the rows."""
    with World(
        [listed_job("job", OLD, "IN_PROGRESS"), listed_job("new", OLD, "COMPLETED")], hostile=False
    ) as world:
        world.sync()
        rows = [dict(item) for key, item in world.database.items.items() if "#active" in key[0]]
        before_the_update(world, Active={"new": "2026-10-14T12:00:00.000Z"})
        for row in rows:
            world.database._put(row)
        for _ in range(2):
            world.sync_until_current()
        assert world.active().keys() == {"job"}


@pytest.mark.parametrize("older_layout", [None, LAYOUT - 1])
def test_an_upgraded_ledger_is_counted_by_the_first_sync_and_verified_each_day(older_layout):
    with World([listed_job(f"{n}", n * DAY / 3) for n in range(300)], hostile=False) as world:
        world.sync()
        partition, totals = world.ledger.partition(world.family), counters.partition(SCOPE)
        for key, item in list(world.database.items.items()):
            if key[0] == totals:
                del world.database.items[key]
                world.database._order[None, key[0]].clear()
            if item.pop("Counted", None) and older_layout:
                item["Counted"] = {"N": str(older_layout)}
        state = world.ledger.state(world.family)
        world.ledger.save_state(world.family, replace(state, counted=older_layout or 0))
        assert not world.ledger.state(world.family).counters_complete
        done = world.sync()
        assert (done.error, done.counters_repaired) == (None, 0)
        assert world.ledger.state(world.family).counters_complete
        rows = [item for (pk, _), item in world.database.items.items() if pk == partition]
        assert {item["Counted"]["N"] for item in rows} == {str(LAYOUT)}
        key = next(key for key in world.database.items if key[1].startswith("month#2026-10"))
        world.database.items[key]["Jobs#COMPLETED"] = {"N": "1"}
        assert world.sync().counters_repaired == 0
        world.clock.forward(DAY)
        assert world.sync().counters_repaired == 1
        world.clock.forward(DAY)
        assert world.sync().counters_repaired == 0
