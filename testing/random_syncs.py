"""Syncs of several sources of one ledger at once, step by step, at random: some are killed, and writes are refused."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, cast
from unittest import mock

from jobledger.jobs import Job
from jobledger.ledger.active import followed_source
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output
from jobledger.ledger.outputs import Outputs
from jobledger.ledger.states import SyncState
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.sources import job_id_of, source_of_key
from jobledger.sync.upstream import Upstream
from jobledger.sync.walk import Sync
from jobledger.times import rfc3339
from testing.builders import DAY, FAR_FUTURE, FAR_PAST, HOUR, MINUTE, NOW, SCOPE, SECOND, a_job
from testing.listed import Listed
from testing.memory_dynamodb import MemoryDynamoDB, cancelled
from testing.recounted import check_rows, recounted, stored_counters
from testing.stepped_sync import Stepped

FAMILY = Family.SNOMEDCT
JOBS = f"{SCOPE}/{FAMILY}"
# Of one account in two regions, of which one begins like the other, and of others.
MEMBERS = ("111122223333/us-east-11", "444455556666/us-east-1", "444455556666/us-east-11")
_IDS = (*map(str, range(9)), "a", "b", "c", "~1", "x~444455556666/us-east-1", "x", "#")
_NEXT = {
    "SUBMITTED": ["IN_PROGRESS", "STOP_REQUESTED", "FAILED"],
    "IN_PROGRESS": ["COMPLETED", "PARTIAL_SUCCESS", "STOP_REQUESTED"],
    "STOP_REQUESTED": ["STOPPED"],
}
_TO_THE_END = 1_000_000

JobId = tuple[str, str]
"""A source, and the id of one of its jobs."""


class RandomSyncs:
    """The world of one seed. `act` is one step; `converge` lets the ledger agree with each service."""

    def __init__(self, seed: int, database: Any = None) -> None:
        self.random = random.Random(seed)
        self.now = NOW
        self.database: MemoryDynamoDB = database or MemoryDynamoDB()
        self.database.before = self.halt
        self.all = (SCOPE, *MEMBERS[: self.random.choice([0, 0, 0, 1, 2, 3])])
        self.services = {source: Listed(page_size=3, before=self.halt) for source in self.all}
        self.forgotten: set[JobId] = set()
        self.running: list[tuple[str, Stepped]] = []
        self.stepping: Stepped | None = None
        self.refusals = self.repaired = 0
        self.states: dict[str, SyncState] = {}
        self.ranks: dict[JobId, int] = {}
        self.sources: tuple[str, ...] = ()
        self.configure()

    def halt(self, operation: str) -> None:
        """Called before each request to the table and to a service. Refuse some writes, also for other transactions."""
        if self.stepping:
            self.stepping.halt()
        if self.refusals and operation == "transact_write_items":
            self.refusals -= 1
            raise cancelled(self.random.choice(["TransactionConflict", "ConditionalCheckFailed"]))

    def ledger(self, source: str = SCOPE) -> Ledger:
        """A ledger of a process of its own."""
        base = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now, self.sources)
        return base.of(source)

    def act(self) -> None:
        """Let the services go on, and one process do something."""
        self.now += self.random.choice([SECOND, SECOND, MINUTE, 5 * MINUTE])
        for source in self.all:
            self.change(source)
        syncs: list[Callable[[], None]] = [
            self.begin,
            self.begin,
            self.go_on,
            self.go_on,
            self.go_on,
            self.kill,
            self.refuse,
        ]
        self.random.choice([*syncs, self.record_output, self.configure])()
        self.check()

    def configure(self) -> None:
        """Choose other sources when the counters are complete; without the own one, the first of them keeps these."""
        self.finish()
        self.now += self.random.choice([SECOND, 26 * HOUR])
        if self.sources and not self.is_counted():
            return
        self.sources = tuple(self.random.sample(self.all, self.random.randint(1, len(self.all))))
        if self.sources == (SCOPE,) and self.random.random() < 0.5:
            self.sources = ()

    def begin(self, source: str | None = None) -> None:
        if len(self.running) < 3:
            source = source or self.random.choice(self.ledger().sources)
            upstream, ledger = cast(Upstream, self.services[source]), self.ledger(source)
            sync = Sync(FAMILY, upstream, ledger, lambda: self.now)
            self.running.append((source, Stepped(sync.run)))
            self.go_on(-1)

    def go_on(self, which: int | None = None, steps: int = 0) -> None:
        """Let a sync that runs make some calls. It touches no row of another source."""
        if self.running:
            which = self.random.randrange(len(self.running)) if which is None else which
            source, sync = self.running[which]
            before, self.stepping = self.others(source), sync
            sync.step(steps or self.random.randint(1, 25))
            self.stepping = None
            assert self.others(source) == before
            if sync.finished:
                del self.running[which]
                assert sync.failure is None
                self.repaired += sync.result.counters_repaired

    def finish(self) -> None:
        while self.running:
            self.go_on(0, _TO_THE_END)

    def kill(self) -> None:
        if self.running:
            _, sync = self.running.pop(self.random.randrange(len(self.running)))
            self.stepping = sync
            sync.crash()
            self.stepping = None

    def refuse(self) -> None:
        self.refusals = self.random.randint(1, 10)
        self.go_on()
        self.refusals = 0

    def record_output(self) -> None:
        """Record what a job of any source processed."""
        if rows := list(self.job_rows()):
            key, size = self.random.choice(rows)[0], self.random.randint(1, 9)
            output = Output(size, size, 0, 100 * size, 31)
            Outputs(self.ledger(self.random.choice(self.all))).record(FAMILY, key, output)

    def change(self, source: str) -> None:
        """Let a service go on: a job is new, moves on, has another submit time, or is forgotten."""
        service, job_id = self.services[source], self.random.choice(_IDS)
        service.hidden -= {self.random.choice(_IDS)}
        job, chance = service.jobs.get(job_id), self.random.random()
        if job is None and (source, job_id) not in self.forgotten:
            submitted = self.now - self.random.choice([0, 1, 5]) * MINUTE
            # Equal times and ids in several sources.
            submitted = submitted.replace(microsecond=0)
            expires = submitted + 120 * DAY
            service.jobs[job_id] = a_job(job_id, "SUBMITTED", submitted, ExpirationTime=expires)
            if chance < 0.3:
                service.hidden.add(job_id)
        elif job and chance < 0.1:
            del service.jobs[job_id]
            self.forgotten.add((source, job_id))
        elif job and chance < 0.2 and self.is_at_rest(source):
            service.jobs[job_id] = self.like(job, str(job.status), self.random.choice([HOUR, -DAY]))
        elif job and job.status in _NEXT:
            status = self.random.choice(_NEXT[job.status])
            service.jobs[job_id] = self.like(job, status, 0 * HOUR)

    def is_at_rest(self, source: str) -> bool:
        """Whether a source is filled and not being synced."""
        running = any(source == of for of, _ in self.running)
        return not running and self.ledger(source).state(FAMILY).filled

    def is_counted(self) -> bool:
        states = self.ledger().states()
        return FAMILY in states and states[FAMILY].counters_complete

    def like(self, job: Job, status: str, later: Any) -> Job:
        ended: dict[str, Any] = (
            {} if status in _NEXT else {"EndTime": job.end_time or rfc3339(self.now)}
        )
        submitted = datetime.fromisoformat(str(job.submit_time)) + later
        return a_job(job.job_id, status, submitted, ExpirationTime=job.expiration_time, **ended)

    def rows(self, wanted: Callable[[str, str], bool]) -> Iterator[tuple[tuple[str, str], Any]]:
        return ((key, item) for key, item in self.database.items.items() if wanted(*key))

    def job_rows(self) -> Iterator[tuple[str, Any]]:
        return ((sk, item) for (_, sk), item in self.rows(lambda pk, _: pk == JOBS))

    def others(self, source: str) -> dict[tuple[str, str], Any]:
        """The rows of the other sources: jobs, active jobs, states and counters."""
        member = None if source == SCOPE else source

        def is_of_another(pk: str, sk: str) -> bool:
            if pk == "state":
                return not sk.startswith(f"{source}/")
            if pk == JOBS:
                return source_of_key(sk) != member
            if pk == f"{JOBS}#active":
                return followed_source({"SK": sk}) != member
            return pk.startswith(f"{SCOPE}#totals#3#") and not pk.endswith(f"#{source}")

        # The recount of one source marks those of the others that it counts.
        marks = {"Counted", "CountedAs", "Version"}
        return {
            key: {name: value for name, value in item.items() if name not in marks}
            for key, item in self.rows(is_of_another)
        }

    def check(self) -> None:
        self.check_counters()
        self.check_readers()
        self.check_changes()

    def check_counters(self) -> None:
        """The counters of members are those of their rows; those of the ledger are, when a state says so."""
        items = self.database.items
        check_rows(items, SCOPE, FAMILY, counted=self.is_counted())
        for member in self.all[1:]:
            counted = stored_counters(items, SCOPE, member)
            assert counted == recounted(items, SCOPE, member, every_row=True)
        assert self.repaired == 0

    def check_readers(self) -> None:
        """No time goes back, nor does a job; new jobs are later than the settled time that was read; idle is idle."""
        read, following = {source: SyncState() for source in self.all} | self.states, set()
        for source in self.all:
            state, last = self.ledger(source).state(FAMILY), read[source]
            assert (state.as_of or "") >= (last.as_of or "")
            assert (state.settled_at or "") >= (last.settled_at or "")
            self.states[source] = state
        for (_, sk), _row in self.rows(lambda pk, _: pk == f"{JOBS}#active"):
            following.add(followed_source({"SK": sk}) or SCOPE)
        assert not any(self.states[source].idle for source in following)
        for sk, row in self.job_rows():
            source, rank = source_of_key(sk) or SCOPE, int(row["Rank"]["N"])
            job = source, job_id_of(sk)
            assert job in self.ranks or row["FirstObservedAt"]["S"] > (
                read[source].settled_at or ""
            )
            assert rank >= self.ranks.get(job, 0)
            self.ranks[job] = rank

    def check_changes(self) -> None:
        """The change log of each job is a chain that ends in its row."""
        last: dict[JobId, str | None] = {}
        for change in self.ledger().changes(FAMILY, FAR_PAST, FAR_FUTURE):
            job = change.source or SCOPE, change.job_id
            assert change.previous == last.get(job, change.previous) != change.status
            last[job] = change.status
        rows = {(source_of_key(sk) or SCOPE, job_id_of(sk)): row for sk, row in self.job_rows()}
        assert last == {job: json.loads(rows[job]["Job"]["S"])["JobStatus"] for job in last}

    def converge(self) -> None:
        self.finish()
        self.sources = self.all
        for _ in range(3):
            self.now += 26 * HOUR
            for source in self.all * 6:
                self.services[source].hidden.clear()
                self.begin(source)
                self.finish()
        self.check()
        found = {(source_of_key(sk) or SCOPE, row["Job"]["S"]) for sk, row in self.job_rows()}
        truth = {
            (of, job.json) for of, service in self.services.items() for job in service.jobs.values()
        }
        assert truth - found == set()
        assert self.is_counted()


def sync_at_random(seed: int, acts: int = 60, database: Any = None) -> None:
    """Run the world of a seed, without pauses before writes that are tried again."""
    with mock.patch("jobledger.ledger.table.time.sleep"):
        world = RandomSyncs(seed, database)
        for _ in range(acts):
            world.act()
        world.converge()
