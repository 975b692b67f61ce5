"""The active jobs that a sync follows, on a service whose answers are given."""

import pytest

from jobledger.errors import JobUnknown, UpstreamError
from jobledger.ledger.rows import status_of
from jobledger.ledger.states import LastError
from jobledger.times import rfc3339
from testing.builders import HOUR, MINUTE, NOW, SECOND
from tests.unit.sync.scripted_service import a_job, minutes, page


def test_a_job_that_is_seen_to_end_is_active_no_more(synced):
    synced.sync(page(a_job("busy", "IN_PROGRESS"), a_job("other", "SUBMITTED")))
    assert synced.active.keys() == {"busy", "other"}
    synced.sync(page(a_job("busy"), a_job("other", "IN_PROGRESS")))
    assert synced.active == {"other": rfc3339(NOW - HOUR)}


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


def test_a_described_job_without_a_submit_time_is_found_in_its_row(synced):
    synced.sync(page(a_job("bare", "IN_PROGRESS", None)))
    assert synced.active == {"bare": ""}
    for _ in range(2):
        synced.sync(page())
    assert synced.ledger.find("bare")["ExpiredUpstream"] is True
    assert synced.active == {}


def test_jobs_that_another_sync_finds_active_stay_active_until_they_are_seen_to_end(synced):
    synced.sync(page(a_job("a", "SUBMITTED"), a_job("b", "SUBMITTED")))
    found = a_job("found", "SUBMITTED", NOW)
    synced.at_page(1, lambda: synced.before_a_write(lambda: synced.record(found)))
    synced.sync(page(a_job("a", "FAILED"), a_job("b", "SUBMITTED")))
    assert synced.active.keys() == {"b", "found"}
