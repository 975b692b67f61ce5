"""Active jobs are rows of their own, which come and go with the job's row; and a job is one row."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from jobledger.jobs import Job
from jobledger.ledger.active import ActiveJob
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import DAY, HOUR, NOW, SCOPE, SECOND, a_job
from testing.counted import Counted
from testing.recounted import check_rows

FAMILY = Family.SNOMEDCT
OLD, NEW = NOW - 40 * DAY, NOW - 2 * DAY


class Ledgered(Counted):
    """A ledger in memory; `record` knows the active jobs, as a sync does."""

    def record(
        self, *jobs: Job, listed_at: datetime | None = None, announce_new: bool = True
    ) -> None:
        self.now += SECOND
        time, followed = rfc3339(listed_at or self.now), self.active()
        self.ledger.record(FAMILY, jobs, time, announce_new=announce_new, followed=followed)

    def active(self) -> dict[str, ActiveJob]:
        return self.ledger.active(FAMILY, consistent=True)

    def rows(self) -> list[tuple[str, str]]:
        """The job rows: submit time and status."""
        jobs = [
            json.loads(item["Job"]["S"]) for item in self.database.items.values() if "Job" in item
        ]
        return sorted(
            (job.get("SubmitTime", "1970-01-01T00:00:00.000Z"), job["JobStatus"]) for job in jobs
        )

    def agree(self) -> None:
        check_rows(self.database.items, SCOPE, FAMILY)


def at(time: Any) -> str:
    return rfc3339(time) if time else "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize("first", [None, OLD])
@pytest.mark.parametrize("second", [None, NEW])
@pytest.mark.parametrize(
    "statuses",
    [
        ("SUBMITTED", "SUBMITTED", "COMPLETED"),
        ("SUBMITTED", "IN_PROGRESS", "COMPLETED"),
        ("SUBMITTED", "COMPLETED", "COMPLETED"),
        ("COMPLETED", "COMPLETED", "COMPLETED"),
    ],
)
@pytest.mark.parametrize("announce_new", [True, False])
def test_a_job_whose_submit_time_appears_changes_or_vanishes_stays_one_job(
    first, second, statuses, announce_new
):
    world = Ledgered()
    for status, submitted in zip(statuses, (first, second, OLD), strict=True):
        ended = status == "COMPLETED"
        more: dict[str, Any] = {"EndTime": NOW, "ExpirationTime": NOW + DAY} if ended else {}
        world.record(a_job("job", status, submitted, **more), announce_new=announce_new)
        announce_new = True
        assert world.rows() == [(at(submitted), status)]
        world.agree()
    changes = list(world.ledger.changes(FAMILY, "0", "9"))
    assert [(change.previous, change.status) for change in changes if change.previous] == [
        (old, new) for old, new in pairwise(statuses) if old != new
    ]


def test_an_older_listing_does_not_move_a_job_back_to_another_submit_time():
    world = Ledgered()
    world.record(a_job("job", "SUBMITTED", None))
    world.record(a_job("job", "SUBMITTED", NEW))
    world.record(a_job("job", "SUBMITTED", None), listed_at=world.now - 4 * SECOND)
    assert world.rows() == [(at(NEW), "SUBMITTED")]
    world.agree()


def test_two_entries_of_one_id_in_a_page_are_one_job():
    world = Ledgered()
    world.record(a_job("job", "SUBMITTED", None), a_job("job", "IN_PROGRESS", NEW), a_job("other"))
    assert world.rows()[0] == (at(NEW), "IN_PROGRESS")
    world.agree()


def test_two_syncs_that_find_a_new_job_with_different_submit_times_write_one_row():
    world = Ledgered()

    def another() -> None:
        world.now += HOUR
        job = a_job("job", "SUBMITTED", None)
        world.ledger.record(FAMILY, [job], rfc3339(world.now), announce_new=True)

    world.before_a_write(another)
    world.record(a_job("job", "SUBMITTED", NEW))
    # The other listing is the later one.
    assert world.rows() == [(at(None), "SUBMITTED")]
    world.agree()


def duplicate(world: Ledgered) -> None:
    """Write the rows that a version without this rule made of one job; the state follows the second."""
    world.ledger.record(FAMILY, [a_job("job", "SUBMITTED", None)], at(NOW), announce_new=False)
    world.database._remove((f"{world.ledger.partition(FAMILY)}#active", "job"))
    world.ledger.record(FAMILY, [a_job("job", "SUBMITTED", NEW)], at(NOW), announce_new=False)
    assert len(world.rows()) == 2


@pytest.mark.parametrize("status", ["SUBMITTED", "IN_PROGRESS", "COMPLETED"])
@pytest.mark.parametrize("by_a_recount", [True, False])
def test_two_rows_that_an_older_version_made_of_a_job_become_one(status, by_a_recount):
    world, job = Ledgered(), a_job("job", status, NEW)
    duplicate(world)
    world.now += HOUR
    if by_a_recount:
        world.record(job)
        world.recount()
    else:
        followed, now = {"job": ActiveJob("job", f"{at(None)}#job")}, rfc3339(world.now)
        world.ledger.record(FAMILY, [job], now, announce_new=True, followed=followed)
    assert world.rows() == [(at(NEW), status)]
    world.agree()


def test_a_row_of_a_job_that_another_writer_changes_is_not_removed_as_it_was():
    world = Ledgered()
    world.record(a_job("job", "SUBMITTED", None))

    def moves_on() -> None:
        world.now += HOUR
        job = a_job("job", "IN_PROGRESS", None)
        world.ledger.record(FAMILY, [job], rfc3339(NOW), announce_new=True)

    world.before_a_write(moves_on)
    world.record(a_job("job", "COMPLETED", NEW))
    (change,) = (c for c in world.ledger.changes(FAMILY, "0", "9") if c.status == "COMPLETED")
    assert change.previous == "IN_PROGRESS"
    world.agree()


@pytest.mark.parametrize("unknown", [True, False])
def test_a_job_that_is_listed_again_is_followed_again_at_once(unknown):
    world = Ledgered()
    world.record(a_job("job", "IN_PROGRESS", NEW))
    if unknown:
        assert not world.ledger.note_unknown(FAMILY, world.active()["job"])
        assert world.active()["job"].unknown_at
    else:
        world.ledger.mark_expired(FAMILY, "job", rfc3339(NEW))
        assert world.active() == {}
    world.record(a_job("job", "IN_PROGRESS", NEW))
    assert world.active() == {"job": ActiveJob("job", f"{at(NEW)}#job")}
    assert "ExpiredUpstream" not in (world.ledger.find("job") or {})


@pytest.mark.parametrize(
    "expires,gone", [(None, [False, True]), (NOW + DAY, [False, True]), (NOW, [True])]
)
def test_a_job_is_gone_when_it_is_unknown_twice_or_has_expired(expires, gone):
    world = Ledgered()
    world.record(a_job("job", "IN_PROGRESS", NEW, ExpirationTime=expires))
    for last in gone:
        assert "job" in world.active()
        assert world.ledger.note_unknown(FAMILY, world.active()["job"]) is last
    assert world.active() == {}
    world.agree()


@pytest.mark.parametrize("while_it", ["is marked as unknown", "is noted", "gets its active row"])
def test_a_job_that_ends_while_it_is_followed_is_followed_no_longer(while_it):
    world, job = Ledgered(), a_job("job", "IN_PROGRESS", NEW)
    world.record(job)
    before = world.active()["job"]
    if while_it == "gets its active row":
        world.database._remove((f"{world.ledger.partition(FAMILY)}#active", "job"))
    ended = [a_job("job", submitted=NEW)]
    world.before_a_write(lambda: world.ledger.record(FAMILY, ended, at(NOW), announce_new=True))
    if while_it == "is marked as unknown":
        assert world.ledger.note_unknown(FAMILY, before) is False
    elif while_it == "is noted":
        # This sync has not seen the row of the active job, and writes it again.
        world.ledger.record(FAMILY, [job], at(NOW), announce_new=True, followed={})
    else:
        world.ledger.follow(FAMILY, [before])
    world.agree()


def test_a_job_that_another_sync_has_found_since_is_followed_no_longer_when_it_ends():
    world = Ledgered()
    world.record(a_job("job", "IN_PROGRESS", NEW))
    ended = a_job("job", submitted=NEW)
    world.ledger.record(FAMILY, [ended], rfc3339(world.now), announce_new=True, followed={})
    world.agree()


def test_a_job_that_has_moved_is_not_dropped_for_its_former_submit_time():
    world = Ledgered()
    world.record(a_job("job", "IN_PROGRESS", None))
    world.record(a_job("job", "IN_PROGRESS", NEW))
    world.ledger.mark_expired(FAMILY, "job", None)
    assert "job" in world.active()
    world.agree()


def test_an_erased_job_that_the_service_does_not_know_is_followed_no_longer():
    world = Ledgered()
    world.record(a_job("job", "IN_PROGRESS", NEW))
    world.database._remove((world.ledger.partition(FAMILY), f"{at(NEW)}#job"))
    assert world.ledger.note_unknown(FAMILY, world.active()["job"])
    assert world.active() == {}


# A family without active jobs needs no query.


@pytest.mark.parametrize("said", [{"idle": True, "quiet": 1}, {"quiet": 1}])
def test_a_job_becomes_active_only_in_a_state_that_does_not_deny_it(said):
    world = Ledgered()
    world.save(**said)
    world.record(a_job("ended"))
    assert world.ledger.state(FAMILY).version == 1
    world.record(a_job("job", "SUBMITTED"))
    state = world.ledger.state(FAMILY)
    assert (state.idle, state.quiet, state.version) == (False, 0, 2)
    assert world.active().keys() == {"job"}


def test_a_state_that_is_saved_as_idle_meanwhile_is_changed_before_the_job_is_written():
    world = Ledgered()
    world.save()
    world.before_a_write(lambda: world.save(idle=True, quiet=1))
    world.record(a_job("job", "SUBMITTED"))
    assert not world.ledger.state(FAMILY).idle
    assert world.active().keys() == {"job"}
