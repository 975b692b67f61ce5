"""A minute's syncs of many sources, in simulated time.

    .venv/bin/python -m bench.minute [--sources 100]

Calls take as long as stated here and in bench/synced_sources.py; the quotas are those of the stand-in, for each source: ten
calls a second, and ten active jobs for each family, of which two end in each minute. The processor time is real: what
the threads of a run take together is counted on top of the longest one's waits.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from bench.month import a_job
from bench.source_ledgers import sources_of
from bench.synced_sources import DEAD, START, SyncedSources
from jobledger.service import Family
from jobledger.times import parse
from local.comprehend_medical import Family as LocalFamily
from local.comprehend_medical import Hostility
from testing.memory_dynamodb import MemoryDynamoDB

GROUP = 25
_INTERVAL = 60.0
_MINUTES = 3
_TABLE_SECONDS = 0.01
_JOB_SECONDS = 300
_JOBS_APART = 30
# A function with 1,769 MB has one processor (Lambda Developer Guide, "Configure memory").
_PROCESSORS = 1024 / 1769


class Minutes(NamedTuple):
    """The longest run, without the dead sources, and the oldest AsOf of a living source at any time, in seconds.

    `stale` is the number of sources whose AsOf is older than a minute when a minute's runs have ended.
    """

    longest: float
    longest_with_dead: float
    oldest: float
    stale: int


def minutes(sources: int, dead: int = 0) -> Minutes:
    """Sync a number of sources each minute, the last few of which are dead."""
    database = MemoryDynamoDB()
    names = sources_of(sources)
    synced = SyncedSources(database, names, replace(Hostility.none(), throttle=True))
    database.before = lambda operation: synced.clocks.sleep(_TABLE_SECONDS)
    groups = [names[number :: -(-sources // GROUP)] for number in range(-(-sources // GROUP))]
    with synced.clocks_moved():
        for at in range(-2, 0):
            _minute(synced, groups, START + at * _INTERVAL)
        for number in range(dead):
            synced.wires[names[-1 - number]].dead = DEAD[number % len(DEAD)]
        return [_minute(synced, groups, START + at * _INTERVAL) for at in range(_MINUTES)][-1]


def _minute(synced: SyncedSources, groups: Sequence[Sequence[str]], at: float) -> Minutes:
    """Run the syncs of one minute."""
    before = _as_of(synced)
    for source, wire in synced.wires.items():
        wire.service.put_jobs({LocalFamily(family.value): _jobs(at) for family in Family})
        assert source
    longest = longest_with_dead = oldest = 0.0
    for group in groups:
        run = synced.run(group, at)
        processor = run.processor_seconds / _PROCESSORS
        for source, ended in run.ended.items():
            seconds = ended - at + processor
            longest_with_dead = max(longest_with_dead, seconds)
            if not synced.wires[source].dead:
                longest = max(longest, seconds)
                oldest = max(oldest, at + seconds - before.get(source, at))
    after = _as_of(synced)
    stale = sum(at + _INTERVAL - after.get(source, 0.0) > _INTERVAL for source in synced.sources)
    return Minutes(longest, longest_with_dead, oldest, stale)


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
    began = time.process_time()
    print(
        minutes(asked.sources),
        minutes(asked.sources, dead=asked.sources // 10),
        time.process_time() - began,
    )
