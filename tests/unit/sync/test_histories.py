"""Random histories: jobs appear, change, vanish and come back, while calls fail; against what the service holds."""

import random

import pytest

from tests.full import in_full
from tests.recounted import recounted, stored_counters
from tests.world import DAY, SCOPE, START, World, a_job

HISTORIES = in_full(30, 500)
FORWARD = {"SUBMITTED": "IN_PROGRESS", "IN_PROGRESS": "COMPLETED"}
ERRORS = ("ResourceNotFoundException", "AccessDeniedException", "InternalServerException")


class History:
    """A service whose jobs change at random; `gone` are jobs that it does not list."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.jobs: dict[str, dict] = {}
        self.gone: dict[str, dict] = {}
        self.submitted = 0

    def step(self) -> None:
        acts = [self.submit, self.move_on, self.change_submit_time, self.vanish, self.come_back]
        self.random.choice([*acts, self.fail, self.wait])()

    def submit(self) -> None:
        self.submitted += 1
        ago = START - self.world.clock.seconds + self.random.randrange(300)
        self._put(a_job(f"{self.submitted:032x}", ago, "SUBMITTED"))

    def move_on(self) -> None:
        if job := self._any(FORWARD):
            job["JobStatus"] = FORWARD[job["JobStatus"]]
            if job["JobStatus"] == "COMPLETED":
                job["EndTime"] = round(self.world.clock.seconds, 3)
            self._put(job)

    def change_submit_time(self) -> None:
        if job := self._any():
            self._put(job | {"SubmitTime": job["SubmitTime"] + self.random.choice([-400, -1, 1])})

    def vanish(self) -> None:
        if job := self._any():
            self.gone[job["JobId"]] = self.jobs.pop(job["JobId"])
            self.world.delete(job["JobId"])

    def come_back(self) -> None:
        if self.gone:
            self._put(self.gone.pop(self.random.choice(sorted(self.gone))))

    def fail(self) -> None:
        operation = self.random.choice(["Describe*", "List*"])
        error = self.random.choice(ERRORS[operation == "List*" :])
        self.world.server.fault(Operation=operation, Error=error, Count=self.random.randint(1, 3))

    def wait(self) -> None:
        self.world.clock.forward(self.random.choice([1, 60, 5_000]))

    def _any(self, statuses: object = None) -> dict | None:
        ids = sorted(
            job_id
            for job_id, job in self.jobs.items()
            if statuses is None or job["JobStatus"] in FORWARD
        )
        return self.jobs[self.random.choice(ids)] if ids else None

    def _put(self, job: dict) -> None:
        self.jobs[job["JobId"]] = job
        self.world.put(job)


def check(world: World) -> None:
    """One row for each job, right counters, and an active row for each job that is active."""
    items, scope = world.database.items, world.ledger.partition(world.family)
    assert stored_counters(items, SCOPE) == recounted(items, SCOPE, every_row=True)
    unfinished = {
        sk
        for (pk, sk), item in items.items()
        if pk == scope and int(item["Rank"]["N"]) < 3 and "ExpiredUpstream" not in item
    }
    assert {job.sort_key for job in world.active().values()} == unfinished
    assert len(world.ledger_jobs()) == sum(pk == scope for pk, _ in items)


@pytest.mark.full
@pytest.mark.row(35, count="{HISTORIES} histories of 40 steps")
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_as_of_claims_what_is_confirmed_and_after_the_faults_the_ledger_equals_the_service(seed):
    with World(hostile=False) as world:
        world.sync()
        history = History(world, seed)
        for _ in range(40):
            history.step()
            before = world.ledger.state(world.family).as_of
            done = world.sync()
            check(world)
            if done.as_of != before:
                truth, known = world.truth(), world.statuses()
                active = world.active()
                assert {job: known[job] for job in active} == {
                    job: truth.get(job) for job in active
                }
            else:
                assert done.error is not None
        world.server.change(late_jobs=False)
        for _ in range(20):
            world.sync()  # the faults that are left
        world.clock.forward(DAY)
        for _ in range(2):
            world.sync()
        check(world)
        truth, known = world.truth(), world.statuses()
        assert truth == {job_id: known.get(job_id) for job_id in truth}
        assert world.active().keys() <= truth.keys()
