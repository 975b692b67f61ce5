"""The rows: what each one carries, and what a change of status writes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Family, Job, job_from_service
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.ledger import WRITE_ATTEMPTS, Ledger, Recorded
from jobledger.ledger.rows import (
    HISTORY_LIMIT,
    Change,
    change_from_row,
    change_row,
    job_row,
    supersedes,
)
from jobledger.ledger.table import Row, Table
from jobledger.times import rfc3339
from tests.memory_dynamodb import RecordingDynamoDB, cancelled
from tests.world import FAR_FUTURE, FAR_PAST

SCOPE = "111122223333/us-east-1"
PHI = f"{SCOPE}/PHI"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SUBMITTED, ENDED = NOW - timedelta(hours=1), NOW - timedelta(minutes=1)
EXPIRES = NOW + timedelta(days=120)
LISTED_AT, OBSERVED_AT = rfc3339(NOW), rfc3339(NOW + timedelta(seconds=1))
LATER_LISTED, LATER_OBSERVED = (rfc3339(NOW + timedelta(seconds=s)) for s in (60, 61))


def a_job(**properties: Any) -> Job:
    given = {"JobId": "job", "SubmitTime": SUBMITTED, "JobStatus": "COMPLETED"} | properties
    job = job_from_service(Family.PHI, {k: v for k, v in given.items() if v is not None})
    assert job is not None
    return job


COMPLETE = a_job(JobName="nightly", EndTime=ENDED, ExpirationTime=EXPIRES)


def test_a_new_row_has_the_job_its_keys_and_its_history():
    assert job_row(PHI, COMPLETE, None, LISTED_AT, OBSERVED_AT) == {
        "PK": PHI,
        "SK": f"{rfc3339(SUBMITTED)}#job",
        "Job": COMPLETE.json,
        "IdKey": f"{SCOPE}#job",
        "JobName": "nightly",
        "NameKey": f"{PHI}#nightly",
        "StatusKey": f"{PHI}#COMPLETED",
        "NameStatusKey": f"{PHI}#COMPLETED#nightly",
        "JobStatus": "COMPLETED",
        "SubmitTime": rfc3339(SUBMITTED),
        "EndTime": rfc3339(ENDED),
        "ExpirationTime": rfc3339(EXPIRES),
        "Rank": 3,
        "ListedAt": LISTED_AT,
        "FirstObservedAt": OBSERVED_AT,
        "ObservedAt": OBSERVED_AT,
        "History": json.dumps(
            [{"JobStatus": "COMPLETED", "ObservedAt": OBSERVED_AT}], separators=(",", ":")
        ),
        "Version": 1,
        "Counted": LAYOUT,
    }


@pytest.mark.parametrize(
    "job,absent",
    [
        (a_job(JobStatus=None), {"JobName", "NameKey", "JobStatus", "StatusKey", "NameStatusKey"}),
        (a_job(), {"JobName", "NameKey", "NameStatusKey"}),
        (a_job(JobName="nightly", JobStatus=None), {"JobStatus", "StatusKey", "NameStatusKey"}),
        (a_job(SubmitTime=None), {"SubmitTime", "EndTime", "ExpirationTime"}),
    ],
)
def test_what_a_job_does_not_have_its_row_has_not_either(job, absent):
    row = job_row(PHI, job, None, LISTED_AT, OBSERVED_AT)
    assert not absent & row.keys()
    history = json.loads(str(row["History"]))
    status = {"JobStatus": job.status} if job.status else {}
    assert history == [status | {"ObservedAt": OBSERVED_AT}]


def test_a_status_change_adds_to_the_history_and_keeps_the_first_observation():
    first = job_row(PHI, a_job(JobStatus="SUBMITTED"), None, LISTED_AT, OBSERVED_AT)
    second = job_row(PHI, COMPLETE, first, LATER_LISTED, LATER_OBSERVED)
    assert json.loads(str(second["History"])) == [
        {"JobStatus": "SUBMITTED", "ObservedAt": OBSERVED_AT},
        {"JobStatus": "COMPLETED", "ObservedAt": LATER_OBSERVED},
    ]
    expected = {
        "FirstObservedAt": OBSERVED_AT,
        "ObservedAt": LATER_OBSERVED,
        "ListedAt": LATER_LISTED,
        "Version": 2,
    }
    assert expected.items() <= second.items()


def test_a_history_keeps_its_first_and_last_changes():
    row, times = None, [rfc3339(NOW + timedelta(minutes=n)) for n in range(HISTORY_LIMIT + 20)]
    for n, time in enumerate(times):
        row = job_row(PHI, a_job(JobStatus=f"PAUSED-{n % 2}"), row, time, time)
    assert row is not None
    kept = [change["ObservedAt"] for change in json.loads(str(row["History"]))]
    assert kept == [times[0], *times[-HISTORY_LIMIT + 1 :]]
    assert len(kept) == HISTORY_LIMIT


def test_a_new_property_changes_the_job_and_no_time_of_its_status():
    first = job_row(PHI, COMPLETE, None, LISTED_AT, OBSERVED_AT)
    changed = a_job(JobName="nightly", EndTime=ENDED, ExpirationTime=EXPIRES, Message="done")
    second = job_row(PHI, changed, first, LATER_LISTED, None)
    assert second == first | {"Job": changed.json, "ListedAt": LATER_LISTED, "Version": 2}


@pytest.mark.parametrize("status", ["SUBMITTED", None])
def test_a_change_row_has_the_status_the_previous_one_and_the_times(status):
    before = job_row(PHI, a_job(JobStatus=status), None, LISTED_AT, OBSERVED_AT)
    row = change_row(PHI, COMPLETE, before, LATER_OBSERVED)
    expected: Row = {
        "PK": f"{PHI}#changes",
        "SK": f"{LATER_OBSERVED}#job",
        "Family": "PHI",
        "JobId": "job",
        "ObservedAt": LATER_OBSERVED,
        "JobStatus": "COMPLETED",
        "SubmitTime": rfc3339(SUBMITTED),
        "EndTime": rfc3339(ENDED),
    }
    assert row == expected | ({"PreviousJobStatus": status} if status else {})
    change = Change(
        family=Family.PHI,
        job_id="job",
        status="COMPLETED",
        previous=status,
        submit_time=rfc3339(SUBMITTED),
        end_time=rfc3339(ENDED),
        observed_at=LATER_OBSERVED,
    )
    assert change_from_row(row) == change


def test_the_change_row_of_a_new_job_has_no_previous_status_or_absent_property():
    row = change_row(PHI, a_job(JobStatus=None, SubmitTime=None), None, OBSERVED_AT)
    assert row.keys() == {"PK", "SK", "Family", "JobId", "ObservedAt"}
    change = change_from_row(row)
    assert (change.status, change.previous, change.submit_time, change.end_time) == (None,) * 4


@pytest.mark.parametrize(
    "before,now,replaces",
    [
        ("SUBMITTED", "IN_PROGRESS", True),
        ("IN_PROGRESS", "SUBMITTED", False),
        ("IN_PROGRESS", "COMPLETED", True),
        ("COMPLETED", "IN_PROGRESS", False),
        ("COMPLETED", "FAILED", False),
        ("IN_PROGRESS", "PAUSED", True),
        ("PAUSED", "IN_PROGRESS", True),
    ],
)
def test_a_status_moves_forward_only_and_a_final_one_stays(before, now, replaces):
    row = job_row(PHI, a_job(JobStatus=before), None, LISTED_AT, OBSERVED_AT)
    assert supersedes(a_job(JobStatus=now), LATER_LISTED, row, NOW) is replaces


def test_an_unchanged_job_is_written_only_if_it_had_expired_upstream():
    row = job_row(PHI, COMPLETE, None, LISTED_AT, OBSERVED_AT)
    assert supersedes(COMPLETE, LATER_LISTED, row, NOW) is False
    assert supersedes(COMPLETE, LATER_LISTED, row | {"ExpiredUpstream": True}, NOW) is True
    assert supersedes(COMPLETE, LISTED_AT, row | {"ExpiredUpstream": True}, NOW) is False
    assert supersedes(COMPLETE, LISTED_AT, None, NOW) is True


# Written and read by the ledger.


class Written:
    """A ledger in memory whose clock stands still; `slept` has its pauses."""

    def __init__(self) -> None:
        self.database = RecordingDynamoDB()
        self.now = NOW
        self.ledger = Ledger(Table(self.database, "ledger"), SCOPE, lambda: self.now)
        self.slept: list[float] = []

    def record(self, *jobs: Job, listed_at: str | None = None, new: bool = True) -> Recorded:
        listed = listed_at or rfc3339(self.now)
        return self.ledger.record(Family.PHI, jobs, listed, announce_new=new)

    def row(self, job_id: str = "job") -> Row:
        row = self.ledger.find(job_id)
        assert row is not None
        return row

    def refuse(self, reason: str, times: int = 1_000) -> None:
        """Refuse the next writes."""
        left = times

        def before(operation: str) -> None:
            nonlocal left
            if operation == "transact_write_items" and left:
                left -= 1
                raise cancelled("None", reason)

        self.database.before = before


@pytest.fixture
def written(monkeypatch):
    made = Written()
    monkeypatch.setattr("jobledger.ledger.table.random.random", lambda: 1.0)
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", made.slept.append)
    return made


def test_what_was_recorded_is_counted_in_rows_and_in_status_changes(written):
    jobs = [a_job(JobId=f"{n}", JobStatus="SUBMITTED") for n in range(3)]
    assert written.record(*jobs, new=False) == Recorded(changed=3, transitions=0)
    assert written.record(*jobs) == Recorded(changed=0, transitions=0)
    written.now += timedelta(seconds=1)
    moved = [a_job(JobId="0"), a_job(JobId="1", JobStatus="SUBMITTED", Message="soon"), jobs[2]]
    new = [a_job(JobId="new"), a_job(JobId="newer")]
    assert written.record(*moved, *new) == Recorded(changed=4, transitions=3)
    changes = written.ledger.changes(Family.PHI, FAR_PAST, FAR_FUTURE)
    assert {(change.job_id, change.previous) for change in changes} == {
        ("0", "SUBMITTED"),
        ("new", None),
        ("newer", None),
    }


def test_a_conflict_is_met_by_reading_again_and_writing_one_by_one(written):
    written.refuse("ConditionalCheckFailed", 1)
    written.database.forget()
    assert written.record(*(a_job(JobId=f"{n}") for n in range(3))) == Recorded(3, 3)
    assert written.database.calls["transact_write_items"] == 3
    # The rows twice, and the second time the active rows.
    assert written.database.calls["batch_get_item"] == 3
    assert written.slept == pytest.approx([0.2])
    assert {written.row(f"{n}")["Version"] for n in range(3)} == {1}


def test_jobs_that_are_not_contended_are_not_written_again(written):
    """Of two transactions, the second one is refused."""
    jobs = [a_job(JobId=f"{n}", SubmitTime=NOW - n * timedelta(days=1)) for n in range(60)]
    writes = 0

    def refuse_the_second(operation: str) -> None:
        nonlocal writes
        writes += operation == "transact_write_items"
        if operation == "transact_write_items" and writes == 2:
            raise cancelled("ConditionalCheckFailed")

    written.database.before = refuse_the_second
    assert written.record(*jobs) == Recorded(60, 60)
    first, active, again = (read["Keys"] for read in written.database.reads if "Keys" in read)
    assert 0 < len(again) == len(active) < len(first) == 60
    assert {written.row(f"{n}")["Version"] for n in range(60)} == {1}


def test_jobs_of_every_transaction_that_was_refused_are_written_again(written):
    jobs = [a_job(JobId=f"{n}") for n in range(60)]
    written.refuse("ConditionalCheckFailed", 2)
    assert written.record(*jobs) == Recorded(60, 60)
    assert {written.row(f"{n}")["Version"] for n in range(60)} == {1}


def test_a_row_that_others_keep_changing_makes_the_ledger_unavailable_after_six_attempts(written):
    written.refuse("ConditionalCheckFailed")
    with pytest.raises(LedgerUnavailable, match=r"^other writers keep changing the rows$"):
        written.record(a_job())
    assert len(written.slept) == WRITE_ATTEMPTS - 1 == 5
    assert written.slept == pytest.approx([0.2] * 5)
    assert written.ledger.find("job") is None


@pytest.mark.parametrize("status", ["IN_PROGRESS", None])
def test_an_expired_job_is_marked_once_and_otherwise_unchanged(written, status):
    written.record(a_job(JobStatus=status))
    before = written.row()
    for _ in range(2):
        written.ledger.mark_expired(Family.PHI, "job", rfc3339(SUBMITTED))
        assert written.row() == before | {"ExpiredUpstream": True, "Version": 2}


def test_a_job_without_a_submit_time_or_without_a_row_can_be_marked(written):
    written.record(a_job(SubmitTime=None))
    written.ledger.mark_expired(Family.PHI, "job", None)
    assert written.row()["ExpiredUpstream"] is True
    written.ledger.mark_expired(Family.PHI, "unknown", None)
    assert written.ledger.find("unknown") is None


def test_a_mark_does_not_undo_what_another_writes_at_the_same_time(written):
    written.record(a_job(JobStatus="IN_PROGRESS"))

    def come_between(operation: str) -> None:
        if operation == "transact_write_items":
            written.database.before = lambda operation: None
            written.record(a_job(), listed_at=LATER_LISTED)

    written.database.before = come_between
    written.ledger.mark_expired(Family.PHI, "job", rfc3339(SUBMITTED))
    row = written.row()
    assert (row["JobStatus"], row["ExpiredUpstream"], row["Version"]) == ("COMPLETED", True, 3)


def test_a_mark_is_given_up_after_six_attempts(written):
    written.record(a_job())
    written.refuse("ConditionalCheckFailed")
    written.database.forget()
    with pytest.raises(LedgerUnavailable, match=r"^other writers keep changing the rows$"):
        written.ledger.mark_expired(Family.PHI, "job", rfc3339(SUBMITTED))
    assert len(written.database.reads) == WRITE_ATTEMPTS


def test_of_several_jobs_of_one_id_the_latest_submission_is_found(written):
    for hours in (2, 1, 3):
        written.record(a_job(SubmitTime=NOW - timedelta(hours=hours)), new=False)
    assert written.row()["SubmitTime"] == rfc3339(NOW - timedelta(hours=1))
    other = Ledger(written.ledger.table, "999/eu-west-1", lambda: NOW)
    assert other.find("job") is None


def test_a_change_is_stamped_after_the_one_before_it_even_when_the_clock_stands_still(written):
    for status in ("SUBMITTED", "IN_PROGRESS", "COMPLETED"):
        written.record(a_job(JobStatus=status))
    written.now -= timedelta(hours=1)
    times = [change.observed_at for change in written.ledger.changes(Family.PHI, FAR_PAST, "9")]
    assert times == [rfc3339(NOW + timedelta(milliseconds=n)) for n in range(3)]
