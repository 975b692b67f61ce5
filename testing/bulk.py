"""The rows of many jobs, as the ledger writes them, without its transactions."""

from collections.abc import Iterable, Iterator

from jobledger.jobs import Job
from jobledger.ledger.counters import Changes
from jobledger.ledger.counts import submit_day
from jobledger.ledger.job_facts import facts_of_job
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import job_row
from jobledger.ledger.table import encode
from jobledger.service import Family
from testing.builders import MemoryLedger
from testing.dynamodb_limits import Item


def bulk_rows(ledger: Ledger, family: Family, jobs: Iterable[Job]) -> Iterator[Item]:
    """Yield the row of each new job of a family, observed when it was submitted, and then the counter rows."""
    changes = Changes(ledger.scope, family)
    for job in jobs:
        changes.add(submit_day(job.sort_key), facts_of_job(job))
        time = str(job.submit_time)
        yield encode(job_row(ledger.partition(family), job, None, time, time))
    for increment in changes.increments():
        yield encode({**increment.key, **increment.amounts})


def fill(world: MemoryLedger, jobs: Iterable[Job]) -> None:
    """Put many new jobs into a ledger in memory, and begin to count after them."""
    by_family: dict[Family, list[Job]] = {}
    for job in jobs:
        by_family.setdefault(job.family, []).append(job)
    for family, mine in by_family.items():
        for row in bulk_rows(world.ledger, family, mine):
            world.database._put(row)
    world.database.forget()
