"""The daily walk over everything and the recount of the counters, on a service whose answers are given."""

from collections.abc import Callable
from typing import Any

import pytest

from jobledger.errors import DeadlineReached, TokenRefused, UpstreamError
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import LastError, Walk
from jobledger.service import Family
from jobledger.times import rfc3339
from jobledger.totals import recount as module
from testing.builders import DAY, HOUR, MILLISECOND, MINUTE, NOW, SECOND
from tests.unit.sync.scripted_service import PHI, Service, a_job, minutes, page

# The daily walk over everything.


@pytest.mark.parametrize(
    "changed,passed,walks",
    [
        ({}, DAY - MINUTE - SECOND - MILLISECOND, 1),
        ({}, DAY - MINUTE - SECOND, 2),
        ({"full_walk_after": None}, SECOND, 2),
    ],
)
def test_a_day_after_the_last_one_or_if_unknown_a_second_walk_covers_everything(
    changed, passed, walks, synced
):
    synced.keep(**changed)
    synced.now += passed
    given = [page(a_job("old")), page(a_job("old"), a_job("late"))][:walks]
    done = synced.sync(*given)
    assert done.error is None
    assert [after for after, _ in synced.asked][1:] == [None][: walks - 1]
    assert (synced.ledger.find("late") is not None) is (walks == 2)


def test_the_next_full_walk_and_recount_are_due_a_day_after_the_last_start(synced):
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
    synced.keep(recounted="")
    assert synced.sync(page(), reconcile=False).error is None
    assert synced.state.recounted == ""
    assert len(synced.asked) == 1


def test_after_a_failure_no_full_walk_starts_but_one_in_progress_resumes(synced):
    synced.now = NOW + 2 * DAY
    failure = UpstreamError("InternalServerException")
    assert synced.sync(failure).error == "InternalServerException"
    assert len(synced.asked) == 1
    synced.keep(full_walk=Walk(started_at=rfc3339(synced.now), next_token="5"))
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
    assert synced.active.keys() == {"busy"}


# The recount.

MONTHS = ["2026-09", "2026-10", "2026-11"]


def of_three_months(service: Service) -> None:
    times = [NOW - 62 * DAY, NOW - 31 * DAY, NOW - HOUR]
    service.sync(page(*(a_job(f"{n}", "COMPLETED", at) for n, at in enumerate(times))))


def recounts(
    monkeypatch: pytest.MonkeyPatch, before: Callable[[str], object] = lambda month: None
) -> list[str]:
    """The months that are recounted from now on; each has a row that is replaced."""
    months: list[str] = []

    def recount(
        ledger: Ledger, family: Family, month: str, today: str, *_: object, **more: Any
    ) -> int:
        assert (family, today) == (PHI, "2026-11-23")
        months.append(month)
        before(month)
        return 1

    monkeypatch.setattr(module, "recount_month", recount)
    monkeypatch.setattr(module, "recount_all", lambda ledger, family, **_: 10)
    return months


@pytest.mark.parametrize(
    "counted,recounted,months,repaired",
    [
        *((LAYOUT, None, [], 0), (LAYOUT, "", MONTHS, 13), (LAYOUT, "2026-09", MONTHS[1:], 12)),
        # What is counted for the first time is not repaired.
        *((LAYOUT, "2026-11", [], 10), (LAYOUT - 1, None, MONTHS, 0)),
        (0, "2026-10", ["2026-11"], 0),
    ],
)
def test_a_recount_that_is_due_begins_after_the_last_month_that_was_recounted(
    counted, recounted, months, repaired, service, monkeypatch
):
    of_three_months(service)
    service.keep(recounted=recounted, counted=counted)
    done_months = recounts(monkeypatch)
    done = service.sync(page())
    assert (done_months, done.counters_repaired) == (months, repaired)
    assert (service.state.counted, service.state.recounted) == (LAYOUT, None)


def test_a_recount_is_kept_after_each_month_and_stops_when_there_is_no_time(service, monkeypatch):
    of_three_months(service)
    service.keep(recounted="", counted=LAYOUT)
    months, left = recounts(monkeypatch), iter([1, 1])

    def check() -> None:
        if not next(left, 0):
            raise DeadlineReached

    done = service.sync(page(), check_deadline=check)
    assert (done.error, done.counters_repaired, months) == ("DeadlineReached", 2, MONTHS[:2])
    assert (service.state.recounted, service.state.counted) == ("2026-10", LAYOUT)
    assert service.sync(page()).error is None
    assert months[2:] == ["2026-11"]


def test_a_first_count_that_others_keep_from_a_counter_row_is_resumed(service, monkeypatch):
    monkeypatch.setattr("jobledger.totals.repair.WRITE_ATTEMPTS", 0)
    assert service.sync(page(a_job("a"))).error == "WalkOvertaken"
    assert not service.state.counters_complete
    monkeypatch.undo()
    assert service.sync(page()).error is None
    assert service.state.counters_complete


@pytest.mark.parametrize(
    "changed,error", [({"as_of": minutes(1)}, None), ({"recounted": "2026-10"}, "WalkOvertaken")]
)
def test_a_recount_runs_beside_a_walk_but_not_beside_another_recount(
    changed, error, service, monkeypatch
):
    of_three_months(service)
    service.keep(recounted="2026-09")

    recounts(monkeypatch, lambda month: month == "2026-10" and service.keep(**changed))
    done = service.sync(page())
    assert done.error == error
    assert done.as_of == changed.get("as_of", rfc3339(NOW + SECOND))
    assert service.state.recounted == changed.get("recounted")
