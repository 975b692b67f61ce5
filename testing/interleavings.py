"""A state machine that interleaves syncs, transitions, crashes and expiries, step by step, against a model."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from jobledger.jobs import job_from_service
from jobledger.ledger.states import SyncState
from jobledger.sync.upstream import Upstream
from testing.builders import SCOPE, START, listed_job
from testing.memory_dynamodb import MemoryDynamoDB
from testing.recounted import check_rows
from testing.stepped_sync import Stepped
from testing.world import World

NEXT = {
    "SUBMITTED": ["IN_PROGRESS", "STOP_REQUESTED", "FAILED"],
    "IN_PROGRESS": ["COMPLETED", "FAILED", "PARTIAL_SUCCESS", "STOP_REQUESTED"],
    "STOP_REQUESTED": ["STOPPED"],
}
LAST_WRITE = 99  # more than a sync makes


class Overlaps(RuleBasedStateMachine):
    """Two syncs at once, each halted between what it has read and its write, while a job changes.

    `database` makes the DynamoDB on which they run.
    """

    database: Callable[[], Any] = MemoryDynamoDB

    def __init__(self) -> None:
        super().__init__()
        self.world = World(database=type(self).database())
        self.world.__enter__()
        self.syncs: list[Stepped] = []
        self.world.database.before = self._halt
        self.world.upstream = Upstream(self.world.client(self.world._config), self._halt)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.submitted = 0
        self.ranks: dict[str, int] = {}
        self.repaired = 0
        self.state = SyncState()
        self.observed: set[str] = set()

    def _halt(self, operation: str = "upstream") -> None:
        for sync in self.syncs:
            sync.halt(operation)

    def _submit(self, ago: int = 0) -> str:
        self.submitted += 1
        before_start = START - self.world.clock.seconds + ago
        expiration = round(self.world.clock.seconds - ago + 120 * 86_400, 3)
        job = listed_job(
            f"job-{self.submitted}", before_start, "SUBMITTED", ExpirationTime=expiration
        )
        self.jobs[job["JobId"]] = job
        self.world.put(job)
        return str(job["JobId"])

    def transition(self, data: st.DataObject, job_id: str) -> None:
        job = self.jobs[job_id]
        if job["JobStatus"] not in NEXT:
            return
        job["JobStatus"] = data.draw(st.sampled_from(NEXT[job["JobStatus"]]))
        if job["JobStatus"] not in NEXT:
            job["EndTime"] = round(self.world.clock.seconds, 3)
        self.world.put(job)

    def _delete(self, job_id: str) -> None:
        del self.jobs[job_id]
        self.world.delete(job_id)

    @rule(
        data=st.data(),
        known=st.booleans(),
        writes=st.tuples(st.integers(1, 3), st.integers(1, 2)),
        meanwhile=st.sampled_from(["moves on", "another is submitted", "expires"]),
        overtaken=st.booleans(),
        wholly=st.booleans(),
    )
    def overlap(
        self, data: Any, known: bool, writes: Any, meanwhile: str, overtaken: bool, wholly: bool
    ) -> None:
        """One of the syncs goes on first, to its end or by one write."""
        job_id = self._submit()
        if known:
            self._finish(self._begin())
            self.transition(data, job_id)
        first = self._begin(writes[0])
        if meanwhile == "moves on":
            self.transition(data, job_id)
        elif meanwhile == "expires":
            self._delete(job_id)
        else:
            self._submit()
        self.world.clock.forward(1)
        second = self._begin(writes[1])
        self.world.clock.forward(1)
        ahead, behind = (second, first) if overtaken else (first, second)
        ahead.step_to_write(LAST_WRITE if wholly else 1)
        self.no_reader_is_contradicted_later()
        self._finish(behind, ahead)

    def _forget_finished(self) -> None:
        self.repaired += sum(sync.repaired for sync in self.syncs if sync.finished)
        self.syncs = [sync for sync in self.syncs if not sync.finished]

    def _begin(self, writes: int = 0) -> Stepped:
        sync = Stepped(self.world)
        self.syncs.append(sync)
        sync.start()
        sync.step_to_write(writes)
        return sync

    def _finish(self, *syncs: Stepped) -> None:
        for sync in syncs:
            while not sync.finished:
                sync.step()
            self.no_reader_is_contradicted_later()

    @invariant()
    def no_sync_has_failed(self) -> None:
        assert [None] * len(self.syncs) == [sync.failure for sync in self.syncs]

    @invariant()
    def no_job_moves_backwards(self) -> None:
        for job_id, properties in self.world.ledger_jobs().items():
            job = job_from_service(self.world.family, properties)
            assert job
            rank = job.rank
            assert rank >= self.ranks.get(job_id, 0)
            self.ranks[job_id] = rank

    @invariant()
    def no_reader_is_contradicted_later(self) -> None:
        """AsOf and the settled time never go back, and new jobs are later than the settled time that was read."""
        last, self.state = self.state, self.world.ledger.state(self.world.family)
        assert (self.state.as_of or "") >= (last.as_of or "")
        assert (self.state.settled_at or "") >= (last.settled_at or "")
        for job_id, first_observed in self.world.first_observed().items():
            assert job_id in self.observed or first_observed > (last.settled_at or "")
            self.observed.add(job_id)

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
    def the_rows_of_jobs_counters_and_active_jobs_agree(self) -> None:
        """A state that says that no job is active is right."""
        items = self.world.database.items
        # A first fill writes no counters: its jobs are counted when it is complete.
        counted = self.world.ledger.state(self.world.family).counters_complete
        check_rows(items, SCOPE, self.world.family, counted=counted)
        active = f"{self.world.ledger.partition(self.world.family)}#active"
        assert not (self.state.idle and any(pk == active for pk, _ in items))

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
        self._finish(*self.syncs)
        self._forget_finished()
        self.world.clock.forward(90_000)  # whatever is listed late is listed now
        self.repaired += self.world.sync_until_current().counters_repaired
        truth = self.world.truth()
        known = self.world.statuses()
        assert truth == {job_id: known.get(job_id) for job_id in truth}
        self.the_rows_of_jobs_counters_and_active_jobs_agree()
        assert self.repaired == 0


class Interleavings(Overlaps):
    """Up to three syncs at once, and a service that moves on between any two of their steps."""

    @rule(ago=st.integers(0, 500))
    def submit(self, ago: int) -> None:
        self._submit(ago)

    @rule(data=st.data())
    def move_on(self, data: st.DataObject) -> None:
        active = sorted(job_id for job_id, job in self.jobs.items() if job["JobStatus"] in NEXT)
        if active:
            self.transition(data, data.draw(st.sampled_from(active)))

    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        if self.jobs:
            self._delete(data.draw(st.sampled_from(sorted(self.jobs))))

    @rule(seconds=st.sampled_from([1, 60, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.forward(seconds)

    @rule()
    def start(self) -> None:
        self._forget_finished()
        if len(self.syncs) < 3:
            self._begin()

    @rule(choice=st.integers(0, 2), steps=st.integers(1, 12))
    def step(self, choice: int, steps: int) -> None:
        for _ in range(steps):
            self.world.clock.forward(0.01)
            if choice < len(self.syncs):
                self.syncs[choice].step()

    @rule(choice=st.integers(0, 2))
    def crash(self, choice: int) -> None:
        if choice < len(self.syncs) and not self.syncs[choice].finished:
            self.syncs[choice].crash()


def interleave(
    machine: type[Overlaps], examples: int, steps: int, made: Callable[[], Any] = MemoryDynamoDB
) -> None:
    """Run a machine so many times, each on a database of its own; always in the same ways."""

    class Made(machine):  # type: ignore[misc, valid-type]
        database = made

    run_state_machine_as_test(
        Made,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            report_multiple_bugs=False,
            # A failure is shown as it was found: making it small takes minutes of real syncs.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
