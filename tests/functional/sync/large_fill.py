"""A first fill in a process of its own, of which the memory is measured. Its rows are in a file, as a database's are."""

import resource
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from bench.large_table import LargeTable
from jobledger.clients import session
from jobledger.errors import DeadlineReached
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.sync.walk import Sync
from testing.builders import SCOPE

_JOB_ROWS = f"{SCOPE}/{Family.SNOMEDCT}"


@dataclass(frozen=True)
class Result:
    """What the fill did."""

    error: str | None
    jobs: int
    stopped_at: int
    growth_mb: float


def run(endpoint: str, path: Path, stop_after_calls: int, results: Connection) -> None:
    """Fill, stop, go on, and tell."""
    database = LargeTable(path)
    ledger = Ledger(Table(database, "ledger"), SCOPE, _now)
    client = session().create_client("comprehendmedical", endpoint_url=endpoint, config=CONFIG)
    calls = 0

    def stop_once() -> None:
        nonlocal calls
        calls += 1
        if calls == stop_after_calls:
            raise DeadlineReached

    def jobs() -> int:
        return database.count(_JOB_ROWS)

    upstream = Upstream(client, stop_once)
    before = _peak_mb()
    Sync(Family.SNOMEDCT, upstream, ledger, _now).run()
    stopped_at = jobs()
    done = Sync(Family.SNOMEDCT, upstream, ledger, _now).run()
    results.send(Result(done.error, jobs(), stopped_at, _peak_mb() - before))


def _now() -> datetime:
    return datetime.now(UTC)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
