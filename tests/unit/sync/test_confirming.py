"""The active jobs that a sync follows: AsOf says only what was confirmed, in bounded work for each run."""

import pytest
from msgspec.structs import replace

from jobledger.errors import DeadlineReached, JobUnknown, UpstreamError
from jobledger.jobs import Job
from jobledger.ledger.rows import status_of
from jobledger.ledger.states import LastError, Round
from jobledger.sync import confirming, window
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MINUTE, NOW, SECOND
from tests.unit.sync.scripted_service import Service, a_job, minutes, page


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(window, "PAGE_SIZE", 4)


REFUSED = UpstreamError("AccessDeniedException")
UNKNOWN = JobUnknown("ResourceNotFoundException")


def old(number: int, status: str = "IN_PROGRESS") -> Job:
    return a_job(f"{number:03}", status, NOW - 40 * DAY + number * SECOND)


def filled(service: Service, number: int) -> Service:
    """Active jobs so old, with so many jobs after them, that describing them takes fewer calls."""
    recent = [a_job(f"n{n:05}", submitted=NOW - 4 * DAY + n * HOUR) for n in range(40)]
    service.sync(page(*recent, *map(old, range(number))))
    service.described = {old(n).job_id: old(n) for n in range(number)}
    service.now += MINUTE
    return service


def described(service: Service) -> list[str]:
    """Run a sync; return the jobs that it described."""
    service.sync(page())
    service.now += MINUTE
    return service.asked_for


def walk_begins_before(service: Service, job: Job, *listed: Job) -> bool:
    """Run a sync of one page; return whether it lists so far back that it would list a job."""
    service.sync(page(*listed))
    ((after, _),) = service.asked
    return str(after) < str(job.submit_time)


@pytest.mark.parametrize("answer", [REFUSED, UNKNOWN])
def test_as_of_stays_while_a_job_is_unconfirmed_and_moves_on_when_it_is_listed(answer, service):
    filled(service, 1)
    as_of = service.state.as_of
    service.described["000"] = answer
    done = service.sync(page(a_job("new", submitted=service.now)))
    assert (done.as_of, service.state.as_of) == (as_of, as_of)
    assert service.state.last_error.name == done.error
    assert service.ledger.find("new") is not None
    service.now += MINUTE
    at = service.now
    done = service.sync(page(old(0)))
    assert (done.error, done.as_of, service.state.last_error) == (None, rfc3339(at), None)


def test_after_a_refused_describe_walks_list_the_old_jobs_for_an_hour(service):
    filled(service, 5)
    service.described = dict.fromkeys(service.described, REFUSED)
    assert len(described(service)) == confirming.FAILURES_A_RUN
    assert walk_begins_before(service, old(0), *map(old, range(5)))
    state = service.state
    assert (state.last_error, state.as_of) == (None, rfc3339(service.now - SECOND))
    service.now += HOUR
    assert not walk_begins_before(service, old(4))


def test_a_describe_that_hangs_is_tried_three_times_a_run_and_each_job_has_its_turn(
    service, monkeypatch
):
    monkeypatch.setattr(window, "MOST_PAGES", 1)
    filled(service, 7)
    as_of = service.state.as_of
    service.described = dict.fromkeys(service.described, UpstreamError("ReadTimeoutError"))
    turns = [described(service) for _ in range(4)]
    assert [job for turn in turns for job in turn] == [f"{n % 7:03}" for n in range(12)]
    assert service.state.as_of == as_of
    service.described = {f"{n:03}": old(n) for n in range(7)}
    at = service.now
    assert described(service) == ["005", "006", "000", "001", "002", "003", "004"]
    assert (service.state.as_of, service.state.round) == (rfc3339(at), None)


@pytest.mark.parametrize("failed", [1, 2, 3])
def test_after_failures_two_runs_find_out_that_jobs_were_deleted(service, monkeypatch, failed):
    """A run that goes on with a round of failures asks of the jobs before its position too."""
    monkeypatch.setattr(confirming, "FAILURES_A_RUN", failed)
    filled(service, 3)
    service.described = dict.fromkeys(service.described, REFUSED)
    described(service)
    service.described = dict.fromkeys(service.described, UNKNOWN)
    assert (described(service), len(service.active)) == (
        sorted(service.described)[failed:] + sorted(service.described)[:failed],
        3,
    )
    at = service.now
    described(service)
    assert (service.state.as_of, service.active) == (rfc3339(at), {})


def test_more_jobs_than_a_run_describes_are_confirmed_as_of_the_first_run_of_their_round(
    service, monkeypatch
):
    monkeypatch.setattr(confirming, "DESCRIBES_A_RUN", 3)
    filled(service, 9)
    # The first two have ended, so that the round goes on after the first job that is left.
    service.described |= {f"00{n}": old(n, "FAILED") for n in (0, 1)}
    as_of, begun = service.state.as_of, service.now
    assert described(service) == ["000", "001", "002"]
    assert (service.state.as_of, service.state.last_error.name) == (as_of, "JobsUnconfirmed")
    assert service.state.round == Round(rfc3339(begun), "002")
    assert service.active.keys() == {f"{n:03}" for n in range(2, 9)}
    assert described(service) == ["003", "004", "005"]
    assert described(service) == ["006", "007", "008"]
    assert (service.state.as_of, service.state.round) == (rfc3339(begun), None)
    assert described(service) == ["002", "003", "004"]


def test_when_time_runs_out_within_describes_the_walk_is_complete_and_the_position_kept(service):
    filled(service, 3)
    service.described["001"] = DeadlineReached()
    assert described(service) == ["000", "001"]
    assert service.state.walk is None
    assert service.state.round == Round(rfc3339(service.now - MINUTE - SECOND), "001", failed=True)
    service.described["001"] = old(1)
    assert described(service) == ["002", "000", "001"]


def active_jobs(service: Service, number: int) -> list[Job]:
    """Active jobs of the last minutes, newest first, that can be described; a minute has passed."""
    jobs = [a_job(f"{n}", "SUBMITTED", NOW - n * MINUTE) for n in range(1, number + 1)]
    service.sync(page(*jobs))
    service.described = {job.job_id: job for job in jobs}
    service.now += MINUTE
    return jobs


def test_an_active_job_that_a_page_omits_is_described_before_the_next_page(service):
    jobs = active_jobs(service, 6)
    done = service.sync(page(jobs[0], jobs[2], token="2"), DeadlineReached())
    assert done.upstream_calls == 3  # two pages, and the second job
    # The run that goes on has not seen the jobs of the first page, and does not have to.
    done = service.sync(page(jobs[3], jobs[5]))
    # It asks of the last of that page, and of the fifth.
    assert (done.error, done.upstream_calls) == (None, 3)
    assert done.as_of == rfc3339(NOW + MINUTE + SECOND)


@pytest.mark.parametrize("limit", ["DESCRIBES_A_RUN", "FAILURES_A_RUN"])
def test_jobs_that_a_page_omits_are_described_within_the_limits_of_a_run(
    limit, service, monkeypatch
):
    monkeypatch.setattr(confirming, limit, 1)
    jobs = active_jobs(service, 4)
    if limit == "FAILURES_A_RUN":
        service.described["2"] = REFUSED
    done = service.sync(page(jobs[0], jobs[3], token="2"), page())
    assert (service.asked_for, done.as_of) == (["2"], rfc3339(NOW))


def test_a_walk_with_an_unconfirmed_job_on_an_earlier_page_moves_no_as_of(service):
    jobs = active_jobs(service, 3)
    service.described["1"] = REFUSED
    service.sync(page(jobs[1], token="2"), DeadlineReached())
    assert service.state.walk.unconfirmed == 1
    service.described = {"2": jobs[1]}
    done = service.sync(page(jobs[2]))
    assert (done.error, done.as_of) == ("JobsUnconfirmed", rfc3339(NOW))


def test_a_token_that_the_state_cannot_hold_is_not_kept(service):
    service.sync(page(a_job("old")))
    tokens = ["x" * 998, "y" * 999]
    service.now += MINUTE
    service.sync(page(token=tokens[0]), page(token=tokens[1]), DeadlineReached())
    assert service.state.walk.next_token == tokens[0]
    service.keep(walk=replace(service.state.walk, next_token=None, pages=0))
    for token in (tokens[1], "\ud800"):  # JSON can carry a lone surrogate, a row cannot
        assert service.sync(page(token=token), page()).error is None


# The jobs that a sync follows.


@pytest.mark.parametrize(
    "found,active,error,status",
    [
        (a_job("busy", "STOP_REQUESTED"), True, None, "STOP_REQUESTED"),
        (a_job("busy", "STOPPED"), False, None, "STOPPED"),
        (JobUnknown("ResourceNotFoundException"), True, "JobsUnconfirmed", "IN_PROGRESS"),
        (UpstreamError("Throttled"), True, "Throttled", "IN_PROGRESS"),
    ],
    ids=["active", "ended", "unknown", "failed"],
)
def test_an_active_job_that_is_not_listed_is_described(found, active, error, status, synced):
    synced.sync(page(a_job("busy", "IN_PROGRESS"), a_job("last", "IN_PROGRESS")))
    synced.described |= {"busy": found, "last": a_job("last", "FAILED")}
    synced.now += MINUTE
    at = synced.now
    done = synced.sync(page())
    assert (done.error, done.upstream_calls) == (error, 3)
    assert done.as_of == (minutes(1) if error else rfc3339(at))
    assert (synced.active == {"busy": rfc3339(NOW - HOUR)}) is active
    row = synced.ledger.find("busy")
    assert (status_of(row), "ExpiredUpstream" in row) == (status, False)
    assert status_of(synced.ledger.find("last")) == "FAILED"
    last_error = synced.state.last_error
    assert last_error == (LastError(error, rfc3339(at + SECOND)) if error else None)
