"""What a listed job writes: its row and its change, what they replace, and who wins between two writers."""

import json
from datetime import datetime

import pytest

from jobledger.errors import LedgerUnavailable
from jobledger.jobs import Job
from jobledger.ledger import rows
from jobledger.ledger.counts import LAYOUT
from jobledger.ledger.job_write import supersedes
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.recording import Recorded, furthest
from jobledger.ledger.table import WRITE_ATTEMPTS, Row
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, MILLISECOND, MINUTE, NOW, SCOPE, SECOND, MemoryLedger, a_job

FAMILY, JOBS = Family.SNOMEDCT, f"{SCOPE}/SNOMEDCT"
SUBMITTED, ENDED, EXPIRES = NOW - HOUR, NOW - MINUTE, NOW + 120 * DAY
COMPLETE = a_job(JobName="nightly", EndTime=ENDED, ExpirationTime=EXPIRES)
OBSERVED_AT = rfc3339(NOW + SECOND)


def row_of(job: Job, before: Row | None = None, listed_at: datetime = NOW) -> Row:
    return rows.job_row(JOBS, job, before, rfc3339(listed_at), rfc3339(listed_at + SECOND))


def test_a_new_row_has_the_job_and_its_keys_and_no_key_of_what_the_job_lacks():
    whole = {
        "PK": JOBS,
        "SK": f"{rfc3339(SUBMITTED)}#job",
        "Job": COMPLETE.json,
        "IdKey": f"{SCOPE}#job",
        "NameKey": f"{JOBS}#nightly",
        "StatusKey": f"{JOBS}#COMPLETED",
        "NameStatusKey": f"{JOBS}#COMPLETED#nightly",
        "Rank": 3,
        "FirstObservedAt": OBSERVED_AT,
        "Version": 1,
        "Counted": LAYOUT,
    }
    assert row_of(COMPLETE) == whole
    for job, absent in (
        (a_job(), {"NameKey", "NameStatusKey"}),
        (a_job(status=None, JobName="nightly"), {"StatusKey", "NameStatusKey"}),
        (a_job(status=None), {"NameKey", "StatusKey", "NameStatusKey"}),
    ):
        row = row_of(job)
        assert whole.keys() - row.keys() == absent
        assert (rows.status_of(row), rows.name_of(row)) == (job.status, job.name)
        assert rows.history_of(row) == [(job.status, OBSERVED_AT)]


def test_a_row_of_an_older_version_is_read_and_gets_the_new_form_when_it_is_written():
    seen = [("SUBMITTED", OBSERVED_AT), (None, rfc3339(NOW + MINUTE))]
    history = [{"JobStatus": "SUBMITTED", "ObservedAt": OBSERVED_AT}, {"ObservedAt": seen[1][1]}]
    older = row_of(a_job(status=None)) | {
        "ListedAt": rfc3339(NOW + HOUR),
        "ObservedAt": rfc3339(NOW + MINUTE),
        "JobName": "nightly",
        "History": json.dumps(history),
    }
    assert (rows.history_of(older), rows.listed_at_of(older)) == (seen, rfc3339(NOW + HOUR))
    newer, later = row_of(COMPLETE, older, NOW + 2 * HOUR), rfc3339(NOW + 2 * HOUR + SECOND)
    assert rows.history_of(newer) == [*seen, ("COMPLETED", later)]
    assert (rows.observed_at_of(newer), rows.listed_at_of(newer)) == (later, later)
    assert (newer["FirstObservedAt"], newer["Version"]) == (OBSERVED_AT, 2)
    assert not {"JobName", "ObservedAt", "ListedAt"} & newer.keys()


def test_a_history_keeps_its_first_and_last_changes():
    row, times = None, [NOW + n * MINUTE for n in range(rows.HISTORY_LIMIT + 20)]
    for n, time in enumerate(times):
        row = row_of(a_job(status=f"PAUSED-{n % 2}"), row, time)
    kept = (times[0], *times[-rows.HISTORY_LIMIT + 1 :])
    assert [time for _, time in rows.history_of(row or {})] == [rfc3339(at + SECOND) for at in kept]


@pytest.mark.parametrize("status", ["SUBMITTED", None])
def test_a_change_row_has_the_status_the_previous_one_and_the_times(status):
    row = rows.change_row(JOBS, COMPLETE, row_of(a_job(status=status)), OBSERVED_AT)
    times = {"SubmitTime": rfc3339(SUBMITTED), "EndTime": rfc3339(ENDED), "ObservedAt": OBSERVED_AT}
    assert row == {
        "PK": f"{JOBS}#changes",
        "SK": f"{OBSERVED_AT}#job",
        "Family": "SNOMEDCT",
        "JobId": "job",
        "JobStatus": "COMPLETED",
        **times,
        **({"PreviousJobStatus": status} if status else {}),
    }
    change = rows.Change(FAMILY, "job", "COMPLETED", status, *times.values())
    assert rows.change_from_row(row) == change
    row = rows.change_row(JOBS, a_job(status=None, submitted=None), None, OBSERVED_AT)
    assert row.keys() == {"PK", "SK", "Family", "JobId", "ObservedAt"}
    change = rows.change_from_row(row)
    assert (change.status, change.previous, change.submit_time, change.end_time) == (None,) * 4


@pytest.mark.parametrize(
    "status,end_time,rank",
    [
        *(("SUBMITTED", None, 0), ("IN_PROGRESS", None, 1), ("STOP_REQUESTED", None, 2)),
        *(("STOPPED", None, 3), ("FAILED", None, 3), ("PAUSED", None, 1), ("PAUSED", NOW, 3)),
    ],
)
def test_a_job_ranks_by_its_status_and_an_unknown_status_by_its_end_time(status, end_time, rank):
    job = a_job(status=status, EndTime=end_time)
    assert (job.rank, job.ended, row_of(job)["Rank"]) == (rank, rank == 3, rank)
    assert row_of(job, row_of(a_job(status="SUBMITTED")))["Rank"] == rank


@pytest.mark.parametrize(
    "before,after,later,replaces",
    [
        *(("SUBMITTED", "IN_PROGRESS", 1, True), ("IN_PROGRESS", "SUBMITTED", 1, False)),
        *(("IN_PROGRESS", "COMPLETED", 1, True), ("COMPLETED", "IN_PROGRESS", 1, False)),
        *(("COMPLETED", "FAILED", 2, False), ("IN_PROGRESS", "PAUSED", 2, True)),
        ("PAUSED", "IN_PROGRESS", 2, True),
        # The same status with a new property, by the time of its listing or of its observation.
        *(("FAILED", "FAILED", 0, False), ("FAILED", "FAILED", 1, False)),
        ("FAILED", "FAILED", 2, True),
    ],
)
def test_a_later_listing_replaces_a_row_but_no_status_goes_back(before, after, later, replaces):
    job, row = a_job(status=after, Message="new"), row_of(a_job(status=before))
    listed_at = rfc3339(NOW + later * SECOND)
    assert supersedes(job, listed_at, row, NOW) is replaces
    assert supersedes(job, listed_at, None, NOW)
    # An unchanged job is written only if the service had forgotten it, and lists it later.
    assert not supersedes(job, listed_at, row_of(job), NOW)
    assert supersedes(job, listed_at, row_of(job) | {"ExpiredUpstream": True}, NOW) is (later == 2)


def test_a_job_listed_twice_counts_by_its_latest_status_and_later_entry():
    first, second = (a_job(status="IN_PROGRESS", Message=text) for text in "12")
    assert [*furthest([first, second]).values()] == [second]
    assert [*furthest([first, a_job(), second]).values()] == [a_job()]


@pytest.fixture
def written(slept):
    return MemoryLedger()


def some(count: int, status: str = "COMPLETED") -> list[Job]:
    return [a_job(f"{n}", status) for n in range(count)]


def test_what_was_recorded_is_counted_in_rows_and_in_status_changes(written):
    jobs = some(3, "SUBMITTED")
    assert written.record(*jobs, announce_new=False) == Recorded(changed=3, transitions=0)
    assert written.record(*jobs) == Recorded(changed=0, transitions=0)
    written.now += SECOND
    moved = [a_job("0"), a_job("1", "SUBMITTED", Message="soon"), jobs[2]]
    assert written.record(*moved, a_job("new"), a_job("newer")) == Recorded(4, 3)
    changes = {(change.job_id, change.previous) for change in written.changes()}
    assert changes == {("0", "SUBMITTED"), ("new", None), ("newer", None)}


def test_a_property_that_changes_moves_no_time_of_the_history(written):
    written.record(a_job())
    before = written.row()
    written.now += MINUTE
    changed = a_job(Message="why")
    written.record(changed)
    now = rfc3339(written.now)
    assert written.row() == before | {"Job": changed.json, "ListedAt": now, "Version": 2}


@pytest.mark.parametrize("refused", [(2,), (1, 2)])
def test_jobs_of_each_refused_transaction_and_no_others_are_written_one_by_one(
    written, slept, refused
):
    written.refuse_writes(*refused)
    jobs = [a_job(f"{n}", submitted=NOW - n * DAY) for n in range(60)]
    assert written.record(*jobs) == Recorded(60, 60)
    # The rows, and then the active rows and the rows again.
    reads = [len(read["Keys"]) for read in written.database.reads if "Keys" in read]
    again = reads[2]
    assert reads == [60, again, again]
    assert (again < 60) is (refused == (2,))
    assert written.database.calls["transact_write_items"] == 2 - len(refused) + again
    assert slept == pytest.approx([0.2])
    assert {written.row(f"{n}")["Version"] for n in range(60)} == {1}


def test_a_row_that_others_keep_changing_is_an_error_after_six_attempts(written, slept):
    written.record(a_job())
    written.refuse_writes()
    changing = pytest.raises(LedgerUnavailable, match=r"^other writers keep changing the rows$")
    with changing:
        written.record(a_job("new"))
    assert (slept, written.ledger.find("new")) == (pytest.approx([0.2] * 5), None)
    written.database.reads.clear()
    with changing:
        written.ledger.mark_expired(FAMILY, "job", rfc3339(SUBMITTED))
    assert len(written.database.reads) == WRITE_ATTEMPTS == 6


@pytest.mark.parametrize("before", [["SUBMITTED"], []])
def test_a_writer_with_an_outdated_row_does_not_move_the_job_backwards(written, before):
    written.record(*(a_job(status=status) for status in before))
    written.before_a_write(lambda: written.record(a_job(), listed_at=written.now + SECOND))
    written.record(a_job(status="IN_PROGRESS"))
    assert written.row()["Version"] == len(before) + 1
    assert [change.status for change in written.changes()] == [*before, "COMPLETED"]


def test_of_several_jobs_of_one_id_the_latest_submission_is_found(written):
    for hours in (2, 1, 3):
        written.record(a_job(submitted=NOW - hours * HOUR), announce_new=False)
    assert str(written.row()["SK"]).startswith(rfc3339(NOW - HOUR))
    assert Ledger(written.ledger.table, "999/eu-west-1", written.time).find("job") is None


@pytest.mark.parametrize("status", ["IN_PROGRESS", None])
@pytest.mark.parametrize("submitted", [SUBMITTED, None])
def test_an_expired_job_is_marked_once_and_otherwise_unchanged(written, status, submitted):
    written.record(a_job(status=status, submitted=submitted))
    before = written.row()
    for _ in range(2):
        written.ledger.mark_expired(FAMILY, "job", submitted and rfc3339(submitted))
        assert written.row() == before | {"ExpiredUpstream": True, "Version": 2}
    written.ledger.mark_expired(FAMILY, "unknown", None)
    assert written.ledger.find("unknown") is None


def test_a_mark_does_not_undo_what_another_writes_at_the_same_time(written):
    written.record(a_job(status="IN_PROGRESS"))
    written.before_a_write(lambda: written.record(a_job(), listed_at=NOW + MINUTE))
    written.ledger.mark_expired(FAMILY, "job", rfc3339(SUBMITTED))
    row = written.row()
    assert (rows.status_of(row), row["ExpiredUpstream"], row["Version"]) == ("COMPLETED", True, 3)


def test_each_batch_is_stamped_when_it_is_written_and_not_when_it_was_listed(written):
    times = []

    def remember(operation: str) -> None:
        if operation == "transact_write_items":
            times.append(rfc3339(written.now))
            written.now += MINUTE

    written.now += MINUTE
    written.database.after = remember
    written.record(*some(60), listed_at=NOW)
    observed = [change.observed_at for change in written.changes()]
    first, second = times
    assert first <= min(observed) <= rfc3339(NOW + MINUTE + SECOND) < second <= max(observed)
    assert not any(rfc3339(NOW + MINUTE + SECOND) < at < second for at in observed)


def test_changes_of_one_millisecond_are_stamped_apart_and_a_window_begins_with_its_start(written):
    for status in ("SUBMITTED", "IN_PROGRESS", "COMPLETED"):
        written.record(a_job(status=status))
    changes = written.changes()
    times = [change.observed_at for change in changes]
    assert times == [rfc3339(NOW + n * MILLISECOND) for n in range(3)]
    assert written.changes(start=times[1]) == changes[1:]
    assert written.changes(end=times[1]) == changes[:1]


def test_jobs_that_a_fill_found_ended_are_read_by_the_time_of_their_end(written):
    ended = {"a": NOW - 2 * HOUR, "b": NOW - HOUR, "c": NOW}
    jobs = (a_job(job_id, EndTime=at) for job_id, at in ended.items())
    written.record(*jobs, announce_new=False)
    found = written.ledger.ended_unseen(rfc3339(NOW - 2 * HOUR), rfc3339(NOW))
    assert [(change.job_id, change.previous) for change in found] == [("a", None), ("b", None)]
    keys = sorted(sk for pk, sk in written.database.items if pk == f"{SCOPE}#ended")
    assert keys == [f"{rfc3339(at)}#{job_id}#SNOMEDCT" for job_id, at in ended.items()]


def test_a_change_is_never_written_over_another(written):
    def tick(operation: str) -> None:
        if operation == "transact_write_items":
            written.now += MILLISECOND

    written.record(a_job())
    (key,) = (key for key, item in written.database.items.items() if "Job" in item)
    # An operator erases the job, and it is listed in the same millisecond.
    written.database._remove(key)
    written.database.before = tick
    written.record(a_job())
    assert len(written.changes()) == 2


@pytest.mark.parametrize("states_before", [0, 1])
def test_a_new_job_is_stamped_after_every_state_that_was_saved_before_its_write(
    written, states_before
):
    def save_a_state() -> None:
        written.now += SECOND
        written.save()

    for _ in range(states_before):
        written.save()
    written.before_a_write(save_a_state)
    written.record(a_job())
    assert str(written.row()["FirstObservedAt"]) > str(written.ledger.state(FAMILY).settled_at)
