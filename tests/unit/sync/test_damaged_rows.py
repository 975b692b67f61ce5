"""A damaged row of what syncs keep for themselves is replaced by the next sync, and stops none."""

import time

import pytest

from jobledger.ledger.counters import partition
from jobledger.service import Family
from jobledger.sync.pace import Pace
from jobledger.sync.source import Asked, Source, sync_source
from jobledger.times import rfc3339
from testing.builders import SCOPE, listed_job
from testing.memory_dynamodb import cancelled
from testing.recounted import recounted, stored_counters
from testing.world import DAY, MINUTE, World

ODD = {
    "a text": {"S": "1 text"},
    "a fraction": {"N": "0.5"},
    "null": {"NULL": True},
    "a list": {"L": []},
    "missing": None,
}
COUNTERS = partition(SCOPE)


class Synced(World):
    """A ledger of four jobs, of which two are active; `run` is a run of the sync function."""

    def __init__(self) -> None:
        super().__init__(
            [listed_job(f"job{n}", 60 * n, "IN_PROGRESS") for n in range(4)], hostile=False
        )

    def run(self, if_older_than: float) -> str | None:
        self.clock.forward(MINUTE)
        pace = Pace(self.ledger.table, SCOPE, self.clock.time, self.clock.forward)
        source = Source(self.ledger, self.upstream, pace)
        asked = Asked([Family.SNOMEDCT], if_older_than, time.time() + 1e9)
        answers = sync_source(source, asked, self.clock.now, lambda *_: None)
        pace()
        error: str | None = answers[Family.SNOMEDCT].get("Error")
        return error

    def end(self, *numbers: int) -> None:
        self.put(*(listed_job(f"job{n}", 60 * n) for n in numbers))


@pytest.fixture
def world(monkeypatch):
    """As DynamoDB does, refuse to add to what is no number."""
    import testing.memory_dynamodb as memory

    add = memory._added

    def added(item, **update):
        try:
            return add(item, **update)
        except (TypeError, ValueError) as error:
            raise cancelled("None", "ValidationError") from error

    monkeypatch.setattr(memory, "_added", added)
    with (world := Synced()):
        for seconds in (0, 2):
            assert world.run(seconds) is None
        world.end(0, 1)
        assert world.run(0) is None
        yield world


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "pk, sk, attribute",
    [
        ("state", f"{SCOPE}/SNOMEDCT", "Sync"),
        ("state", f"{SCOPE}/SNOMEDCT", "Version"),
        ("pace", SCOPE, "NextCall"),
        ("pace", SCOPE, "Version"),
        ("claim", f"{SCOPE}/SNOMEDCT", "Since"),
        ("claim", f"{SCOPE}/SNOMEDCT", "Answer"),
        ("claim", f"{SCOPE}/SNOMEDCT", "Version"),
        (COUNTERS, "all#SNOMEDCT", "Version"),
        (COUNTERS, "all#SNOMEDCT", "Jobs#COMPLETED"),
        (COUNTERS, "day#2026-11-23#SNOMEDCT", "Jobs#IN_PROGRESS"),
        (COUNTERS, "month#2026-11#SNOMEDCT", "Version"),
    ],
)
@pytest.mark.parametrize("if_older_than", [0, 2])
def test_the_next_sync_replaces_a_damaged_row(pk, sk, attribute, value, if_older_than, world):
    row = world.database.items[pk, sk]
    row.pop(attribute, None)
    row |= {attribute: ODD[value]} if ODD[value] else {}
    world.end(2)
    world.put(listed_job("new", 5))
    assert world.run(if_older_than) is None
    assert world.statuses() == world.truth()
    assert (world.changes()[-1].previous, set(world.active())) == (None, {"job3"})
    assert world.run(0) is None
    assert world.ledger.states()[world.family].as_of > rfc3339(world.clock.now())[:15]
    world.clock.forward(DAY)
    assert world.run(0) is None
    assert stored_counters(world.database.items, SCOPE) == recounted(world.database.items, SCOPE)


@pytest.mark.parametrize(
    "sync",
    [
        "{}",
        '{"Version":1,"AsOf":"1 text"}',
        '{"Version":1,"HighWaterMark":"1"}',
        '{"Version":1,"Walk":{"StartedAt":"1"}}',
        '{"Version":1,"LastError":{"Name":"a","At":"1"}}',
    ],
)
def test_a_state_with_an_odd_time_or_version_is_replaced_and_no_change_is_lost(sync, world):
    row = world.database.items["state", f"{SCOPE}/SNOMEDCT"]
    row |= {"Sync": {"S": sync}, "Version": {"N": "1"}}
    if sync == "{}":
        row["Version"] = {"N": "7"}
    assert world.ledger.states() == {}
    world.end(2)
    world.put(listed_job("new", 5))
    assert world.run(0) is None
    assert world.statuses() == world.truth()
    assert {change.job_id for change in world.changes()[-2:]} == {"job2", "new"}
    assert world.ledger.states()[world.family].counters_complete
