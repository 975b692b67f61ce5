"""A minute's syncs of many sources, in simulated time.

    .venv/bin/python -m bench.minute [--sources 100]

Calls take as long as stated here and in bench/synced_sources.py; the quotas are those of the stand-in, for each source: ten
calls a second, and ten active jobs for each family, of which two end in each minute. The processor time is real: what
the threads of a run take together is counted on top of the longest one's waits.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from bench.month import a_job
from bench.source_ledgers import sources_of
from bench.synced_sources import DEAD, START, SyncedSources
from jobledger.service import Family
from jobledger.sync.run import AT_ONCE
from jobledger.times import parse
from local.comprehend_medical import Family as LocalFamily
from local.comprehend_medical import Hostility
from testing.memory_dynamodb import MemoryDynamoDB

_INTERVAL = 60.0
_TABLE_SECONDS = 0.01
_JOB_SECONDS = 300
_JOBS_APART = 30
# A function with 1,769 MB has one processor (Lambda Developer Guide, "Configure memory").
_PROCESSORS = 1024 / 1769


class Minute(NamedTuple):
    """The longest runs, of the living sources and of all, and the oldest AsOf of a living source at any time, in seconds.

    `stale` is the number of sources whose AsOf is older than a minute when the next one begins.
    """

    longest: float
    longest_of_all: float
    oldest: float
    stale: int


def minutes(sources: int, dead: int) -> tuple[Minute, Minute]:
    """Return a minute with all sources alive, and the second one with some of them dead."""
    database = MemoryDynamoDB()
    names = sources_of(sources)
    synced = SyncedSources(database, names, replace(Hostility.none(), throttle=True))
    database.before = lambda operation: synced.clocks.sleep(_TABLE_SECONDS)
    count = -(-sources // AT_ONCE)
    groups = [names[number::count] for number in range(count)]
    with synced.clocks_moved():
        # The first fill, and the minute after it.
        alive = [_minute(synced, groups, START + at * _INTERVAL) for at in range(3)][-1]
        for number in range(dead):
            synced.wires[names[-1 - number]].dead = DEAD[number % len(DEAD)]
        return alive, [_minute(synced, groups, START + at * _INTERVAL) for at in (3, 4)][-1]


def measures(sources: int, dead: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of the results."""
    alive, others = minutes(sources, dead)
    minute = f"a minute's syncs of {sources} sources, simulated"
    with_dead = f"{minute}, {dead} dead"
    rows: list[tuple[str, float, float | None, str]] = [
        (f"{minute}: the longest run", alive.longest, 30, "s"),
        (f"{with_dead}: not fresh within 60 s", others.stale, dead, "sources"),
        (f"{with_dead}: the oldest AsOf of the others", others.oldest, 2 * _INTERVAL, "s"),
        (f"{with_dead}: the longest run of the others", others.longest, 30, "s"),
        (f"{with_dead}: the longest run", others.longest_of_all, _INTERVAL, "s"),
    ]
    for measure, value, goal, unit in rows:
        yield {"measure": measure, "value": value, "goal": goal, "unit": unit}


def _minute(synced: SyncedSources, groups: Sequence[Sequence[str]], at: float) -> Minute:
    """Run the syncs of one minute."""
    before = _as_of(synced)
    for wire in synced.wires.values():
        wire.service.put_jobs({LocalFamily(family.value): _jobs(at) for family in Family})
    longest = longest_of_all = oldest = 0.0
    for group in groups:
        run = synced.run(group, at)
        processor = run.processor_seconds / _PROCESSORS
        for source, ended in run.ended.items():
            seconds = ended - at + processor
            longest_of_all = max(longest_of_all, seconds)
            if not synced.wires[source].dead:
                longest = max(longest, seconds)
                oldest = max(oldest, at + seconds - before.get(source, at))
    after = _as_of(synced)
    stale = sum(at + _INTERVAL - after.get(source, 0.0) > _INTERVAL for source in synced.sources)
    return Minute(longest, longest_of_all, oldest, stale)


def _as_of(synced: SyncedSources) -> dict[str, float]:
    """Return the oldest AsOf of each source."""
    states = synced.ledger.states().by_source
    return {
        source: min(parse(state.as_of).timestamp() if state.as_of else 0.0 for state in of.values())
        for source, of in states.items()
    }


def _jobs(at: float) -> list[dict[str, Any]]:
    """Return the jobs of the last quarter of an hour: one has begun each half minute."""
    newest = int(at) // _JOBS_APART
    jobs = []
    for number in range(newest - 30, newest):
        submitted = number * _JOBS_APART + 1.0
        ended = at - submitted >= _JOB_SECONDS
        jobs.append({"JobStatus": "IN_PROGRESS", **a_job(number, submitted, ended=ended)})
    return jobs


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sources", type=int, default=100)
    asked = parser.parse_args()
    for row in measures(asked.sources, asked.sources // 10):
        print(json.dumps(row), flush=True)
