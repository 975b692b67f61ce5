"""Random histories: jobs appear, change, vanish and come back, while calls, answers, rows and clocks go wrong.

The model is what the service holds, and of each fault what it may touch. A history of one family runs beside another
family, which no fault is in.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from jobledger.fitting import ALTERED, MAX_JOB_BYTES
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.sync import window
from jobledger.sync.progress import FamilySync
from jobledger.sync.walk import Sync
from jobledger.times import from_epoch, rfc3339
from testing.api import Api, running_api
from testing.builders import SCOPE, START, listed_job
from testing.dynamodb_limits import size_of
from testing.full import in_full
from testing.recounted import check_rows
from testing.wired_dynamodb import Damages, Wire, wired
from testing.world import DAY, World

HISTORIES = in_full(20, 500)
STEPS = 40
FORWARD = {"SUBMITTED": "IN_PROGRESS", "IN_PROGRESS": "COMPLETED"}
ERRORS = ("AccessDeniedException", "InternalServerException", "ThrottlingException")
# Answers of the service with status 200 that are not what was asked for.
FOREIGN = ["", "{}", "null", "[]", '"text"', "{", "<html>Sign in</html>", '{"Message": "no"}']
# Properties that are not stored as they are. The stand-in sorts by the others.
ODD: dict[str, Any] = {
    "Message": "m" * 410_000,
    "ExpirationTime": 1e15,
    "EndTime": -1e15,
    "KMSKey": ["a", {"b": 1}],
    "LanguageCode": 10**30,
    "ModelVersion": True,
    "ManifestFilePath": "\x01" * 1_000,
    "DataAccessRoleArn": {"a": "b"},
    "InputDataConfig": {"S3Bucket": 7},
    "OutputDataConfig": "text",
    "AddedLater": list(range(5_000)),
}


def is_active(job: dict[str, Any]) -> bool:
    return job["JobStatus"] in FORWARD


class History:
    """A service whose jobs change at random; `gone` are jobs that it does not list.

    `odd` are the properties of a job that cannot be stored as they are. `damaged` are job rows, and what they had;
    `returned` are jobs that only the daily walk may find.
    """

    def __init__(self, world: World, seed: int, client: Any, wire: Wire) -> None:
        self.world, self.random, self._client = world, random.Random(seed), client
        self.jobs: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        self.odd: dict[str, list[str]] = {}
        self.damaged: dict[tuple[str, str], dict[str, Any]] = {}
        self.returned: set[str] = set()
        self.submitted = self.hangs = 0
        self.lost = False
        self.ahead = timedelta(0)
        wire.damage = self.damages = Damages(self.random)
        events = world.upstream._client.meta.events
        events.register("before-send.comprehendmedical", self._hang)

    def step(self) -> None:
        """The service changes, time passes, and every other time something goes wrong."""
        jobs: list[Callable[[], object]] = [self.submit, self.submit, self.move_on, self.vanish]
        jobs += [self.change_submit_time, self.come_back]
        faults = [self.fail, self.fail, self.lose, self.hang, self.damages.begin]
        faults += [self.submit_odd, self.damage_row, self.damage_active_row, self.be_ahead]
        self.random.choice(jobs)()
        if self.random.random() < 0.5:
            self.random.choice(faults)()
        self.world.clock.forward(self.random.choice([1, 60, 700, 5_000]))

    def sync(self) -> FamilySync:
        """One run, a second later, with its own clients; its clock may be ahead."""
        self.world.clock.forward(1)
        ledger = Ledger(Table(self._client, "ledger"), SCOPE, self._now)
        return Sync(self.world.family, self.world.upstream, ledger, self._now).run()

    def _now(self) -> datetime:
        return self.world.clock.now() + self.ahead

    def submit(self, **more: Any) -> str:
        self.submitted += 1
        ago = START - self.world.clock.seconds + self.random.randrange(300)
        job = listed_job(f"{self.submitted:032x}", ago, "SUBMITTED", **more)
        self._put(job)
        return str(job["JobId"])

    def submit_odd(self) -> None:
        names = self.random.sample(sorted(ODD), self.random.randint(1, 3))
        self.odd[self.submit(**{name: ODD[name] for name in names})] = names

    def move_on(self) -> None:
        if job := self._any(active=True):
            job["JobStatus"] = FORWARD[job["JobStatus"]]
            if job["JobStatus"] == "COMPLETED" and "EndTime" not in self.odd.get(job["JobId"], ()):
                job["EndTime"] = round(self.world.clock.seconds, 3)
            self._put(job)

    def change_submit_time(self) -> None:
        if job := self._any():
            if job["JobId"] not in self.world.statuses():
                self.returned.add(job["JobId"])  # further back than a walk lists, if it is new
            self._put(job | {"SubmitTime": job["SubmitTime"] + self.random.choice([-400, -1, 1])})

    def vanish(self) -> None:
        if job := self._any():
            self.gone[job["JobId"]] = self.jobs.pop(job["JobId"])
            self.world.delete(job["JobId"])

    def come_back(self) -> None:
        if self.gone:
            job_id = self.random.choice(sorted(self.gone))
            self.returned.add(job_id)
            self._put(self.gone.pop(job_id))

    def fail(self) -> None:
        effects = [{"Error": self.random.choice(ERRORS)}, {"Body": self.random.choice(FOREIGN)}]
        self._fault(self.random.choice(["Describe", "List"]), **self.random.choice(effects))

    def lose(self) -> None:
        """Once, Describe does not find a job."""
        if not self.lost:
            self.lost = True
            self._fault("Describe", Error="ResourceNotFoundException", Count=1)

    def _fault(self, verb: str, **effect: Any) -> None:
        times = {"Count": self.random.randint(1, 3)}
        self.world.server.fault(Operation=f"{verb}SNOMEDCT*", **times | effect)

    def hang(self) -> None:
        self.hangs = self.random.randint(1, 5)

    def _hang(self, request: Any, **_: Any) -> None:
        if self.hangs and b"SNOMEDCT" in request.headers["X-Amz-Target"]:
            self.hangs -= 1
            self.world.clock.forward(8)
            raise ReadTimeoutError(endpoint_url="")

    def damage_row(self) -> None:
        if rows := {key: row for key, row in self._rows().items() if key not in self.damaged}:
            key, name = self.random.choice([*rows]), "FirstObservedAt"
            self.damaged[key] = {name: rows[key].pop(name)}

    def damage_active_row(self) -> None:
        if rows := [*self._rows("#active").values()]:
            row, name = self.random.choice(rows), self.random.choice(["JobKey", "UnknownAt"])
            row[name] = self.random.choice([{"N": "5"}, {"NULL": True}, {"S": "a text"}])

    def be_ahead(self) -> None:
        self.ahead = timedelta(days=self.random.choice([1, 30]))

    def end(self) -> None:
        """End all faults, and mend the rows that a person damaged."""
        self.world.server.reset()
        self.hangs = self.damages.left = 0
        self.ahead = timedelta(0)
        for key, had in self.damaged.items():
            self.world.database.items.get(key, {}).update(had)
        self.damaged.clear()

    def _rows(self, kind: str = "") -> dict[tuple[str, str], dict[str, Any]]:
        partition = f"{self.world.ledger.partition(self.world.family)}{kind}"
        items = self.world.database.items
        return {key: items[key] for key in sorted(items) if key[0] == partition}

    def untouched(self, job_id: str) -> bool:
        """Whether no row of a job was damaged."""
        return all(sk.partition("#")[2] != job_id for _, sk in self.damaged)

    def _any(self, *, active: bool = False) -> dict[str, Any] | None:
        ids = sorted(i for i, job in self.jobs.items() if is_active(job) or not active)
        return self.jobs[self.random.choice(ids)] if ids else None

    def _put(self, job: dict[str, Any]) -> None:
        self.jobs[job["JobId"]] = job
        self.world.put(job)


def check(world: World) -> None:
    """One row for each job, right counters, bounded rows, and an active row for each job that is active."""
    items = world.database.items
    check_rows(items, SCOPE, world.family, damaged=True)
    assert all(size_of(item) < 4_096 for (pk, _), item in items.items() if pk == "state")
    assert max(map(size_of, items.values())) < 2 * MAX_JOB_BYTES


def shown_by(api: Api, world: World) -> tuple[str | None, dict[str, str]]:
    """What readers show: the time as of which, and the active jobs. All of them show the same."""
    api.now = world.clock.now()
    page = api.get("/jobs", Active="true", MaxResults=500)
    health = api.get("/health").json["Families"]["SNOMEDCT"]
    as_of = health["AsOf"]
    assert (as_of or "") <= rfc3339(world.clock.now() + timedelta(minutes=1))
    # From memory: a few seconds old.
    assert all((read.json["AsOf"] or "") <= (as_of or "~") for read in (page, api.get("/summary")))
    assert (health["AgeSeconds"] is None) == (as_of is None)
    return as_of, {job["JobId"]: job["JobStatus"] for job in page.jobs}


def check_step(history: History, api: Api, before: str | None, done: FamilySync) -> None:
    """AsOf moves on to what is confirmed, and stays where something is not."""
    world = history.world
    as_of, active = shown_by(api, world)
    if as_of == before:
        assert done.error is not None or as_of is None  # a clock was ahead, again
        return
    truth = world.truth()
    for job_id in filter(history.untouched, active):
        assert active[job_id] == truth.get(job_id)
    unfinished = {job_id for job_id, status in truth.items() if status in FORWARD}
    missing = (truth.keys() - world.statuses().keys()) | (unfinished - active.keys())
    assert not any(map(history.untouched, missing - history.returned))


def check_equal(history: History) -> None:
    """The ledger has each job and property of the service, and marks what it cannot store as it is."""
    world, stored = history.world, history.world.ledger_jobs()
    assert world.active().keys() == {i for i, job in history.jobs.items() if is_active(job)}
    for job_id, job in history.jobs.items():
        odd = history.odd.get(job_id, [])
        assert sorted(stored[job_id].get(ALTERED, [])) == sorted(odd)
        for name in job.keys() - set(odd):
            value = job[name]
            time = rfc3339(from_epoch(value)) if name.endswith("Time") else value
            assert stored[job_id][name] == time


@pytest.mark.full
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_as_of_claims_what_is_confirmed_and_after_the_faults_the_ledger_equals_the_service(
    seed, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    # A job is described as soon as other jobs were submitted after it.
    monkeypatch.setattr(window, "PAGE_SIZE", 1)
    with (
        World(hostile=False) as world,
        wired(world.database) as (client, wire),
        running_api(world.database) as api,
    ):
        history = History(world, seed, client, wire)
        history.sync()
        for _ in range(STEPS):
            history.step()
            before, _ = shown_by(api, world)
            done = history.sync()
            history.ahead = timedelta(0)
            check(world)
            check_step(history, api, before, done)
        history.end()
        history.sync()
        done = history.sync()
        assert done.error is None
        check_step(history, api, None, done)
        world.clock.forward(DAY)
        for _ in range(2):
            assert history.sync().error is None
        check(world)
        check_equal(history)
