"""The stand-in, a ledger in memory and a clock that only the test moves: a world for sync tests."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.config import Config

from jobledger.clients import session
from jobledger.ledger.active import ActiveJob
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import Change
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sync.progress import FamilySync
from jobledger.sync.upstream import CONFIG, Upstream
from jobledger.sync.walk import Sync
from local.comprehend_medical import Family as LocalFamily
from local.comprehend_medical import Hostility, Server
from testing.builders import FAR_FUTURE, FAR_PAST, SCOPE, START, listed_job
from testing.dynamodb_limits import Item
from testing.memory_dynamodb import MemoryDynamoDB

MINUTE, DAY = 60, 86_400


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, seconds: float = START) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def forward(self, seconds: float) -> None:
        self.seconds += seconds


class World:
    """A family's service and ledger. Each call of `sync` is one run, one second later.

    `database` is a DynamoDB client with the property `items`, in memory by default.
    """

    def __init__(
        self,
        jobs: list[dict[str, Any]] | None = None,
        *,
        family: Family = Family.SNOMEDCT,
        hostile: bool = True,
        client_config: Config | None = None,
        database: Any = None,
    ) -> None:
        self.family = family
        self.clock = Clock()
        # A clock that stands still would throttle everything: the rate has tests of its own.
        hostility = Hostility(throttle=False) if hostile else Hostility.none()
        given = {local_family(family): jobs} if jobs else None
        self.server = Server(jobs=given, hostility=hostility, clock=self.clock.time)
        self.database: MemoryDynamoDB = database or MemoryDynamoDB()
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, self.clock.now)
        self._config = client_config or CONFIG.merge(
            Config(retries={"mode": "standard", "total_max_attempts": 1})
        )

    def __enter__(self) -> "World":
        self.server.__enter__()
        self.upstream = Upstream(self.client(self._config))
        return self

    def __exit__(self, *error: Any) -> None:
        self.server.__exit__(*error)

    def client(self, config: Config | None = None) -> Any:
        """A botocore client of the stand-in, as a user has one."""
        return session().create_client(
            "comprehendmedical", endpoint_url=self.server.endpoint, config=config
        )

    def sync(self) -> FamilySync:
        self.clock.forward(1)
        return Sync(self.family, self.upstream, self.ledger, self.clock.now).run()

    def sync_until_current(self, runs: int = 20) -> FamilySync:
        """Run until a whole walk has succeeded."""
        for _ in range(runs):
            done = self.sync()
            if done.error is None:
                return done
        raise AssertionError(f"no walk is complete after {runs} runs: {done.error}")

    def ledger_jobs(self) -> dict[str, dict[str, Any]]:
        """Every job of the ledger by its id; a job that is there twice fails."""
        jobs = [msgspec.json.decode(row["Job"]["S"]) for row in self._job_rows()]
        by_id = {job["JobId"]: job for job in jobs}
        assert len(by_id) == len(jobs)
        return by_id

    def first_observed(self) -> dict[str, str]:
        """The time when each job of the ledger was first observed."""
        return {
            row["SK"]["S"].partition("#")[2]: row["FirstObservedAt"]["S"]
            for row in self._job_rows()
        }

    def _job_rows(self) -> list[Item]:
        partition = self.ledger.partition(self.family)
        return [item for (pk, _), item in self.database.items.items() if pk == partition]

    def active(self) -> dict[str, ActiveJob]:
        """The active jobs by id; each is a row."""
        return self.ledger.active(self.family)

    def statuses(self) -> dict[str, str]:
        return {job_id: job["JobStatus"] for job_id, job in self.ledger_jobs().items()}

    def changes(self) -> list[Change]:
        return list(self.ledger.changes(self.family, FAR_PAST, FAR_FUTURE))

    def truth(self) -> dict[str, str]:
        """The status of every job that the service holds now."""
        jobs = self.server.jobs()[local_family(self.family)]
        return {job["JobId"]: job["JobStatus"] for job in jobs}

    def calls_received(self) -> int:
        """The calls that the stand-in has received."""
        return sum(self.server.calls()["Counts"].values())

    def put(self, *jobs: dict[str, Any]) -> None:
        self.server.put_jobs({local_family(self.family): list(jobs)})

    def delete(self, *job_ids: str) -> None:
        self.server.delete_jobs({local_family(self.family): list(job_ids)})

    def query(self, **filters: Any) -> JobQuery:
        return JobQuery(families=(self.family,), **filters)


def local_family(family: Family) -> Any:
    """The stand-in knows nothing of the product's types, but the names are the same."""
    return LocalFamily(family.value)


def old_jobs(count: int, apart: float = 600) -> list[dict[str, Any]]:
    """Jobs that were submitted a day or more before START, `apart` seconds after each other."""
    return [
        listed_job(f"{number:032x}", DAY + number * apart, JobName="n") for number in range(count)
    ]
