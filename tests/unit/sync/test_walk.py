"""A walk page by page, on a service whose answers are given: what it asks for, and what the state says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace

from jobledger.errors import (
    DeadlineReached,
    JobUnknown,
    LedgerUnavailable,
    TokenRefused,
    UpstreamError,
)
from jobledger.jobs import Family, Job, job_from_service
from jobledger.ledger.table import Table
from jobledger.ledger.totals import LAYOUT
from jobledger.ledger.writing import LastError, Ledger, SyncState, Walk
from jobledger.sync import walk as module
from jobledger.sync.upstream import Upstream, UpstreamPage
from jobledger.sync.walk import FamilySync, Sync
from jobledger.times import rfc3339
from tests.api import logged_lines
from tests.memory_dynamodb import RecordingDynamoDB, error
from tests.world import FAR_FUTURE, FAR_PAST

SCOPE = "111122223333/us-east-1"
PHI = Family.PHI
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)


def a_job(job_id: str, status: str = "COMPLETED", submitted: datetime | None = NOW - HOUR) -> Job:
    properties: dict[str, Any] = {"JobId": job_id, "JobStatus": status}
    if submitted:
        properties["SubmitTime"] = submitted
    job = job_from_service(PHI, properties)
    assert job is not None
    return job


def page(*jobs: Job, token: str | None = None) -> UpstreamPage:
    return UpstreamPage(jobs=jobs, next_token=token)


class Service:
    """Gives these pages in turn, or raises them, and keeps what it is asked. A page takes a second."""

    def __init__(self) -> None:
        self.now = NOW
        self.database = RecordingDynamoDB()
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now)
        self.pages: list[UpstreamPage | Exception] = []
        self.described: dict[str, Job | Exception] = {}
        self.asked: list[tuple[str | None, str | None]] = []
        self.before_page: Callable[[], None] = lambda: None
        self.calls = self.throttles = self.resets = 0

    def reset(self) -> None:
        self.resets += 1
        self.calls = self.throttles = 0

    def page(self, family: Family, after: str | None, next_token: str | None) -> UpstreamPage:
        assert family is PHI
        self.before_page()
        self.calls += 1
        self.now += SECOND
        self.asked.append((after, next_token))
        answer = self.pages.pop(0) if self.pages else page()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def describe(self, family: Family, job_id: str) -> Job:
        assert family is PHI
        self.calls += 1
        answer = self.described.get(job_id, JobUnknown("ResourceNotFoundException"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sync(self, *pages: UpstreamPage | Exception, **how: Any) -> FamilySync:
        self.pages, self.asked = [*pages], []
        done = Sync(PHI, cast(Upstream, self), self.ledger, lambda: self.now, **how).run()
        assert not self.pages
        return done

    @property
    def state(self) -> SyncState:
        return self.ledger.state(PHI)

    def save(self, **changed: object) -> SyncState:
        saved = self.ledger.save_state(PHI, replace(self.state, **changed))
        assert saved is not None
        return saved

    def changes(self) -> list[tuple[str, str | None]]:
        changes = self.ledger.changes(PHI, FAR_PAST, FAR_FUTURE)
        return [(change.job_id, change.status) for change in changes]


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def synced(service):
    """A service whose first fill had one page with one job; a minute has passed."""
    service.sync(page(a_job("old")))
    service.now = NOW + MINUTE
    return service


def minutes(number: float) -> str:
    return rfc3339(NOW + number * MINUTE)


# A first fill.


def test_a_first_fill_lists_everything_and_leaves_the_state_of_a_ledger_that_is_current(service):
    done = service.sync(
        page(a_job("a"), a_job("b", "SUBMITTED"), token="2"),
        page(a_job("c", "FAILED", NOW - MINUTE)),
    )
    assert service.asked == [(None, None), (None, "2")]
    assert done == FamilySync(as_of=rfc3339(NOW), upstream_calls=2, observed=3, changed=3)
    assert service.state == SyncState(
        as_of=rfc3339(NOW),
        full_walk_after=rfc3339(NOW + DAY),
        high_water_mark=minutes(-1),
        active={"b": rfc3339(NOW - HOUR)},
        settled_at=service.state.settled_at,
        counted=LAYOUT,
        version=3,
    )
    assert service.changes() == []
    assert service.resets == 1


def test_a_first_fill_without_reconciliation_leaves_the_counters_to_another_run(service):
    service.sync(page(a_job("a")), reconcile=False)
    assert (service.state.counted, service.state.version) == (0, 1)
    service.sync(page(a_job("a")))
    assert service.state.counted == LAYOUT


def test_a_later_sync_lists_from_the_newest_job_on_and_announces_what_is_new(synced):
    done = synced.sync(page(a_job("old"), a_job("new", "SUBMITTED", NOW)))
    assert synced.asked == [(rfc3339(NOW - HOUR - 10 * MINUTE), None)]
    assert done == FamilySync(
        as_of=minutes(1), upstream_calls=1, observed=2, changed=1, transitions=1
    )
    assert synced.changes() == [("new", "SUBMITTED")]
    assert synced.state.high_water_mark == rfc3339(NOW)
    assert synced.state.full_walk_after == rfc3339(NOW + DAY)


def test_what_pages_change_is_added_up(synced):
    synced.throttles = 5
    done = synced.sync(
        page(a_job("a"), a_job("b"), token="2"), page(a_job("old", "FAILED"), a_job("c"))
    )
    assert (done.observed, done.changed, done.transitions) == (4, 3, 3)
    assert (done.upstream_calls, done.throttles) == (2, 0)


def test_a_row_is_stamped_as_listed_when_its_page_was_asked_for(service):
    service.sync(page(a_job("a"), token="2"), page(a_job("b")))
    listed = [service.ledger.find(job_id)["ListedAt"] for job_id in ("a", "b")]
    assert listed == [rfc3339(NOW), rfc3339(NOW + SECOND)]


# A walk in progress.


def test_each_page_is_kept_before_the_next_one_is_asked_for(synced):
    seen: list[Walk | None] = []
    synced.save(active={"old": rfc3339(NOW - HOUR)})
    synced.before_page = lambda: seen.append(synced.state.walk)
    synced.sync(
        page(a_job("a", "SUBMITTED"), token="2"), page(token="3"), page(a_job("old", "SUBMITTED"))
    )
    begun = Walk(
        started_at=minutes(1),
        after=rfc3339(NOW - HOUR - 10 * MINUTE),
        next_token="2",
        pages=1,
        high_water_mark=rfc3339(NOW - HOUR),
        known=["old"],
        active={"a": rfc3339(NOW - HOUR)},
        missing={"old": rfc3339(NOW - HOUR)},
    )
    assert seen == [None, begun, replace(begun, next_token="3", pages=2)]
    assert synced.state.walk is None


def test_a_walk_that_was_interrupted_is_resumed_where_it_stopped(synced):
    first = synced.sync(page(a_job("a"), token="2"), DeadlineReached())
    assert (first.error, first.as_of) == ("DeadlineReached", rfc3339(NOW))
    begun = synced.asked[0][0]
    synced.now += MINUTE
    done = synced.sync(page(a_job("b")))
    assert synced.asked == [(begun, "2")]
    assert (done.error, done.as_of) == (None, minutes(1))


def test_a_walk_that_another_sync_advances_is_left_to_it(synced):
    ahead = Walk(started_at="other", pages=9)
    pages = 0

    def another() -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            synced.save(walk=ahead)

    synced.before_page = another
    done = synced.sync(page(token="2"), page(token="3"))
    assert (done.error, done.as_of) == ("WalkOvertaken", rfc3339(NOW))
    assert synced.state.walk == ahead


@pytest.mark.parametrize("at_page", [1, 2, 3])
def test_a_state_that_changes_beside_the_walk_does_not_stop_it(at_page, synced):
    pages = 0

    def another() -> None:
        nonlocal pages
        pages += 1
        if pages == at_page:
            synced.save(full_walk_after="later")

    synced.before_page = another
    done = synced.sync(page(a_job("a"), token="2"), page(token="3"), page(a_job("b")))
    assert (done.error, done.as_of) == (None, minutes(1))
    assert (synced.state.full_walk_after, synced.state.walk) == ("later", None)


def test_a_walk_that_another_sync_has_completed_is_completed_again(synced):
    pages = 0

    def another() -> None:
        nonlocal pages
        pages += 1
        if pages == 2:
            synced.save(walk=None, as_of=minutes(5), high_water_mark=minutes(4))

    synced.before_page = another
    done = synced.sync(page(a_job("a"), token="2"), page(token="3"), page())
    # Neither time goes back.
    assert (done.error, done.as_of) == (None, minutes(5))
    assert (synced.state.as_of, synced.state.high_water_mark) == (minutes(5), minutes(4))


def test_a_walk_of_another_sync_that_is_in_progress_is_kept(synced):
    other = Walk(started_at=minutes(2), pages=1)
    synced.before_page = lambda: synced.save(walk=other)
    assert synced.sync(page(a_job("a"))).error is None
    assert synced.state.walk == other


def test_a_ledger_that_cannot_be_read_or_written_is_told(synced, monkeypatch):
    def fail(operation: str) -> None:
        raise error("InternalServerError", 500)

    synced.database.before = fail
    done = synced.sync()
    assert done == FamilySync(as_of=None, error=LedgerUnavailable.__name__)
    synced.database.before = lambda operation: None
    synced.before_page = lambda: setattr(synced.database, "before", fail)
    done = synced.sync(page(a_job("a")))
    assert (done.as_of, done.error, done.observed) == (rfc3339(NOW), "LedgerUnavailable", 0)


# Pages that do not end.


@pytest.mark.parametrize("empty,ends", [(100, True), (101, False)])
def test_a_hundred_empty_pages_in_a_row_are_read_and_not_one_more(empty, ends, service):
    pages = [page(token=f"{n}") for n in range(empty)]
    rest = [page(a_job("a"))] if ends else [page(a_job("b"))]
    done = service.sync(*pages, *rest)
    assert done.error is None
    # Otherwise it begins anew, once, and that one ends.
    restarted = (None, None) in service.asked[1:]
    assert restarted is not ends


def test_empty_pages_count_from_the_last_job_on_and_again_from_the_restart(service):
    empty = [page(token=f"a{n}") for n in range(100)]
    more = [page(token=f"b{n}") for n in range(100)]
    assert service.sync(*empty, page(a_job("a"), token="c"), *more, page()).error is None
    assert service.asked.count((None, None)) == 1


def test_a_hundred_empty_pages_are_read_after_a_restart_too(service):
    first = [page(token="1"), page(token="2"), TokenRefused("ValidationException")]
    empty = [page(token=f"{n}") for n in range(100)]
    assert service.sync(*first, *empty, page(a_job("a"))).error is None


def test_a_walk_is_begun_anew_once_and_then_given_up(service):
    cycle = [page(a_job("a"), token="1"), page(a_job("a"), token="1")]
    done = service.sync(*cycle, *cycle)
    assert (done.error, done.as_of, done.upstream_calls) == ("WalkEndless", None, 4)
    assert service.asked == [(None, None), (None, "1")] * 2
    assert service.state.walk is None
    assert service.state.last_error == LastError("WalkEndless", rfc3339(NOW + 4 * SECOND))


def test_tokens_of_the_first_attempt_are_no_cycle_in_the_second(service):
    one = [page(a_job("a"), token="1"), page(a_job("a"), token="2")]
    assert service.sync(*one, TokenRefused("ValidationException"), *one, page()).error is None


@pytest.mark.parametrize("pages,found", [(3, None), (4, "WalkEndless")])
def test_a_walk_has_a_largest_number_of_pages(pages, found, service, monkeypatch):
    monkeypatch.setattr(module, "MAX_PAGES", 3)
    attempt = [page(a_job("a"), token=f"{n}") for n in range(pages)]
    given = [*attempt, page()] if found is None else [*attempt, *attempt]
    assert service.sync(*given).error == found


def test_a_long_walk_tells_of_its_progress_every_twenty_pages(service):
    pages = [page(a_job(f"{n}"), token=f"{n}") for n in range(45)]
    with logged_lines() as lines:
        service.sync(*pages, page())
    told = [line for line in map(json.loads, lines) if line["message"] == "walking"]
    assert [(line["family"], line["observed"]) for line in told] == [("PHI", 20), ("PHI", 40)]


# Failures of the service.


def test_a_failure_is_kept_in_the_state_with_its_time_and_the_next_walk_resumes(synced):
    done = synced.sync(page(a_job("a"), token="2"), UpstreamError("AccessDeniedException"))
    assert (done.error, done.as_of) == ("AccessDeniedException", rfc3339(NOW))
    assert synced.state.last_error == LastError(
        "AccessDeniedException", rfc3339(NOW + MINUTE + 2 * SECOND)
    )
    walk = synced.state.walk
    assert (walk.next_token, walk.started_at) == ("2", minutes(1))
    assert synced.sync(page()).error is None
    assert synced.state.last_error is None


@pytest.mark.parametrize("later,kept", [(timedelta(0), True), (SECOND, False)])
def test_a_walk_that_fails_for_more_than_an_hour_after_its_start_is_begun_anew(later, kept, synced):
    failure = UpstreamError("InternalServerException")
    synced.sync(page(token="2"), failure)
    synced.now = NOW + MINUTE + HOUR - SECOND + later
    assert synced.sync(failure).error == "InternalServerException"
    assert (synced.state.walk is not None) is kept


def test_a_failure_does_not_undo_what_another_sync_saves_at_the_same_time(synced):
    def fail_beside_another() -> None:
        def another(operation: str) -> None:
            if operation == "transact_write_items":
                synced.database.before = lambda operation: None
                synced.save(as_of=minutes(5))

        synced.database.before = another

    synced.before_page = fail_beside_another
    done = synced.sync(UpstreamError("AccessDeniedException"))
    assert done.as_of == synced.state.as_of == minutes(5)
    assert synced.state.last_error.name == "AccessDeniedException"


def test_a_token_that_is_refused_twice_drops_the_walk(synced):
    refused = TokenRefused("ValidationException")
    done = synced.sync(page(token="2"), refused, page(token="2"), refused)
    assert (done.error, synced.state.walk) == ("ValidationException", None)
    assert [token for _, token in synced.asked] == [None, "2", None, "2"]
    assert synced.state.full_walk_after == rfc3339(NOW + DAY)


# The daily walk over everything.


@pytest.mark.parametrize(
    "passed,walks", [(DAY - MINUTE - timedelta(milliseconds=1_001), 1), (DAY - MINUTE - SECOND, 2)]
)
def test_a_day_after_the_last_one_a_second_walk_covers_everything(passed, walks, synced):
    synced.now += passed
    given = [page(a_job("old")), page(a_job("old"), a_job("late"))][:walks]
    done = synced.sync(*given)
    assert done.error is None
    assert [after for after, _ in synced.asked][1:] == [None][: walks - 1]
    assert (synced.ledger.find("late") is not None) is (walks == 2)


def test_a_state_that_does_not_say_when_a_full_walk_is_due_is_due(synced):
    synced.save(full_walk_after=None)
    assert synced.sync(page(), page(a_job("old"))).error is None
    assert len(synced.asked) == 2
    assert synced.state.full_walk_after is not None


def test_after_a_full_walk_the_next_one_is_due_a_day_after_its_start_and_counters_are_verified(
    synced,
):
    synced.now = NOW + 2 * DAY
    begun = NOW + 2 * DAY + SECOND
    versions: list[str | None] = []
    synced.database.after = lambda operation: (
        versions.append(synced.state.recounted) if operation == "transact_write_items" else None
    )
    assert synced.sync(page(), page(a_job("old"))).error is None
    assert synced.state.full_walk_after == rfc3339(begun + DAY)
    assert synced.state.as_of == rfc3339(NOW + 2 * DAY)
    assert "" in versions
    assert synced.state.recounted is None


def test_a_full_walk_that_was_interrupted_is_resumed_beside_the_other(synced):
    synced.now = NOW + 2 * DAY
    first = synced.sync(page(), page(a_job("a"), token="2"), DeadlineReached())
    assert (first.error, first.as_of) == ("DeadlineReached", rfc3339(NOW + 2 * DAY))
    assert synced.state.full_walk.next_token == "2"
    assert synced.sync(page(), page(a_job("b"))).error is None
    assert [token for _, token in synced.asked] == [None, "2"]
    assert synced.state.full_walk is None


def test_without_reconciliation_the_full_walk_and_the_recount_are_left_to_another_run(synced):
    synced.now = NOW + 2 * DAY
    synced.save(recounted="")
    assert synced.sync(page(), reconcile=False).error is None
    assert synced.state.recounted == ""
    assert len(synced.asked) == 1


def test_a_full_walk_is_not_begun_after_a_failure_but_one_in_progress_is_resumed(synced):
    synced.now = NOW + 2 * DAY
    failure = UpstreamError("InternalServerException")
    assert synced.sync(failure).error == "InternalServerException"
    assert len(synced.asked) == 1
    synced.save(full_walk=Walk(started_at=rfc3339(synced.now), next_token="5"))
    assert synced.sync(failure, page()).error == "InternalServerException"
    assert synced.asked[1] == (None, "5")
    assert synced.state.full_walk is None


def test_a_full_walk_that_cannot_be_resumed_waits_an_hour(synced):
    synced.now = NOW + 2 * DAY
    refused = TokenRefused("ValidationException")
    pages = page(token="2"), refused
    done = synced.sync(page(), *pages, *pages)
    assert (done.error, synced.state.full_walk) == ("ValidationException", None)
    failed_at = NOW + 2 * DAY + 5 * SECOND
    assert synced.state.full_walk_after == rfc3339(failed_at + HOUR)
    assert synced.state.last_error == LastError("ValidationException", rfc3339(failed_at))
    synced.now = failed_at + HOUR - 2 * SECOND
    assert synced.sync(page()).error is None
    assert len(synced.asked) == 1
    assert synced.sync(page(), page()).error is None


def test_a_full_walk_neither_describes_jobs_nor_ends_those_that_it_does_not_list(synced):
    synced.sync(page(a_job("busy", "IN_PROGRESS")))
    synced.now = NOW + 2 * DAY
    synced.described["busy"] = a_job("busy", "IN_PROGRESS")
    done = synced.sync(page(), page(a_job("old")))
    # The first walk describes it, the second one does not.
    assert done.upstream_calls == 3
    assert synced.state.active.keys() == {"busy"}


# Active jobs.


def test_a_job_that_is_seen_to_end_is_active_no_more(synced):
    synced.sync(page(a_job("busy", "IN_PROGRESS"), a_job("other", "SUBMITTED")))
    assert synced.state.active.keys() == {"busy", "other"}
    synced.sync(page(a_job("busy"), a_job("other", "IN_PROGRESS")))
    assert synced.state.active == {"other": rfc3339(NOW - HOUR)}


@pytest.mark.parametrize(
    "found,active,error,status,expired",
    [
        (a_job("busy", "STOP_REQUESTED"), True, None, "STOP_REQUESTED", False),
        (a_job("busy", "STOPPED"), False, None, "STOPPED", False),
        (JobUnknown("ResourceNotFoundException"), False, None, "IN_PROGRESS", True),
        (UpstreamError("Throttled"), True, "Throttled", "IN_PROGRESS", False),
    ],
    ids=["active", "ended", "unknown", "failed"],
)
def test_an_active_job_that_is_not_listed_is_described(
    found, active, error, status, expired, synced
):
    synced.sync(page(a_job("busy", "IN_PROGRESS"), a_job("last", "IN_PROGRESS")))
    synced.described |= {"busy": found, "last": a_job("last", "FAILED")}
    synced.now += MINUTE
    at = synced.now
    done = synced.sync(page())
    assert (done.error, done.upstream_calls) == (error, 3)
    assert done.as_of == rfc3339(at)
    assert (synced.state.active == {"busy": rfc3339(NOW - HOUR)}) is active
    row = synced.ledger.find("busy")
    assert (row["JobStatus"], "ExpiredUpstream" in row) == (status, expired)
    assert synced.ledger.find("last")["JobStatus"] == "FAILED"
    last_error = synced.state.last_error
    assert last_error == (LastError("Throttled", rfc3339(at + SECOND)) if error else None)


def test_a_described_job_without_a_submit_time_is_found_in_its_row(synced):
    synced.sync(page(a_job("bare", "IN_PROGRESS", None)))
    assert synced.state.active == {"bare": ""}
    synced.sync(page())
    assert synced.ledger.find("bare")["ExpiredUpstream"] is True
    assert synced.state.active == {}


def test_jobs_that_another_sync_finds_active_stay_active_until_they_are_seen_to_end(synced):
    synced.sync(page(a_job("a", "SUBMITTED"), a_job("b", "SUBMITTED")))

    def another(operation: str) -> None:
        if operation == "transact_write_items":
            synced.database.before = lambda operation: None
            synced.save(active=synced.state.active | {"found": minutes(0)})

    def beside_another() -> None:
        synced.database.before = another

    synced.before_page = beside_another
    synced.sync(page(a_job("a", "FAILED"), a_job("b", "SUBMITTED")))
    assert synced.state.active.keys() == {"b", "found"}


# The recount.


def due(service: Service, recounted: str | None, **more: object) -> None:
    service.save(recounted=recounted, **more)


def of_three_months(service: Service) -> None:
    times = [NOW - 62 * DAY, NOW - 31 * DAY, NOW - HOUR]
    service.sync(page(*(a_job(f"{n}", "COMPLETED", at) for n, at in enumerate(times))))


def recounts(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The months that are recounted from now on; each has a row that is replaced."""
    months: list[str] = []

    def recount(ledger: Ledger, family: Family, month: str, today: str) -> int:
        assert (family, today) == (PHI, "2026-11-23")
        months.append(month)
        return 1

    monkeypatch.setattr(module, "recount_month", recount)
    monkeypatch.setattr(module, "recount_all", lambda ledger, family: 10)
    return months


@pytest.mark.parametrize(
    "counted,recounted,months,repaired",
    [
        (LAYOUT, None, [], 0),
        (LAYOUT, "", ["2026-09", "2026-10", "2026-11"], 13),
        (LAYOUT, "2026-09", ["2026-10", "2026-11"], 12),
        (LAYOUT, "2026-11", [], 10),
        (LAYOUT - 1, None, ["2026-09", "2026-10", "2026-11"], 13),
        (0, "2026-10", ["2026-11"], 11),
    ],
)
def test_a_recount_that_is_due_begins_after_the_last_month_that_was_recounted(
    counted, recounted, months, repaired, service, monkeypatch
):
    of_three_months(service)
    due(service, recounted, counted=counted)
    done_months = recounts(service, monkeypatch)
    done = service.sync(page())
    assert done_months == months
    assert done.counters_repaired == repaired
    assert (service.state.counted, service.state.recounted) == (LAYOUT, None)


def test_a_recount_is_kept_after_each_month_and_stops_when_there_is_no_time(service, monkeypatch):
    of_three_months(service)
    due(service, "", counted=0)
    months = recounts(service, monkeypatch)
    left = 2

    def check() -> None:
        nonlocal left
        if not left:
            raise DeadlineReached
        left -= 1

    done = service.sync(page(), check_deadline=check)
    assert (done.error, done.counters_repaired, months) == (
        "DeadlineReached",
        2,
        ["2026-09", "2026-10"],
    )
    assert (service.state.recounted, service.state.counted) == ("2026-10", 0)
    assert service.sync(page()).error is None
    assert months[2:] == ["2026-11"]


@pytest.mark.parametrize(
    "changed,error", [({"as_of": minutes(9)}, None), ({"recounted": "2026-10"}, "WalkOvertaken")]
)
def test_a_recount_goes_on_beside_a_walk_and_is_left_to_another_recount(
    changed, error, service, monkeypatch
):
    of_three_months(service)
    due(service, "2026-09")

    def recount(ledger: Ledger, family: Family, month: str, today: str) -> int:
        if month == "2026-10":
            service.save(**changed)
        return 0

    monkeypatch.setattr(module, "recount_month", recount)
    done = service.sync(page())
    assert done.error == error
    assert done.as_of == changed.get("as_of", rfc3339(NOW + SECOND))
    assert service.state.recounted == changed.get("recounted")
