"""What a listed job changes: when it replaces its row, what is stamped, and who wins between two writers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobledger.jobs import Family, Job, job_from_service
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.rows import Change, furthest, job_row, supersedes
from jobledger.ledger.table import Row, Table
from jobledger.times import rfc3339
from tests.memory_dynamodb import MemoryDynamoDB
from tests.world import FAR_FUTURE, FAR_PAST

SCOPE = "111122223333/us-east-1"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_job(status: str = "IN_PROGRESS", job_id: str = "job", **more: Any) -> Job:
    properties = {"JobId": job_id, "JobStatus": status, "SubmitTime": NOW - 3_600 * SECOND}
    job = job_from_service(Family.SNOMEDCT, properties | more)
    assert job is not None
    return job


def a_row(job: Job, listed_at: datetime = NOW, row: Row | None = None) -> Row:
    observed_at = rfc3339(listed_at + SECOND)
    return job_row(f"{SCOPE}/SNOMEDCT", job, row, rfc3339(listed_at), observed_at)


class Written:
    """A ledger in memory, with a clock that moves a millisecond each time it is read."""

    def __init__(self) -> None:
        self.database = MemoryDynamoDB()
        self.now = NOW
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, self.time)

    def time(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def record(self, *jobs: Job, listed_at: datetime | None = None) -> None:
        listed = rfc3339(listed_at or self.now)
        self.ledger.record(Family.SNOMEDCT, jobs, listed, announce_new=True)

    def row(self, job_id: str = "job") -> Row:
        row = self.ledger.find(job_id)
        assert row is not None
        return row

    def changes(self, start: str = FAR_PAST, end: str = FAR_FUTURE) -> list[Change]:
        return list(self.ledger.changes(Family.SNOMEDCT, start, end))


@pytest.mark.parametrize(
    "status,end_time,rank",
    [
        ("SUBMITTED", None, 0),
        ("IN_PROGRESS", None, 1),
        ("STOP_REQUESTED", None, 2),
        ("STOPPED", None, 3),
        ("FAILED", None, 3),
        ("PAUSED", None, 1),
        ("PAUSED", NOW, 3),
    ],
)
def test_a_job_ranks_by_its_status_and_an_unknown_status_by_its_end_time(status, end_time, rank):
    job = a_job(status, **({"EndTime": end_time} if end_time else {}))
    assert (job.rank, job.ended) == (rank, rank == 3)
    assert a_row(job)["Rank"] == rank
    assert a_row(job, row=a_row(a_job("SUBMITTED")))["Rank"] == rank


@pytest.mark.parametrize("later,replaces", [(-SECOND, False), (0 * SECOND, False), (SECOND, True)])
def test_of_one_status_only_a_later_listing_replaces_the_row(later, replaces):
    job = a_job(Message="new")
    assert supersedes(job, rfc3339(NOW + later), a_row(a_job(), NOW), NOW) is replaces


def test_a_job_listed_twice_counts_by_its_latest_status_and_later_entry():
    first, second, ended = a_job(Message="1"), a_job(Message="2"), a_job("COMPLETED")
    assert [*furthest([first, second]).values()] == [second]
    assert [*furthest([first, ended, second]).values()] == [ended]


def test_a_change_is_stamped_when_it_is_written_and_not_when_it_was_listed():
    written = Written()
    listed_at = written.now
    written.now += 60 * SECOND
    written.record(a_job(), listed_at=listed_at)
    (change,) = written.changes()
    assert change.observed_at >= rfc3339(listed_at + 60 * SECOND)


def test_the_second_batch_is_stamped_after_the_first_was_written():
    written = Written()
    times: list[str] = []

    def remember(operation: str) -> None:
        if operation == "transact_write_items":
            times.append(rfc3339(written.now))
            written.now += 60 * SECOND

    written.database.after = remember
    written.record(*(a_job(job_id=f"{number}") for number in range(60)))
    assert len(times) == 2
    later = [change for change in written.changes() if change.observed_at > times[0]]
    assert 0 < len(later) < 60
    assert all(change.observed_at >= rfc3339(NOW + 60 * SECOND) for change in later)


def test_a_property_that_changes_moves_no_time_of_the_history():
    written = Written()
    written.record(a_job("FAILED"))
    before = written.row()
    written.now += 60 * SECOND
    written.record(a_job("FAILED", Message="why"))
    after = written.row()
    assert after["Version"] == 2
    for name in ("ObservedAt", "FirstObservedAt", "History"):
        assert (name, after[name]) == (name, before[name])


def test_the_first_observation_stays_when_the_status_changes():
    written = Written()
    written.record(a_job())
    first = written.row()["FirstObservedAt"]
    written.now += 60 * SECOND
    written.record(a_job("COMPLETED"))
    assert written.row()["FirstObservedAt"] == first
    assert str(written.row()["ObservedAt"]) > str(first)


def test_a_change_at_a_boundary_belongs_to_the_window_that_begins_there():
    written = Written()
    written.record(a_job())
    (change,) = written.changes()
    at = change.observed_at
    assert written.changes(at, FAR_FUTURE) == [change]
    assert written.changes(FAR_PAST, at) == []


@pytest.mark.row(10, count="1")
def test_a_writer_with_an_outdated_row_does_not_move_the_job_backwards():
    written = Written()
    written.record(a_job("SUBMITTED"))

    def come_between(operation: str) -> None:
        if operation == "transact_write_items":
            written.database.before = lambda operation: None
            written.record(a_job("COMPLETED"), listed_at=written.now + SECOND)

    written.database.before = come_between
    written.record(a_job("IN_PROGRESS"))
    assert written.row()["JobStatus"] == "COMPLETED"
    assert [change.status for change in written.changes()] == ["SUBMITTED", "COMPLETED"]


def test_of_two_writers_of_a_new_job_one_reads_the_row_of_the_other():
    written = Written()

    def come_between(operation: str) -> None:
        if operation == "transact_write_items":
            written.database.before = lambda operation: None
            written.record(a_job("COMPLETED"), listed_at=written.now + SECOND)

    written.database.before = come_between
    written.record(a_job("IN_PROGRESS"))
    assert (written.row()["JobStatus"], written.row()["Version"]) == ("COMPLETED", 1)


@pytest.mark.parametrize("name", ["JobId", "JobName", "JobStatus", "Message"])
def test_a_lone_surrogate_does_not_keep_a_job_out_of_the_ledger(name):
    written = Written()
    written.record(a_job(**{name: "a\ud800"}), a_job(job_id="another"))
    stored = [
        json.loads(item["Job"]["S"]).get(name)
        for (partition, _), item in written.database.items.items()
        if partition == f"{SCOPE}/SNOMEDCT"
    ]
    assert "a\ud800" in stored
    assert len(stored) == 2


def test_a_change_is_never_written_over_another():
    written = Written()
    written.record(a_job("COMPLETED"))
    at = written.now
    (key,) = (key for key, item in written.database.items.items() if "Job" in item)
    written.database._remove(key)  # an operator erases the job
    written.now = at - timedelta(milliseconds=2)  # another clock, at the same millisecond
    written.record(a_job("COMPLETED"))
    assert len(written.changes()) == 2


@pytest.mark.parametrize("states_before", [0, 1])
def test_a_new_job_is_stamped_after_every_state_that_was_saved_before_its_write(states_before):
    written, family = Written(), Family.SNOMEDCT
    for _ in range(states_before):
        assert written.ledger.save_state(family, written.ledger.state(family))

    def save_a_state(operation: str) -> None:
        if operation == "transact_write_items":
            written.database.before = lambda operation: None
            written.now += SECOND
            assert written.ledger.save_state(family, written.ledger.state(family))

    written.database.before = save_a_state
    written.record(a_job())
    assert str(written.row()["FirstObservedAt"]) > str(written.ledger.state(family).settled_at)
