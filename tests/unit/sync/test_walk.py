"""A walk page by page, on a service whose answers are given: what it asks for, and what the state says."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from jobledger.errors import DeadlineReached, LedgerUnavailable, TokenRefused, UpstreamError
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.states import LastError, SyncState, Walk
from jobledger.sync import walk as module
from jobledger.sync.progress import FamilySync, advanced
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MINUTE, NOW, SECOND
from testing.memory_dynamodb import error
from tests.unit.sync.scripted_service import a_job, minutes, page

BEGUN = Walk(started_at=rfc3339(NOW))
COMPLETED = "COMPLETED"

# A first fill.


def test_a_first_fill_lists_everything_and_leaves_a_current_state(service):
    done = service.sync(
        page(a_job("a"), a_job("b", "SUBMITTED"), token="2"),
        page(a_job("c", "FAILED", NOW - MINUTE)),
    )
    assert service.asked == [(None, None), (None, "2")]
    assert done == FamilySync(as_of=rfc3339(NOW), upstream_calls=2, observed=3, changed=3, active=1)
    assert service.active == {"b": rfc3339(NOW - HOUR)}
    assert service.state == SyncState(
        as_of=rfc3339(NOW),
        full_walk_after=rfc3339(NOW + DAY),
        high_water_mark=minutes(-1),
        settled_at=service.state.settled_at,
        counted=LAYOUT,
        # A page, the end of the walk, the count of the month and of all.
        version=4,
    )
    assert service.announced() == []


def test_a_later_sync_lists_from_the_newest_job_on_and_announces_what_is_new(synced):
    synced.throttles = 5  # of the run before
    synced.at_page(2, lambda: setattr(synced, "throttles", 2))
    new = page(a_job("new", "SUBMITTED", NOW), a_job("a"), token="2")
    done = synced.sync(new, page(a_job("old", "FAILED"), a_job("b")))
    after = rfc3339(NOW - HOUR - 10 * MINUTE)
    assert synced.asked == [(after, None), (after, "2")]
    # The jobs of both pages; one that has ended stays as it was.
    calls = FamilySync(minutes(1), upstream_calls=2, throttles=2)
    assert done == replace(calls, observed=4, changed=3, transitions=3, active=1)
    assert sorted(synced.announced()) == [("a", COMPLETED), ("b", COMPLETED), ("new", "SUBMITTED")]
    assert synced.state.high_water_mark == rfc3339(NOW)
    assert synced.state.full_walk_after == rfc3339(NOW + DAY)


# A walk in progress.


@pytest.mark.parametrize(
    "before,submitted,mark",
    [
        *((None, [], None), (None, [None], None), (None, [-2, -1, -3], -1)),
        *((-1, [-2], -1), (-2, [-1], -1), (-2, [None], -2)),
        # A clock that is ahead of ours.
        *((None, [-1, 24], 0), (-2, [24], 0)),
    ],
)
def test_the_high_water_mark_is_the_newest_submit_time_but_not_after_the_start(
    before, submitted, mark
):
    def at(hours: int | None) -> str | None:
        return None if hours is None else rfc3339(NOW + hours * HOUR)

    times = (None if hours is None else NOW + hours * HOUR for hours in submitted)
    jobs = (a_job(submitted=time) for time in times)
    walk = advanced(replace(BEGUN, high_water_mark=at(before)), page(*jobs))
    assert walk.high_water_mark == at(mark)


def test_a_page_is_one_page_more_and_reaches_its_oldest_job_in_the_documented_order():
    jobs = [a_job(submitted=NOW), a_job(submitted=None), a_job()]
    for after, reached in ((rfc3339(NOW - 9 * HOUR), rfc3339(NOW - HOUR)), (None, None)):
        walk = advanced(replace(BEGUN, after=after, pages=2), page(*jobs, token="next"))
        assert (walk.next_token, walk.pages, walk.reached) == ("next", 3, reached)


def test_each_page_is_kept_before_the_next_one_is_asked_for(synced):
    seen: list[Walk | None] = []
    synced.before_page = lambda: seen.append(synced.state.walk)
    synced.sync(
        page(a_job("a", "SUBMITTED"), token="2"), page(token="3"), page(a_job("old", "SUBMITTED"))
    )
    hour_ago, after = rfc3339(NOW - HOUR), rfc3339(NOW - HOUR - 10 * MINUTE)
    begun = replace(BEGUN, started_at=minutes(1), after=after, next_token="2", pages=1)
    begun = replace(begun, high_water_mark=hour_ago, reached=hour_ago)
    assert seen == [None, begun, replace(begun, next_token="3", pages=2)]
    assert synced.state.walk is None


@pytest.mark.parametrize("pages", [1, 2, 9])
@pytest.mark.parametrize("cause", [DeadlineReached(), UpstreamError("AccessDeniedException")])
def test_a_walk_that_was_interrupted_is_resumed_where_it_stopped(cause, pages, synced):
    first = synced.sync(*(page(a_job(f"{n}"), token=f"{n}") for n in range(pages)), cause)
    assert (first.error, first.as_of) == (cause.name, rfc3339(NOW))
    failed_at = rfc3339(NOW + MINUTE + (pages + 1) * SECOND)
    error = LastError(cause.name, failed_at) if isinstance(cause, UpstreamError) else None
    assert synced.state.last_error == error
    begun = synced.asked[0][0]
    synced.now += MINUTE
    done = synced.sync(page(a_job("b")))
    assert synced.asked == [(begun, f"{pages - 1}")]
    assert (done.error, done.as_of, synced.state.last_error) == (None, minutes(1), None)


def test_a_walk_that_another_sync_advances_is_left_to_it(synced):
    ahead = replace(BEGUN, pages=9)
    synced.at_page(2, lambda: synced.keep(walk=ahead))
    done = synced.sync(page(token="2"), page(token="3"))
    assert (done.error, done.as_of) == ("WalkOvertaken", rfc3339(NOW))
    assert synced.state.walk == ahead


@pytest.mark.parametrize("other", [None, replace(BEGUN, started_at=minutes(2), pages=1)])
def test_a_walk_that_another_sync_has_completed_is_completed_again(other, synced):
    """Neither time goes back, and the other sync's next walk is kept."""
    ahead = {"walk": None, "as_of": minutes(2), "high_water_mark": minutes(2)}
    synced.at_page(2, lambda: synced.keep(**ahead))
    synced.at_page(3, lambda: synced.keep(walk=other))
    done = synced.sync(page(a_job("a"), token="2"), page(token="3"), page())
    assert (done.error, done.as_of) == (None, minutes(2))
    assert (synced.state.as_of, synced.state.high_water_mark) == (minutes(2), minutes(2))
    assert synced.state.walk == other


def test_a_ledger_that_cannot_be_read_or_written_is_reported(synced, monkeypatch):
    def fail(operation: str) -> None:
        raise error("InternalServerError", 500)

    synced.database.before = fail
    done = synced.sync()
    assert done == FamilySync(
        as_of=None, error=LedgerUnavailable.__name__, cause="InternalServerError"
    )
    synced.database.before = lambda operation: None
    synced.before_page = lambda: setattr(synced.database, "before", fail)
    done = synced.sync(page(a_job("a")))
    assert (done.as_of, done.error, done.observed) == (rfc3339(NOW), "LedgerUnavailable", 0)


# Pages that do not end.


def empty(number, name=""):
    return [page(token=f"{name}{n}") for n in range(number)]


@pytest.mark.parametrize(
    "pages,walks",
    [
        (empty(100), 1),
        # They count from the last job on.
        ([*empty(100), page(a_job("a"), token="c"), *empty(100, "b")], 1),
        # A walk begins anew once, and that one ends.
        (empty(101), 2),
    ],
    ids=["100", "twice 100", "101"],
)
def test_a_hundred_empty_pages_in_a_row_are_read_and_not_one_more(pages, walks, service):
    assert service.sync(*pages, page(a_job("a"))).error is None
    assert service.asked.count((None, None)) == walks


@pytest.mark.parametrize(
    "second,error",
    [
        (page(a_job("a"), token="1"), "WalkEndless"),
        (TokenRefused("ValidationException"), "ValidationException"),
    ],
    ids=["a cycle", "refused"],
)
def test_a_walk_restarts_once_and_is_then_given_up(second, error, service):
    attempt = [page(a_job("a"), token="1"), second]
    done = service.sync(*attempt, *attempt)
    assert (done.error, done.as_of, done.upstream_calls) == (error, None, 4)
    assert service.asked == [(None, None), (None, "1")] * 2
    assert (service.state.walk, service.state.full_walk_after) == (None, None)
    assert service.state.last_error == LastError(error, rfc3339(NOW + 4 * SECOND))


@pytest.mark.parametrize("pages,found", [(3, None), (4, "WalkEndless")])
def test_a_walk_has_a_largest_number_of_pages(pages, found, service, monkeypatch):
    monkeypatch.setattr(module, "MAX_PAGES", 3)
    attempt = [page(a_job("a"), token=f"{n}") for n in range(pages)]
    given = [*attempt, page()] if found is None else [*attempt, *attempt]
    assert service.sync(*given).error == found


# Failures of the service.


@pytest.mark.parametrize("later,kept", [(timedelta(0), True), (SECOND, False)])
def test_a_walk_that_fails_for_over_an_hour_restarts(later, kept, synced):
    failure = UpstreamError("InternalServerException")
    synced.sync(page(token="2"), failure)
    synced.now = NOW + MINUTE + HOUR - SECOND + later
    assert synced.sync(failure).error == "InternalServerException"
    assert (synced.state.walk is not None) is kept


def test_a_failure_does_not_undo_what_another_sync_saves_at_the_same_time(synced):
    synced.at_page(1, lambda: synced.before_a_write(lambda: synced.keep(as_of=minutes(2))))
    done = synced.sync(UpstreamError("AccessDeniedException"))
    assert done.as_of == synced.state.as_of == minutes(2)
    assert synced.state.last_error.name == "AccessDeniedException"
