"""What a month of several sources requests: counted while the real sync code runs over a few of them.

A source costs the same whatever the number of sources, so what one more of them requests is counted once, at rest and
with jobs, and multiplied. What all share, such as AsOf of a page, is counted with the states of all.
"""

import json
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from bench.month import API_CALLS, DAYS, HOURS, PAGE, START, Month, a_job, month
from bench.source_ledgers import sources_of
from bench.synced_sources import SyncedSources
from jobledger.api.listing import list_jobs
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.sync.run import AT_ONCE
from jobledger.times import rfc3339
from local.comprehend_medical import Family as LocalFamily
from testing.metered_dynamodb import Metered

JOBS_A_DAY = 100
# So many a day are simulated: more would be written together.
_BUSY = 1_000
_WARM_UP, _MINUTES = 10, 60
_JOB_SECONDS = 300

Counts = dict[str, float]
"""Request units, stored bytes, changes, and log bytes of the sources and of the run itself."""


def runs_a_minute(sources: int) -> int:
    """Return the number of sync runs a minute."""
    return -(-sources // AT_ONCE)


def month_of_sources(sources: int) -> Month:
    """Return the counts for some sources, each with a hundred jobs a day. One is a ledger without the setting."""
    one = _month_of_one()
    if sources == 1:
        return one
    added, run = _added_source(), _hour(1, 0)
    members = sources - 1
    page = _page_reads(sources) - _page_reads(1)
    return replace(
        one,
        jobs=one.jobs * sources,
        reads=one.reads
        + (added["reads"] * HOURS + one.walk_reads) * members
        + page * (API_CALLS + DAYS),
        writes=one.writes + added["writes"] * HOURS * members,
        stored_bytes=one.stored_bytes + added["stored"] * HOURS * members,
        sync_log_bytes=(added["log"] * sources + run["run_log"] * runs_a_minute(sources)) * HOURS,
        changes=one.changes + round(added["changes"] * HOURS * members),
    )


def _month_of_one() -> Month:
    """Return the counts for one source. What a full walk reads for each job shows in many jobs only."""
    quiet, busy, one = (month(jobs) for jobs in (0, _BUSY, JOBS_A_DAY))
    reads, walk_reads = (
        getattr(quiet, name) + (getattr(busy, name) - getattr(quiet, name)) * JOBS_A_DAY / _BUSY
        for name in ("reads", "walk_reads")
    )
    return replace(one, reads=reads, walk_reads=walk_reads)


@cache
def _added_source() -> Counts:
    """Return what an hour of one more source requests."""
    rest, busy = (
        _difference(_hour(3, 0), _hour(1, 0)),
        _difference(_hour(3, _BUSY), _hour(1, _BUSY)),
    )
    return {name: rest[name] + (busy[name] - rest[name]) * JOBS_A_DAY / _BUSY for name in rest}


def _difference(three: Counts, one: Counts) -> Counts:
    return {name: (three[name] - one[name]) / 2 for name in three}


@cache
def _hour(sources: int, jobs_a_day: int) -> Counts:
    """Return the counts of an hour of syncs of some sources, each with its share of the jobs."""
    synced = SyncedSources(sources_of(sources))
    before: Counts = {}
    logs: list[str] = []
    with synced.reached():
        for minute in range(_WARM_UP + _MINUTES + 1):
            if minute == _WARM_UP + 1:
                before = _counted(synced.table, [])
                logs.clear()
            synced.now = START + timedelta(minutes=minute)
            for service in synced.services.values():
                service.put_jobs(_jobs(synced.now.timestamp(), jobs_a_day))
            logs.append(synced.sync())
    after = _counted(synced.table, logs)
    return {name: after[name] - before[name] for name in after}


def _counted(table: Metered, logs: list[str]) -> Counts:
    lines = [line for log in logs for line in log.splitlines()]
    of_run = [line for line in lines if "_aws" in json.loads(line)]
    size, run_size = (sum(len(line) + 1 for line in some) for some in (lines, of_run))
    return {
        "reads": table.reads,
        "writes": table.writes,
        "stored": table.stored,
        "changes": sum(partition.endswith("#changes") for partition, _ in table.items),
        "log": size - run_size,
        "run_log": run_size,
    }


def _jobs(at: float, jobs_a_day: int) -> dict[LocalFamily, list[dict[str, Any]]]:
    """Return the jobs of a source since the beginning, with what they have come to."""
    jobs: dict[LocalFamily, list[dict[str, Any]]] = {LocalFamily(family): [] for family in Family}
    number, submitted = 0, START.timestamp() + 30
    while jobs_a_day and submitted < at:
        age = at - submitted
        status = "SUBMITTED" if age < 60 else "IN_PROGRESS"
        job = {"JobStatus": status} | a_job(number, submitted, ended=age >= _JOB_SECONDS)
        jobs[LocalFamily([*Family][number % len(Family)])].append(job)
        number, submitted = number + 1, submitted + 86_400 / jobs_a_day
    return jobs


def _page_reads(sources: int) -> float:
    """Return the read units of a page without jobs: those of AsOf over all sources."""
    synced = SyncedSources(sources_of(sources))
    time = rfc3339(synced.now)
    state = SyncState(
        as_of=time, high_water_mark=time, full_walk_after=time, counted=LAYOUT, idle=True
    )
    for source in synced.sources:
        for family in Family:
            assert synced.ledger.of(source).save_state(family, state)
    before = synced.table.reads
    list_jobs(synced.ledger, {"Family": ["ALL"], "MaxResults": PAGE}, lambda: synced.now)
    return synced.table.reads - before
