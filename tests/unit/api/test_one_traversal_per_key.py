"""For one key there is one set of jobs, each once, whatever happens between the requests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobledger.jobs import job_from_service
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import Api, running_api
from testing.builders import NOW, full_job
from testing.full import in_full

EXAMPLES = in_full(40, 150)
KEPT = (Family.SNOMEDCT, Family.PHI)
# Each key is used for one query. None by status: such a list follows the status.
QUERIES: dict[str, dict[str, Any]] = {
    "all": {"Family": "ALL"},
    "oldest-first": {"Family": ["SNOMEDCT", "PHI"], "Order": "ascending"},
    "one-family": {"Family": "PHI"},
    "named": {"Family": "ALL", "JobName": "weekly"},
    "prefix": {"Family": "ALL", "JobNamePrefix": "night"},
    "after": {"SubmitTimeAfter": rfc3339(NOW - timedelta(seconds=6))},
    "before": {"Family": "ALL", "SubmitTimeBefore": rfc3339(NOW - timedelta(seconds=4))},
}
NOTHING: Callable[[], None] = lambda: None  # noqa: E731 - short
NOT_BEFORE: Callable[[str], None] = lambda _: None  # noqa: E731 - short


class World:
    """The API over a ledger that a sync writes, and the traversals that were begun by key."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.jobs: list[dict[str, Any]] = []
        self.tokens: dict[str, list[str]] = {}
        self.seen: dict[tuple[str, str | None, int], Any] = {}
        self.traversed: dict[str, list[str]] = {}
        for family in KEPT:
            self.settle(family)

    def settle(self, family: Family) -> None:
        """A sync of this family writes its state: it began another page, or is complete."""
        ledger = self.api.ledger
        while ledger.save_state(family, ledger.state(family)) is None:
            pass

    def submit(self, family, age, name="nightly", during: Callable[[], None] = NOTHING):
        """A sync writes a new job; `during` runs after the job was stamped and before it is written."""
        number = len(self.jobs) + 1
        times = {"SubmitTime": NOW.timestamp() - age, "JobStatus": "IN_PROGRESS"}
        self.jobs.append(full_job(number, JobName=name, **times) | {"Family": family})
        self.record(self.jobs[-1], during)

    def submit_while_requested(self, family, age, name, key: str, size: int) -> None:
        """Another sync of the family writes its state, and a request begins or repeats the traversal."""

        def during() -> None:
            self.settle(family)
            self.traverse(key, size)

        self.submit(family, age, name, during)

    def change(self, number: int, status: str) -> None:
        if self.jobs:
            self.record(self.jobs[number % len(self.jobs)] | {"JobStatus": status})

    def expire(self, number: int) -> None:
        if self.jobs:
            job = self.jobs[number % len(self.jobs)]
            time = rfc3339(datetime.fromtimestamp(job["SubmitTime"], UTC))
            self.api.ledger.mark_expired(job["Family"], job["JobId"], time)

    def pass_time(self, milliseconds: int) -> None:
        self.api.now += timedelta(milliseconds=milliseconds)

    def record(self, job: dict[str, Any], during: Callable[[], None] = NOTHING) -> None:
        def before(operation: str) -> None:
            if operation == "transact_write_items":
                self.api.database.before = NOT_BEFORE
                during()

        self.api.database.before = before
        listed = {name: value for name, value in job.items() if name != "Family"}
        made = job_from_service(job["Family"], listed)
        assert made
        self.api.ledger.record(job["Family"], [made], rfc3339(self.api.now), announce_new=True)
        self.api.database.before = NOT_BEFORE

    def request(self, key: str, place: int, size: int) -> None:
        """Request the first page, or a page whose token an earlier one gave; repetitions are the same."""
        begun = [None, *self.tokens.setdefault(key, [])]
        token = begun[place % len(begun)]
        more = {"NextToken": token} if token else {}
        pages = self.api.pages(None if token else key, **QUERIES[key], MaxResults=size, **more)
        answer = next(pages)
        page = ([job["JobId"] for job in answer.jobs], answer.json.get("NextToken"))
        assert self.seen.setdefault((key, token, size), page) == page
        if page[1]:
            self.tokens[key].append(page[1])

    def traverse(self, key: str, size: int) -> list[str]:
        """Read from the first page to the last; the traversal has each job once, and those of the others."""
        found = self.api.ids(key, **QUERIES[key], MaxResults=size)
        assert len(found) == len(set(found))
        assert self.traversed.setdefault(key, found) == found
        return found


KEYS = st.sampled_from(sorted(QUERIES))
SIZES = st.sampled_from([1, 2, 3, 7, 100])
FAMILIES = st.sampled_from(KEPT)
JOB = (FAMILIES, st.integers(-3, 9), st.sampled_from(["nightly", "nights", "weekly"]))
NUMBERS = st.integers(0, 99)
STEPS = st.one_of(
    st.tuples(st.just(World.submit), *JOB),
    st.tuples(st.just(World.submit_while_requested), *JOB, KEYS, SIZES),
    st.tuples(st.just(World.settle), FAMILIES),
    st.tuples(st.just(World.change), NUMBERS, st.sampled_from(["COMPLETED", "FAILED"])),
    st.tuples(st.just(World.expire), NUMBERS),
    st.tuples(st.just(World.request), KEYS, st.integers(0, 9), SIZES),
    st.tuples(st.just(World.traverse), KEYS, SIZES),
    st.tuples(st.just(World.pass_time), st.integers(0, 2)),
)


@pytest.mark.full
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=5, max_size=40))
def test_any_interleaving_gives_one_set_of_jobs_for_each_key(steps):
    with running_api() as api:
        world = World(api)
        for step, *arguments in steps:
            step(world, *arguments)
        for key in world.traversed | world.tokens:
            assert [world.traverse(key, size) for size in (1, 100)]


def test_a_traversal_has_settled_jobs_and_many_later_ones_cost_few_queries():
    with running_api() as api:
        world = World(api)
        for age in range(10, 20):
            world.submit(Family.PHI, age)
        world.settle(Family.PHI)
        world.submit(Family.PHI, 2)
        first = world.traverse("one-family", 10)
        assert sorted(first) == [f"{number:032x}" for number in range(1, 11)]
        later = (full_job(number, SubmitTime=NOW.timestamp()) for number in range(100, 1300))
        api.fill(*later, family=Family.PHI)
        world.settle(Family.PHI)
        api.database.calls.clear()
        pages = [
            next(api.traverse(key, Family="PHI", MaxResults=10))
            for key in ("one-family", "another")
        ]
    again, new = ([job["JobId"] for job in page] for page in pages)
    assert (again, len(set(new) - set(first))) == (first, 10)
    assert api.database.calls["query"] <= 7
