"""Very many jobs active at once: no row grows with them, and each end is recorded."""

import re
from collections import defaultdict
from math import ceil

import pytest

from jobledger.ledger.counts import LAYOUT
from testing.builders import SCOPE, START, listed_job
from testing.dynamodb_limits import size_of
from testing.full import in_full
from testing.processes import ROOT
from testing.world import DAY, World

ACTIVE = in_full(3_000, 50_000)
NAME = "ä" * 256  # the longest name, of letters of two bytes
ARCHITECTURE = ROOT / "docs" / "architecture.md"


def many(number: int) -> list[dict]:
    """Jobs of a month, with the longest names; each expires after 120 days."""
    ages = [100 + n * 30 * DAY / number for n in range(number)]
    expire = [round(START - age + 120 * DAY, 3) for age in ages]
    return [
        listed_job(f"{n:032x}", age, "IN_PROGRESS", JobName=NAME, ExpirationTime=expire[n])
        for n, age in enumerate(ages)
    ]


def ended(job: dict) -> dict:
    return job | {"JobStatus": "FAILED", "EndTime": START, "Message": "why"}


OF_JOBS = {"": "job", "changes": "change", "active": "active", "ended": "ended"}
COUNTERS = {"all": "all-jobs counter", "expires": "expiration counter"}


def kind(key: tuple[str, str]) -> str:
    """The name of a row in the table of docs/architecture.md."""
    pk, sk = key
    if pk == f"{SCOPE}#totals#{LAYOUT}":
        counted = sk.partition("#")[0]
        return COUNTERS.get(counted, f"{counted} counter")
    return OF_JOBS.get(pk.partition("#")[2], pk) if "/" in pk else pk


def bounds() -> dict[str, int]:
    """The largest size of each kind of row, in KB, as the architecture document says."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    table = text.partition("### The size of a row")[2].partition("\n##")[0]
    rows = re.findall(r"^\| ([\w -]+) \| (\d+) KB \|", table, re.MULTILINE)
    return {name: int(number) * 1_024 for name, number in rows}


def check_sizes(world: World) -> None:
    sizes: dict[str, int] = defaultdict(int)
    for key, item in world.database.items.items():
        sizes[kind(key)] = max(sizes[kind(key)], size_of(item))
    documented = bounds()
    assert {name: size for name, size in sizes.items() if size > documented[name]} == {}


def at_rest(world: World) -> tuple[dict[str, int], int, int]:
    """The calls of a sync to the table and to the service, and the rows that it reads by queries."""
    for _ in range(3):
        world.sync()
    world.database.calls.clear()
    world.database.rows_read = 0
    done = world.sync()
    assert done.error is None
    return dict(world.database.calls), world.database.rows_read, done.upstream_calls


@pytest.mark.full
@pytest.mark.longest
def test_of_very_many_active_jobs_each_end_is_recorded_and_no_row_grows_with_them():
    jobs = many(ACTIVE)
    with World(jobs, hostile=False) as world:
        first = world.sync()
        assert (first.error, first.active) == (None, ACTIVE)
        check_sizes(world)
        done = world.sync()
        assert (done.error, done.active) == (None, ACTIVE)
        assert done.upstream_calls == ceil(ACTIVE / 500)
        half = ACTIVE // 2
        world.put(*map(ended, jobs[:half]))
        done = world.sync()
        assert (done.error, done.transitions, done.active) == (None, half, ACTIVE - half)
        check_sizes(world)
        world.put(*map(ended, jobs[half:]))
        assert world.sync().error is None
        assert world.truth() == world.statuses()
        assert world.active() == {}
        check_sizes(world)
        calls = at_rest(world)
    with World([ended(job) for job in many(600)], hostile=False) as world:
        assert calls == at_rest(world)
