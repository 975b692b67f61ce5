"""Several sources of one ledger, and syncs of them that are killed, refused and interrupted by others, at random."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from jobledger.errors import JobUnknown, LedgerUnavailable
from jobledger.jobs import Job
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output
from jobledger.ledger.outputs import Outputs
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sources import source_of_key
from jobledger.sync.progress import FamilySync
from jobledger.sync.upstream import Upstream, UpstreamPage
from jobledger.sync.walk import Sync
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MINUTE, NOW, SCOPE, SECOND, a_job
from testing.memory_dynamodb import MemoryDynamoDB, cancelled
from testing.recounted import check_rows, recounted, stored_counters
from testing.stepped_sync import Crash

FAMILY = Family.SNOMEDCT
# Of one account in two regions, of which one begins like the other, and of others.
MEMBERS = ("111122223333/us-east-11", "444455556666/us-east-1", "444455556666/us-east-11")
_IDS = (*map(str, range(9)), "a", "b", "c", "~1", "x~444455556666/us-east-1", "x", "#")
_NEXT = {"SUBMITTED": ["IN_PROGRESS", "FAILED"], "IN_PROGRESS": ["COMPLETED", "PARTIAL_SUCCESS"]}


class Listed:
    """The service in one source: pages of three jobs, newest first; some jobs are listed late."""

    def __init__(self, world: "SeveralSources") -> None:
        self._world = world
        self.jobs: dict[str, tuple[datetime, Job]] = {}
        self.forgotten: set[str] = set()
        self.calls = self.throttles = 0

    def reset(self) -> None:
        self.calls = 0

    def page(self, family: Family, after: str | None, next_token: str | None) -> UpstreamPage:
        self._world.interfere("page")
        self.calls += 1
        listed = [job for since, job in self.jobs.values() if since <= self._world.now]
        newest = sorted(listed, key=lambda job: job.sort_key, reverse=True)
        newest = [
            job
            for job in newest
            if (job.submit_time or "") > (after or "") and job.sort_key < (next_token or "~")
        ]
        token = newest[2].sort_key if len(newest) > 3 else None
        return UpstreamPage(tuple(newest[:3]), token)

    def describe(self, family: Family, job_id: str) -> Job:
        self.calls += 1
        if job_id not in self.jobs:
            raise JobUnknown("ResourceNotFoundException")
        return self.jobs[job_id][1]


class SeveralSources:
    """The world of one seed. `act` is one step; `converge` lets the ledger agree with each service."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = NOW
        self.database = MemoryDynamoDB()
        self.all = (SCOPE, *MEMBERS[: self.random.randint(2, 3)])
        self.services = {source: Listed(self) for source in self.all}
        self.sources: tuple[str, ...] = ()
        self.configure()
        self.repaired = 0
        self._left, self._meanwhile = 0, cast("Callable[[str], object] | None", None)

    def configure(self) -> None:
        """Choose other sources; without the own one, the first of them keeps the counters."""
        self.sources = tuple(self.random.sample(self.all, self.random.randint(1, len(self.all))))
        if self.sources == (SCOPE,) and self.random.random() < 0.5:
            self.sources = ()

    def ledger(self, source: str = SCOPE) -> Ledger:
        """A ledger of a process of its own."""
        base = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now, self.sources)
        return base.of(source)

    def act(self) -> None:
        self.now += self.random.choice([SECOND, MINUTE, 5 * MINUTE, 26 * HOUR])
        for source in self.all:
            self.change(self.services[source])
        if self.random.random() < 0.15:
            self.configure()
        source = self.random.choice(self.ledger().sources)
        kind = self.random.choice(["alone", "alone", "killed", "refused", "interrupted"])
        before = self.others(source)
        self._left = self.random.randint(1, 25)
        self._meanwhile = {
            "alone": None,
            "killed": self._kill,
            "refused": self._refuse,
            "interrupted": self._interrupt,
        }[kind]
        self.database.before = self.interfere
        with suppress(Crash, LedgerUnavailable):
            self.sync(source)
        self.database.before, self._meanwhile = (lambda operation: None), None
        if kind != "interrupted":
            assert self.others(source) == before
        self.check()

    def change(self, service: Listed) -> None:
        """Let the service go on: a job is new, moves on, has another submit time, or is forgotten."""
        job_id = self.random.choice(_IDS)
        if job_id in service.forgotten:
            return
        if job_id not in service.jobs:
            submitted = self.now - self.random.choice([0, 1, 5]) * MINUTE
            # Equal times and ids in several sources.
            submitted = submitted.replace(microsecond=0)
            job = a_job(job_id, "SUBMITTED", submitted, ExpirationTime=submitted + 120 * DAY)
            late = self.random.choice([0, 0, 4]) * MINUTE
            service.jobs[job_id] = self.now + late, job
            return
        since, job = service.jobs[job_id]
        chance = self.random.random()
        if chance < 0.1:
            del service.jobs[job_id]
            service.forgotten.add(job_id)
        elif chance < 0.2:
            moved = datetime.fromisoformat(str(job.submit_time)) + self.random.choice([HOUR, -DAY])
            service.jobs[job_id] = since, self._like(job, str(job.status), moved)
        elif job.status in _NEXT:
            status = self.random.choice(_NEXT[job.status])
            submitted = datetime.fromisoformat(str(job.submit_time))
            service.jobs[job_id] = since, self._like(job, status, submitted)

    def _like(self, job: Job, status: str, submitted: datetime) -> Job:
        more: dict[str, Any] = (
            {} if status in _NEXT else {"EndTime": job.end_time or rfc3339(self.now)}
        )
        return a_job(job.job_id, status, submitted, ExpirationTime=job.expiration_time, **more)

    def interfere(self, operation: str) -> None:
        """Called before each request to the table and to a service."""
        self._left -= 1
        if self._meanwhile and self._left <= 0:
            self._meanwhile(operation)

    def _kill(self, operation: str) -> None:
        self._meanwhile = None
        raise Crash

    def _refuse(self, operation: str) -> None:
        """Refuse the next writes, for some of which another transaction is the reason."""
        if operation != "transact_write_items":
            return
        if self._left < -9:
            self._meanwhile = None
        raise cancelled(self.random.choice(["TransactionConflict", "ConditionalCheckFailed"]))

    def _interrupt(self, operation: str) -> None:
        """Let another process act: one that syncs a source, perhaps the same one, or one that records outputs."""
        self._meanwhile = None
        self.random.choice([self.sync, self.sync, self.record_output])(
            self.random.choice(self.ledger().sources)
        )

    def sync(self, source: str) -> FamilySync:
        upstream = cast(Upstream, self.services[source])
        done = Sync(FAMILY, upstream, self.ledger(source), lambda: self.now).run()
        self.repaired += done.counters_repaired
        return done

    def record_output(self, source: str) -> None:
        """Record what a job of any source processed."""
        outputs = Outputs(self.ledger(source))
        rows = list(self.rows(lambda pk, sk: pk == f"{SCOPE}/{FAMILY}"))
        if rows:
            (_, key), _ = self.random.choice(rows)
            size = self.random.randint(1, 9)
            outputs.record(FAMILY, key, Output(size, size, 0, 100 * size, 31))

    def rows(self, wanted: Callable[[str, str], bool]) -> Iterator[tuple[tuple[str, str], Any]]:
        return ((key, item) for key, item in self.database.items.items() if wanted(*key))

    def others(self, source: str) -> dict[tuple[str, str], Any]:
        """The rows of the other sources: jobs, active jobs, states and counters."""

        def is_of_another(pk: str, sk: str) -> bool:
            if pk == "state":
                return not sk.startswith(f"{source}/")
            if pk == f"{SCOPE}/{FAMILY}":
                return (source_of_key(sk) or SCOPE) != source
            if pk == f"{SCOPE}/{FAMILY}#active":
                return not sk.startswith(f"~{source}#") if source != SCOPE else sk[1:2].isdigit()
            return pk.startswith(f"{SCOPE}#totals#3#") and not pk.endswith(f"#{source}")

        # The recount of one source marks those of the others that it counts.
        marks = {"Counted", "CountedAs", "Version"}
        return {
            key: {name: value for name, value in item.items() if name not in marks}
            for key, item in self.rows(is_of_another)
        }

    def check(self) -> None:
        """The counters of members are those of their rows; those of the ledger are, when a state says so."""
        items, states = self.database.items, self.ledger().states()
        if FAMILY in states and states[FAMILY].counters_complete:
            assert stored_counters(items, SCOPE) == recounted(items, SCOPE, every_row=True)
        for member in self.all[1:]:
            counted = stored_counters(items, SCOPE, member)
            assert counted == recounted(items, SCOPE, member, every_row=True)
        assert self.repaired == 0

    def converge(self) -> None:
        self.sources = self.all
        for _ in range(3):
            self.now += 26 * HOUR
            for source in self.all:
                for _ in range(6):
                    if self.sync(source).error is None:
                        break
        check_rows(self.database.items, SCOPE, FAMILY)
        self.check()
        jobs = self.rows(lambda pk, sk: pk == f"{SCOPE}/{FAMILY}")
        found = {(source_of_key(sk) or SCOPE, item["Job"]["S"]) for (_, sk), item in jobs}
        truth = {
            (source, job.json)
            for source, service in self.services.items()
            for _, job in service.jobs.values()
        }
        assert truth - found == set()
        assert self.ledger().states()[FAMILY].counters_complete
