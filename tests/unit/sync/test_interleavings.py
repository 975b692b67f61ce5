"""Random interleavings of syncs, transitions, crashes and expiries, step by step, against a model."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from jobledger.jobs import Family, Job, job_from_service
from jobledger.sync.upstream import Upstream
from jobledger.sync.walk import Sync
from tests.memory_dynamodb import MemoryDynamoDB
from tests.recounted import recounted, stored_counters
from tests.world import SCOPE, START, World, a_job

NEXT = {
    "SUBMITTED": ["IN_PROGRESS", "STOP_REQUESTED", "FAILED"],
    "IN_PROGRESS": ["COMPLETED", "FAILED", "PARTIAL_SUCCESS", "STOP_REQUESTED"],
    "STOP_REQUESTED": ["STOPPED"],
}
STEP_SECONDS = 30


class Crash(BaseException):
    """The process dies: nothing may catch it."""


class Stepped:
    """A sync in a thread of its own that halts before each call out, until it is told to go on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._go, self._halted = threading.Event(), threading.Event()
        self._crash = False
        self.finished = False
        self.repaired = 0
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._await_halt()

    def step(self) -> None:
        self._go.set()
        self._await_halt()

    def crash(self) -> None:
        self._crash = True
        self.step()

    def halt(self, *_: object) -> None:
        if threading.current_thread() is not self._thread:
            return
        self._halted.set()
        assert self._go.wait(STEP_SECONDS)
        self._go.clear()
        if self._crash:
            raise Crash

    def _await_halt(self) -> None:
        assert self._halted.wait(STEP_SECONDS)
        self._halted.clear()

    def _run(self) -> None:
        world = self._world
        sync = Sync(world.family, world.upstream, world.ledger, world.clock.now)
        try:
            self.repaired = sync.run().counters_repaired
        except Crash:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self.finished = True
            self._halted.set()


class Interleavings(RuleBasedStateMachine):
    """Up to three syncs at once, and a service that moves on between any two of their steps."""

    database: Callable[[], MemoryDynamoDB] = MemoryDynamoDB

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.database = self.database()
        self.world.ledger.table._client = self.world.database
        self.world.__enter__()
        self.syncs: list[Stepped] = []
        self.world.database.before = self._halt
        self.world.upstream = Upstream(self.world.client(self.world._config), self._halt)
        self.jobs: dict[str, dict] = {}
        self.submitted = 0
        self.ranks: dict[str, int] = {}
        self.repaired = 0

    def _halt(self, operation: str = "upstream") -> None:
        for sync in self.syncs:
            sync.halt()

    @rule(ago=st.integers(0, 500))
    def submit(self, ago: int) -> None:
        self.submitted += 1
        before_start = START - self.world.clock.seconds + ago
        expiration = round(self.world.clock.seconds - ago + 120 * 86_400, 3)
        job = a_job(f"job-{self.submitted}", before_start, "SUBMITTED", ExpirationTime=expiration)
        self.jobs[job["JobId"]] = job
        self.world.put(job)

    @rule(data=st.data())
    def moves_on(self, data: st.DataObject) -> None:
        self.transition(data)

    def transition(self, data: st.DataObject) -> None:
        active = [job for job in self.jobs.values() if job["JobStatus"] in NEXT]
        if not active:
            return
        job = data.draw(st.sampled_from(active))
        job["JobStatus"] = data.draw(st.sampled_from(NEXT[job["JobStatus"]]))
        if job["JobStatus"] not in NEXT:
            job["EndTime"] = round(self.world.clock.seconds, 3)
        self.world.put(job)

    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        if self.jobs:
            job_id = data.draw(st.sampled_from(sorted(self.jobs)))
            del self.jobs[job_id]
            self.world.delete(job_id)

    @rule(seconds=st.sampled_from([1, 60, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.forward(seconds)

    @rule()
    def start(self) -> None:
        self._forget_finished()
        if len(self.syncs) < 3:
            self._begin()

    @rule(data=st.data(), steps=st.integers(1, 6))
    def overtake(self, data: st.DataObject, steps: int) -> None:
        """One sync is slow; a job moves on, and a quick sync sees it first."""
        slow = self._begin()
        for _ in range(steps):
            if not slow.finished:
                slow.step()
        self.transition(data)
        self.world.clock.forward(1)
        quick = self._begin()
        for sync in (quick, slow):
            while not sync.finished:
                sync.step()

    def _forget_finished(self) -> None:
        self.repaired += sum(sync.repaired for sync in self.syncs if sync.finished)
        self.syncs = [sync for sync in self.syncs if not sync.finished]

    def _begin(self) -> Stepped:
        sync = Stepped(self.world)
        self.syncs.append(sync)
        sync.start()
        return sync

    @rule(choice=st.integers(0, 2), steps=st.integers(1, 12))
    def step(self, choice: int, steps: int) -> None:
        for _ in range(steps):
            self.world.clock.forward(0.01)
            if choice < len(self.syncs) and not self.syncs[choice].finished:
                self.syncs[choice].step()

    @rule(choice=st.integers(0, 2))
    def crash(self, choice: int) -> None:
        if choice < len(self.syncs) and not self.syncs[choice].finished:
            self.syncs[choice].crash()

    @invariant()
    def no_sync_has_failed(self) -> None:
        assert [None] * len(self.syncs) == [sync.failure for sync in self.syncs]

    @invariant()
    def no_job_moves_backwards(self) -> None:
        for job_id, properties in self.world.ledger_jobs().items():
            rank = rank_of(properties)
            assert rank >= self.ranks.get(job_id, 0)
            self.ranks[job_id] = rank

    @invariant()
    def the_change_log_is_a_chain_that_ends_in_the_job_row(self) -> None:
        self.world.database.before = lambda operation: None
        last: dict[str, str | None] = {}
        for change in self.world.changes():
            if change.job_id in last or change.previous is not None:
                assert change.previous == last.get(change.job_id, change.previous)
            assert change.status != change.previous
            last[change.job_id] = change.status
        statuses = self.world.statuses()
        assert last == {job_id: statuses[job_id] for job_id in last}
        self.world.database.before = self._halt

    @invariant()
    def the_counters_are_what_a_recount_gives(self) -> None:
        items = self.world.database.items
        assert stored_counters(items, SCOPE) == recounted(items, SCOPE, every_row=True)

    def teardown(self) -> None:
        try:
            self._converges()
        finally:
            for sync in self.syncs:
                with suppress(AssertionError):
                    if not sync.finished:
                        sync.crash()
            self.world.__exit__(None, None, None)

    def _converges(self) -> None:
        for sync in self.syncs:
            while not sync.finished:
                sync.step()
        self._forget_finished()
        self.world.clock.forward(90_000)  # whatever is listed late is listed now
        self.repaired += self.world.sync_until_current().counters_repaired
        truth = self.world.truth()
        known = self.world.statuses()
        assert truth == {job_id: known.get(job_id) for job_id in truth}
        self.the_counters_are_what_a_recount_gives()
        assert self.repaired == 0


def rank_of(properties: dict) -> int:
    job = job_from_service(Family.SNOMEDCT, properties)
    assert isinstance(job, Job)
    return job.rank


class Unconditional(MemoryDynamoDB):
    """The planted bug: a database to which every write is welcome."""

    def _holds(self, put: object) -> bool:
        return True


def some(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        # A failure is told as it was found: making it small takes minutes of real syncs.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.row(10, count="100 interleavings of up to 40 steps")
def test_no_interleaving_loses_doubles_or_turns_back_a_job():
    run_state_machine_as_test(Interleavings, settings=some(100))


def test_the_interleavings_would_find_a_write_without_its_condition():
    class Planted(Interleavings):
        database = Unconditional

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Planted, settings=some(400))
