"""A first fill in a process of its own, of which the memory is measured."""

import json
import resource
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from jobledger.clients import session
from jobledger.errors import DeadlineReached
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.sync.walk import Sync
from testing.builders import SCOPE
from testing.memory_dynamodb import MemoryDynamoDB


@dataclass(frozen=True)
class Result:
    """What the fill did."""

    error: str | None
    jobs: int
    stopped_at: int
    growth_mb: float


class OnDisk(MemoryDynamoDB):
    """Keeps its rows in a file: a real database's memory is not the sync's either."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows = sqlite3.connect(path, isolation_level=None)
        self.rows.execute("PRAGMA synchronous = OFF")
        self.rows.execute("CREATE TABLE row (pk TEXT, sk TEXT, item TEXT, PRIMARY KEY (pk, sk))")
        self.items = self  # type: ignore[assignment] # what the methods above it ask of a dict

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        found = self.rows.execute("SELECT item FROM row WHERE pk = ? AND sk = ?", key).fetchone()
        return json.loads(found[0]) if found else default

    def __contains__(self, key: tuple[str, str]) -> bool:
        return self.get(key) is not None

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self.get(key)

    def _put(self, item: Any) -> None:
        row = (item["PK"]["S"], item["SK"]["S"], json.dumps(item))
        self.rows.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", row)

    def count(self) -> int:
        """How many rows there are of jobs."""
        query = "SELECT COUNT(*) FROM row WHERE pk LIKE '%/SNOMEDCT'"
        return int(self.rows.execute(query).fetchone()[0])


def run(endpoint: str, path: Path, stop_after_calls: int, results: Connection) -> None:
    """Fill, stop, go on, and tell."""
    database = OnDisk(path)
    ledger = Ledger(Table(database, "ledger"), SCOPE, _now)
    client = session().create_client("comprehendmedical", endpoint_url=endpoint, config=CONFIG)
    calls = 0

    def stop_once() -> None:
        nonlocal calls
        calls += 1
        if calls == stop_after_calls:
            raise DeadlineReached

    upstream = Upstream(client, stop_once)
    sync: Callable[[], Sync] = lambda: Sync(Family.SNOMEDCT, upstream, ledger, _now)  # noqa: E731 - short
    before = _peak_mb()
    sync().run()
    stopped_at = database.count()
    done = sync().run()
    results.send(Result(done.error, database.count(), stopped_at, _peak_mb() - before))


def _now() -> datetime:
    return datetime.now(UTC)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
