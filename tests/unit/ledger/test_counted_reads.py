"""What is read from the counters, and what it costs."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jobledger.digest.current import read_current_totals
from jobledger.jobs import Job
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.job_facts import JobFacts, facts_of_job
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.states import SyncState
from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339
from jobledger.totals.read import read_summary
from jobledger.totals.summary import summarise
from testing.builders import DAY, HOUR, NOW, SCOPE, SECOND, a_job, matches
from testing.bulk import fill
from testing.counted import Counted
from testing.full import in_full

SUMMARIES = in_full(75, 300)
STATUSES = [*JobStatus, "PAUSED", None]
# Few days, the first and last of months among them, so that jobs lie on both sides of bounds within a day.
DAYS = ["2026-11-23", "2026-11-22", "2026-11-01", "2026-10-31", "2026-10-10", "2026-08-01"]
TIMES = ["00:00:00.000", "00:00:00.001", "08:30:00.000", "12:00:00.000", "23:59:59.999"]
MOMENTS = [datetime.fromisoformat(f"{day}T{time}Z") for day in DAYS for time in TIMES]
# The first and the last hour of those that expire soon, to the second, and hours between and beyond them.
SOON = [NOW + edge + n * SECOND for edge in (0 * DAY, 7 * DAY) for n in range(-4_000, 4_001, 200)]
SOON += [NOW + n * SECOND for n in (-1, 1, 3_599)] + [NOW + n * HOUR for n in range(-24, 8 * 24)]


MEMBERS = ("222233334444/us-east-1", "333344445555/eu-west-1")
SOURCES = (None, *MEMBERS)


@st.composite
def any_jobs(draw: st.DrawFn, sources: tuple[str | None, ...] = (None,)) -> list[Job]:
    def one(number: int) -> Job:
        submitted = draw(st.sampled_from([None, *MOMENTS]))
        seconds = draw(st.none() | st.integers(0, 100_000))
        times = {"ExpirationTime": draw(st.none() | st.sampled_from(SOON))}
        if submitted and seconds is not None:
            times["EndTime"] = submitted + seconds * SECOND
        family = draw(st.sampled_from([Family.SNOMEDCT, Family.PHI]))
        job = a_job(f"{number}", draw(st.sampled_from(STATUSES)), submitted, family, **times)
        return replace(job, source=draw(st.sampled_from(sources)))

    return [one(number) for number in range(draw(st.integers(0, 25)))]


ENDS = ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2026-10-31T23:59:59.999Z"]
BOUNDS = st.sampled_from([None, *map(rfc3339, MOMENTS), *ENDS])
# The inputs' validation refuses a range without an instant, and so does DynamoDB.
QUERIES = st.builds(
    JobQuery,
    families=st.sampled_from([tuple(Family), (Family.PHI,), (Family.SNOMEDCT, Family.PHI)]),
    statuses=st.sampled_from([(), ("COMPLETED",), ("FAILED", "IN_PROGRESS"), ("SUBMITTED",)]),
    after=BOUNDS,
    before=BOUNDS,
    sources=st.sets(st.sampled_from([SCOPE, *MEMBERS])).map(lambda chosen: tuple(sorted(chosen))),
).filter(lambda query: not query.after or not query.before or query.after < query.before)


@pytest.mark.full
@settings(max_examples=SUMMARIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_jobs(SOURCES), QUERIES, st.sampled_from([(), (Family.PHI,), (Family.SNOMEDCT,)]))
def test_a_summary_from_counters_or_rows_is_one_of_the_jobs_that_match(jobs, query, uncounted):
    world = Counted(*jobs, sources=(SCOPE, *MEMBERS))
    states = world.states() | {family: SyncState() for family in uncounted}
    matching = (facts_of_job(job) for job in jobs if matches(job, query))
    expected = summarise(matching, NOW, query.families)
    assert read_summary(world.ledger, query, states, NOW) == expected
    assert read_summary(world.ledger, query, world.states(layout=0), NOW) == expected
    # So is a digest, but of the jobs that expire in its last hour it lists any.
    one, other = (
        read_current_totals(world.ledger, tuple(Family), world.states(layout), NOW)
        for layout in (LAYOUT, 0)
    )
    assert one.totals == other.totals
    for listed, of_rows in ((one.active, other.active), (one.long_running, other.long_running)):
        assert (listed.total, listed.jobs()) == (of_rows.total, of_rows.jobs())
    soon, of_rows = one.expiring_soon, other.expiring_soon
    assert (soon.total, hours_of(soon.jobs())) == (of_rows.total, hours_of(of_rows.jobs()))
    assert all(job in map(facts_of_job, jobs) for job in soon.jobs())


def hours_of(jobs: Iterable[JobFacts]) -> list[str]:
    return [str(job.expiration_time)[:13] for job in jobs]


@pytest.mark.parametrize(
    "chosen,queries",
    [
        # All: the rows of all jobs and of the expiration days; and by source, each for all of them side by side.
        *(((), 2), (MEMBERS[:1], 2), (MEMBERS, 4)),
        # The own one's are those of all without the members'; which sources there are is one query.
        *(((SCOPE,), 7), ((SCOPE, *MEMBERS[:1]), 5)),
    ],
)
def test_a_summary_by_source_costs_requests_for_each_source_and_none_for_jobs(chosen, queries):
    for number in (3, 300):
        world = Counted(sources=(SCOPE, *MEMBERS))
        fill(world, (replace(a_job(f"{n}"), source=SOURCES[n % 3]) for n in range(number)))
        query = JobQuery(sources=tuple(sorted(chosen)))
        assert cost(world, read_summary, query)[0] == {"query": queries}
        found = read_summary(world.ledger, query, world.states(), NOW)
        assert found.total == number // 3 * (len(chosen) or 3)


def test_a_job_that_the_service_no_longer_knows_is_counted_and_not_active():
    world = Counted(a_job("gone", "IN_PROGRESS"), a_job("there", "IN_PROGRESS", NOW))
    world.ledger.mark_expired(Family.SNOMEDCT, "gone", rfc3339(NOW - HOUR))
    for layout in (LAYOUT, 0):
        summary = read_summary(world.ledger, JobQuery(), world.states(layout), NOW)
        oldest = summary.oldest_active
        assert (summary.by_status["IN_PROGRESS"], oldest and oldest.job_id) == (2, "there")
    world.agree()


def filled(number: int, days: int = 730) -> Counted:
    """Return a ledger with jobs that were submitted over some days, the last one an hour ago."""

    def job(n: int) -> Job:
        at = NOW - HOUR - n * (days * DAY / number)
        times: Any = {
            "EndTime": at + (60 + 3_000 * n / number) * SECOND,
            "ExpirationTime": at + 120 * DAY,
        }
        return a_job(f"{n}", "COMPLETED" if n % 10 else "FAILED", at, **times)

    world = Counted()
    fill(world, map(job, range(number)))
    return world


MANY = in_full(10_000, 100_000)
# Which takes some seconds to fill, so they are filled once.
on_one_worker = pytest.mark.xdist_group("counted-ledgers")


@pytest.fixture(scope="module")
def of_sizes() -> list[Counted]:
    """Two years with few and with many jobs, as the ledger writes them."""
    few = filled(1_000)
    few.agree()
    return [few, filled(MANY)]


def cost(world: Counted, read: Any, what: object) -> tuple[Counter[str], int]:
    world.database.forget()
    read(world.ledger, what, world.states(), NOW)
    return Counter(world.database.calls), world.database.rows_read


@pytest.mark.slow
@pytest.mark.full
@on_one_worker
def test_a_summary_and_a_digest_read_the_same_rows_whatever_the_number_of_jobs(of_sizes):
    everything = tuple(Family)
    for world in of_sizes:
        for statuses in ((), ("FAILED", "STOPPED")):
            query = JobQuery(families=everything, statuses=statuses)
            # The row of all jobs, and eight expiration days; of a digest, also the twenty that expire first.
            assert cost(world, read_summary, query) == ({"query": 2}, 1 + 8)
        assert cost(world, read_current_totals, everything) == ({"query": 3}, 1 + 8 + 20)
        world.record(a_job("old", "IN_PROGRESS", NOW - 2 * HOUR))
        # Two requests for the active job, and one for the days.
        requests = {"query": 4, "batch_get_item": 2}
        assert cost(world, read_current_totals, everything) == (requests, 30)


def test_a_digest_counts_all_jobs_that_expire_soon_and_lists_ten_of_the_first():
    world, now = filled(24 * 8, days=8), NOW + 112 * DAY
    found = read_current_totals(world.ledger, (Family.SNOMEDCT,), world.states(), now).expiring_soon
    assert (found.total, len(found.jobs())) == (24 * 7, 10)
    assert str(found.jobs()[0].expiration_time)[:13] == rfc3339(now)[:13]
