"""The counters: what a write changes in them, how they are verified, and what is read from them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jobledger.digest.current import read_current_totals
from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Family, Job, JobStatus, job_from_service
from jobledger.ledger import counters
from jobledger.ledger.facts import read_facts
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.job_facts import facts_of_job, is_active
from jobledger.ledger.overview import read_summary
from jobledger.ledger.recount import months_to_recount, recount_all, recount_month
from jobledger.ledger.table import Table
from jobledger.ledger.totals import LAYOUT
from jobledger.ledger.writing import Ledger, SyncState
from jobledger.times import rfc3339
from tests.bulk import bulk_rows
from tests.memory_dynamodb import MemoryDynamoDB, cancelled
from tests.recounted import recounted, stored_counters

SCOPE = "111122223333/us-east-1"
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
TODAY = "2026-11-23"
EXPIRED = [datetime(2027, 2, day, 12, tzinfo=UTC) for day in (1, 2)]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Counted:
    """A ledger in memory. `record` lists jobs now; `states` are those of syncs that have counted them."""

    def __init__(self) -> None:
        self.database = MemoryDynamoDB()
        self.now = NOW
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now)

    def record(self, *jobs: Job, announce_new: bool = True) -> None:
        self.now += timedelta(seconds=1)
        for family in {job.family for job in jobs}:
            listed = [job for job in jobs if job.family is family]
            self.ledger.record(family, listed, rfc3339(self.now), announce_new=announce_new)

    def recount(self, family: Family = Family.SNOMEDCT) -> int:
        months = months_to_recount(self.ledger, family, "")
        repaired = sum(recount_month(self.ledger, family, month, TODAY) for month in months)
        return repaired + recount_all(self.ledger, family)

    def forget_counters(self) -> None:
        """Make the rows those of a version that had no counters."""
        for key, item in list(self.database.items.items()):
            if key[0] == counters.partition(SCOPE):
                del self.database.items[key]
            item.pop("Counted", None)
        self.database._order[None, counters.partition(SCOPE)].clear()

    def falsify(self, key: str, wrong: dict[str, int] | None) -> None:
        """Change numbers of a counter row, or with None remove it."""
        partition = counters.partition(SCOPE)
        if wrong is None:
            del self.database.items[partition, key]
            self.database._order[None, partition].remove((key, partition, key))
        else:
            row = self.database.items[partition, key]
            row.update({name: {"N": str(number)} for name, number in wrong.items()})

    def states(self, layout: int = LAYOUT) -> dict[Family, SyncState]:
        return {
            family: SyncState(as_of=rfc3339(self.now), active=self._active(family), counted=layout)
            for family in Family
        }

    def _active(self, family: Family) -> dict[str, str]:
        facts = read_facts(self.ledger, JobQuery(families=(family,)))
        return {job.job_id: job.submit_time or "" for job in facts if is_active(job)}

    def agree(self) -> None:
        assert stored_counters(self.database.items, SCOPE) == self.expected()

    def expected(self) -> dict[str, dict[str, int]]:
        return recounted(self.database.items, SCOPE, every_row=True)


def a_job(
    job_id: str = "job",
    status: str | None = "COMPLETED",
    submitted: datetime | None = NOW - HOUR,
    family: Family = Family.SNOMEDCT,
    **more: Any,
) -> Job:
    properties = {"JobId": job_id, "JobStatus": status, "SubmitTime": submitted} | more
    job = job_from_service(family, {k: v for k, v in properties.items() if v is not None})
    assert job is not None
    return job


# Written with the jobs.


def test_a_job_is_counted_in_its_day_and_month_and_altogether_and_where_it_expires():
    world = Counted()
    end, expiration = NOW - HOUR + timedelta(seconds=600), NOW + 120 * DAY
    world.record(a_job(EndTime=end, ExpirationTime=expiration))
    counts = {"Jobs#COMPLETED": 1, "D#1338#COMPLETED": 1}
    assert stored_counters(world.database.items, SCOPE) == {
        "all#SNOMEDCT": counts,
        "month#2026-11#SNOMEDCT": counts,
        "day#2026-11-23#SNOMEDCT": counts | {"Hour#11": 1},
        "expires#2027-03-23#SNOMEDCT": {"12#2026-11-23T11#COMPLETED": 1},
    }


def test_a_status_change_moves_the_job_and_a_repetition_or_a_mere_property_does_not():
    world = Counted()
    for status, more in (
        ("SUBMITTED", {}),
        ("SUBMITTED", {}),
        ("IN_PROGRESS", {}),
        ("COMPLETED", {"EndTime": NOW}),
        ("COMPLETED", {"EndTime": NOW, "Message": "done"}),
    ):
        world.record(a_job(status=status, **more))
        world.agree()
    assert (
        stored_counters(world.database.items, SCOPE)["month#2026-11#SNOMEDCT"]["Jobs#COMPLETED"]
        == 1
    )


def test_a_batch_of_one_day_is_one_transaction_with_one_write_of_each_counter_row():
    world = Counted()
    world.record(*(a_job(f"{n}", submitted=NOW - n * timedelta(seconds=1)) for n in range(48)))
    assert world.database.calls["transact_write_items"] == 1
    (key,) = [key for key in world.database.items if key[1].startswith("day#")]
    assert world.database.items[key]["Version"] == {"N": "1"}
    world.agree()


@pytest.mark.parametrize("announce_new", [True, False])
def test_jobs_of_as_many_days_as_there_are_jobs_fit_into_transactions(announce_new):
    world = Counted()  # its database refuses more than 100 actions, and two of one row
    jobs = [
        a_job(f"{n}", submitted=NOW - n * DAY, ExpirationTime=NOW + n * HOUR) for n in range(500)
    ]
    world.record(*jobs, announce_new=announce_new)
    world.agree()
    moved = [
        a_job(
            f"{n}",
            "FAILED" if n % 2 else "COMPLETED",
            NOW - n * DAY,
            EndTime=NOW,
            ExpirationTime=NOW + n * DAY,
        )
        for n in range(500)
    ]
    world.record(*moved, announce_new=announce_new)
    world.agree()


def test_a_write_that_did_not_happen_is_not_counted():
    world = Counted()

    def fail(operation: str) -> None:
        if operation == "transact_write_items":
            raise cancelled("None", "ConditionalCheckFailed")

    world.database.before = fail
    with pytest.raises(LedgerUnavailable):
        world.record(a_job())
    world.database.before = lambda operation: None
    assert stored_counters(world.database.items, SCOPE) == {}


def test_a_counter_row_that_another_transaction_holds_is_waited_for(monkeypatch):
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", lambda seconds: None)
    world, left = Counted(), 3

    def busy(operation: str) -> None:
        nonlocal left
        if operation == "transact_write_items" and left:
            left -= 1
            raise cancelled("None", "TransactionConflict")

    world.database.before = busy
    world.record(a_job(), a_job("other"))
    world.agree()
    # The batch was sent again as it was: nothing was read a second time, and nothing written one by one.
    calls = {"batch_get_item": 1, "get_item": 1, "transact_write_items": 1}
    assert world.database.calls == calls


# Counted and verified afterwards.


def test_rows_of_an_older_version_are_counted_by_a_recount_and_not_twice():
    world = Counted()
    world.record(*(a_job(f"{n}", submitted=NOW - n * 5 * HOUR, EndTime=NOW) for n in range(150)))
    world.forget_counters()
    world.record(a_job("new", "IN_PROGRESS"))
    assert world.recount() == 0
    world.agree()
    assert len(world.expected()) > 30
    written = world.database.calls["transact_write_items"]
    assert world.recount() == 0
    assert world.database.calls["transact_write_items"] == written


def test_a_row_of_an_older_version_that_moves_is_counted_where_it_is():
    world = Counted()
    world.record(a_job(status="IN_PROGRESS"))
    world.forget_counters()
    world.record(a_job(status="COMPLETED", EndTime=NOW))
    world.agree()


@pytest.mark.parametrize("kind", ["day#2026-11-2", "month#2026-11", "all"])
@pytest.mark.parametrize("wrong", [{"Jobs#COMPLETED": 7}, {"Jobs#LOST": 1}, None])
def test_a_counter_row_that_is_wrong_is_replaced(kind, wrong):
    world = Counted()
    world.record(*(a_job(f"{n}", submitted=NOW - n * DAY) for n in range(60)))
    key = next(key for _, key in world.database.items if key.startswith(kind))
    world.falsify(key, wrong)
    assert world.recount() == 1
    world.agree()
    assert world.recount() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"12#2026-11-13T12#COMPLETED": 7},
        {"12#2026-10-13T12#COMPLETED": 1},  # of another month
        {"08#2026-11-13T12#LOST": 1},
        None,
    ],
)
def test_a_counter_row_of_an_expiration_day_that_is_wrong_is_replaced(wrong):
    world = Counted()
    jobs = (
        a_job(f"{n}", submitted=NOW - n * DAY, ExpirationTime=EXPIRED[n % 2]) for n in range(60)
    )
    world.record(*jobs)
    world.falsify("expires#2027-02-01#SNOMEDCT", wrong)
    assert world.recount() >= 1
    world.agree()
    assert world.recount() == 0


def test_a_row_of_an_expiration_day_without_jobs_is_replaced():
    world = Counted()
    world.record(a_job())
    more = Counted()
    more.record(a_job(), a_job("other", ExpirationTime=EXPIRED[0]))
    key = counters.partition(SCOPE), "expires#2027-02-01#SNOMEDCT"
    world.database._put(more.database.items[key])
    assert world.recount() == 1
    world.agree()


def test_rows_of_past_expiration_days_are_not_compared():
    world = Counted()
    world.record(a_job(submitted=NOW - 130 * DAY, ExpirationTime=NOW - DAY))
    world.falsify("expires#2026-11-22#SNOMEDCT", {"12#2026-07-16T12#COMPLETED": 7})
    assert world.recount() == 0


def test_a_month_with_counters_and_no_jobs_is_verified_too():
    world = Counted()
    changes = counters.Changes(SCOPE, Family.SNOMEDCT)
    changes.add("2025-01-01", facts_of_job(a_job()))
    assert world.ledger.table.transact(changes.increments())
    assert world.recount() == 3
    assert stored_counters(world.database.items, SCOPE) == {}


def test_rows_that_others_write_while_they_are_counted_are_left_to_them_and_the_rest_is_counted():
    world = Counted()
    world.record(*(a_job(f"{n}", "IN_PROGRESS") for n in range(5)))
    world.forget_counters()

    def write(operation: str) -> None:
        if operation == "transact_write_items":
            world.database.before = lambda operation: None
            world.record(a_job("0", "COMPLETED", EndTime=NOW))

    world.database.before = write
    assert world.recount() == 0
    world.agree()
    summary = read_summary(world.ledger, JobQuery(), world.states(), NOW)
    assert (summary.by_status["COMPLETED"], summary.by_status["IN_PROGRESS"]) == (1, 4)


@pytest.mark.parametrize("call", range(1, 9))
def test_a_recount_beside_a_writer_replaces_nothing_that_is_right(call):
    world = Counted()
    world.record(*(a_job(f"{n}") for n in range(5)))
    left = call

    def write(operation: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            world.record(a_job("0", "COMPLETED", EndTime=NOW), a_job("new"))

    world.database.before = write
    assert world.recount() == 0
    world.agree()


def test_a_wrong_row_that_is_written_while_it_is_compared_is_right_afterwards():
    world = Counted()
    world.record(a_job())
    key = counters.partition(SCOPE), "day#2026-11-23#SNOMEDCT"
    world.database.items[key]["Jobs#COMPLETED"] = {"N": "5"}
    written = False

    def write(operation: str) -> None:
        nonlocal written
        if operation == "transact_write_items" and not written:
            written = True
            world.record(a_job("new"))

    world.database.before = write
    assert world.recount() == 1
    world.agree()


def test_a_recount_that_sees_a_transaction_in_part_replaces_nothing(monkeypatch):
    world = Counted()
    world.record(a_job())
    query = world.database.query

    def jobs_of_the_day(**asked: Any) -> bool:
        return asked["ExpressionAttributeValues"].get(":low", {}).get("S", "")[:7] == "2026-11"

    old: list[Any] = []

    def remember(**asked: Any) -> Any:
        answer = query(**asked)
        if jobs_of_the_day(**asked):
            old.append(answer)
        return answer

    monkeypatch.setattr(world.database, "query", remember)
    recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY)
    world.record(a_job("new"))
    # The counter row is the new one; the job rows of the month, and then of the day, are still the old ones.
    left = [old[0], old[0]]

    def lagging(**asked: Any) -> Any:
        return left.pop() if left and jobs_of_the_day(**asked) else query(**asked)

    monkeypatch.setattr(world.database, "query", lagging)
    assert recount_month(world.ledger, Family.SNOMEDCT, "2026-11", TODAY) == 0
    assert not left
    world.agree()


# Read.

STATUSES = [*JobStatus, "PAUSED", None]
# Few days, the first and last of months among them, so that jobs lie on both sides of bounds within a day.
DAYS = ["2026-11-23", "2026-11-22", "2026-11-01", "2026-10-31", "2026-10-10", "2026-08-01"]
TIMES = ["00:00:00.000", "00:00:00.001", "08:30:00.000", "12:00:00.000", "23:59:59.999"]
MOMENTS = st.builds(
    lambda day, time: datetime.fromisoformat(f"{day}T{time}Z"),
    st.sampled_from(DAYS),
    st.sampled_from(TIMES),
)
EXPIRATIONS = st.one_of(
    st.none(),
    st.sampled_from([0, 7 * 86_400]).flatmap(
        lambda edge: st.integers(edge - 4_000, edge + 4_000).map(
            lambda seconds: NOW + timedelta(seconds=seconds)
        )
    ),
    st.integers(-24, 8 * 24).map(lambda hours: NOW + hours * HOUR),
)


@st.composite
def any_jobs(draw: st.DrawFn) -> list[Job]:
    jobs = []
    for number in range(draw(st.integers(0, 25))):
        submitted, seconds = draw(st.none() | MOMENTS), draw(st.none() | st.integers(0, 100_000))
        times = {"ExpirationTime": draw(EXPIRATIONS)}
        if submitted and seconds is not None:
            times["EndTime"] = submitted + timedelta(seconds=seconds)
        family = draw(st.sampled_from([Family.SNOMEDCT, Family.PHI]))
        jobs.append(a_job(f"{number}", draw(st.sampled_from(STATUSES)), submitted, family, **times))
    return jobs


BOUNDS = st.one_of(
    st.none(),
    MOMENTS.map(rfc3339),
    st.sampled_from(
        ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2026-10-31T23:59:59.999Z"]
    ),
)
# The inputs' validation refuses a range without an instant, and so does DynamoDB.
QUERIES = st.builds(
    JobQuery,
    families=st.sampled_from([tuple(Family), (Family.PHI,), (Family.SNOMEDCT, Family.PHI)]),
    statuses=st.sampled_from([(), ("COMPLETED",), ("FAILED", "IN_PROGRESS"), ("SUBMITTED",)]),
    after=BOUNDS,
    before=BOUNDS,
).filter(lambda query: not query.after or not query.before or query.after < query.before)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_jobs(), QUERIES, st.sampled_from([(), (Family.PHI,), (Family.SNOMEDCT,)]))
def test_a_summary_from_the_counters_is_the_one_from_the_rows(jobs, query, uncounted):
    world = Counted()
    world.record(*jobs)
    states = world.states()
    from_rows = read_summary(world.ledger, query, world.states(layout=0), NOW)
    for family in uncounted:
        states[family] = replace(states[family], counted=0)
    assert from_rows == read_summary(world.ledger, query, states, NOW)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_jobs(), st.integers(1, 30))
def test_what_a_digest_tells_from_the_counters_is_what_it_tells_from_the_rows(jobs, longest):
    world = Counted()
    world.record(*jobs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobledger.digest.current._EXPIRING_LISTED", longest)
        told = [
            read_current_totals(world.ledger, tuple(Family), world.states(layout), NOW)
            for layout in (LAYOUT, 0)
        ]
    one, other = told
    assert one.totals == other.totals
    for name in ("active", "long_running"):
        listed, expected = getattr(one, name), getattr(other, name)
        assert (name, listed.total, listed.jobs()) == (name, expected.total, expected.jobs())
    # The same hours, and of the last one any jobs.
    assert one.expiring_soon.total == other.expiring_soon.total
    hours = [[str(job.expiration_time)[:13] for job in of.expiring_soon.jobs()] for of in told]
    assert hours[0] == hours[1]
    expiring = {(job.family, job.job_id): job.expiration_time for job in jobs}
    for job in one.expiring_soon.jobs():
        assert job.expiration_time == expiring[job.family, job.job_id]


def test_counters_that_are_not_complete_are_not_read():
    world = Counted()
    world.record(a_job())
    world.forget_counters()
    summary = read_summary(world.ledger, JobQuery(), {}, NOW)
    assert summary.total == 1
    of_a_later_layout = {Family.SNOMEDCT: SyncState(counted=LAYOUT + 1)}
    assert read_summary(world.ledger, JobQuery(), of_a_later_layout, NOW).total == 1


def test_a_job_that_the_service_no_longer_knows_is_counted_and_not_active():
    world = Counted()
    world.record(a_job("gone", "IN_PROGRESS"), a_job("there", "IN_PROGRESS", NOW))
    world.ledger.mark_expired(Family.SNOMEDCT, "gone", rfc3339(NOW - HOUR))
    for states in (world.states(), world.states(layout=0)):
        summary = read_summary(world.ledger, JobQuery(), states, NOW)
        assert summary.by_status["IN_PROGRESS"] == 2
        assert summary.oldest_active is not None
        assert summary.oldest_active.job_id == "there"
    world.agree()


# What it costs.


def fill(number: int, days: int = 730) -> Counted:
    """Return a ledger with jobs that were submitted over some days, the last one an hour ago."""
    world, step = Counted(), days * DAY / number
    jobs = (
        a_job(
            f"{n}",
            "FAILED" if n % 10 == 0 else "COMPLETED",
            NOW - HOUR - n * step,
            EndTime=NOW - HOUR - n * step + timedelta(seconds=60 + 3_000 * n / number),
            ExpirationTime=NOW + 120 * DAY - HOUR - n * step,
        )
        for n in range(number)
    )
    for row in bulk_rows(world.ledger, Family.SNOMEDCT, jobs):
        world.database._put(row)
    return world


@pytest.fixture(scope="module")
def of_sizes() -> list[Counted]:
    """Two years with 1,000 and with 100,000 jobs."""
    return [fill(number) for number in (1_000, 100_000)]


def cost(world: Counted, read: Any) -> tuple[Counter[str], int]:
    world.database.calls.clear()
    world.database.rows_read = 0
    read()
    return Counter(world.database.calls), world.database.rows_read


def states_with(**active: str) -> dict[Family, SyncState]:
    """Return the states of syncs that have counted all jobs; the active ones are SNOMED CT's."""
    counted = SyncState(as_of=rfc3339(NOW), counted=LAYOUT)
    return dict.fromkeys(Family, counted) | {Family.SNOMEDCT: replace(counted, active=active)}


def cost_of_summary(world: Counted, query: JobQuery) -> tuple[Counter[str], int]:
    return cost(world, lambda: read_summary(world.ledger, query, states_with(), NOW))


def cost_of_digest(world: Counted, **active: str) -> tuple[Counter[str], int]:
    states = states_with(**active)
    return cost(world, partial(read_current_totals, world.ledger, tuple(Family), states, NOW))


def test_rows_that_are_made_in_bulk_are_those_of_the_ledger():
    world = fill(200)
    world.agree()
    assert len(world.expected()) > 300


@pytest.mark.parametrize("statuses", [(), ("FAILED", "STOPPED")])
def test_a_summary_reads_nine_rows_whatever_the_number_of_jobs(of_sizes, statuses):
    query = JobQuery(families=tuple(Family), statuses=statuses)
    all_jobs, expiration_days = 1, 8
    for world in of_sizes:
        assert cost_of_summary(world, query) == ({"query": 2}, all_jobs + expiration_days)


def test_a_digest_reads_29_rows_beside_the_changes_whatever_the_number_of_jobs(of_sizes):
    all_jobs, expiration_days, first_to_expire = 1, 8, 20
    for world in of_sizes:
        expected = {"query": 3}, all_jobs + expiration_days + first_to_expire
        assert cost_of_digest(world) == expected


def test_a_digest_with_an_old_active_job_reads_thirty_days_more(of_sizes):
    for world in of_sizes:
        submitted = NOW - 2 * HOUR
        world.record(a_job("old", "IN_PROGRESS", submitted))
        # One request for the active job, and one for the days.
        expected = {"query": 3, "batch_get_item": 2}, 29
        assert cost_of_digest(world, old=rfc3339(submitted)) == expected


def test_a_time_range_reads_the_rows_of_its_first_and_last_day_only():
    world = fill(4_000)
    query = JobQuery(after=rfc3339(NOW - 400 * DAY), before=rfc3339(NOW - 2 * DAY))
    calls, rows = cost_of_summary(world, query)
    counter_rows, job_rows = 12 + 31 + 31 + 8, 2 * 6
    assert rows <= counter_rows + job_rows
    assert calls["query"] <= 6


@pytest.mark.parametrize("an_hour", [1, 100])
def test_a_digest_counts_all_jobs_that_expire_soon_and_lists_ten_of_the_first(an_hour):
    world, now = fill(24 * 8 * an_hour, days=8), NOW + 112 * DAY
    found = read_current_totals(world.ledger, (Family.SNOMEDCT,), states_with(), now).expiring_soon
    assert found.total == 24 * 7 * an_hour
    assert len(found.jobs()) == 10
    assert str(found.jobs()[0].expiration_time)[:13] == rfc3339(now)[:13]
