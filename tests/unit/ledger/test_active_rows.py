"""Active jobs are rows of their own, which come and go with the job's row, and make pages; and a job is one row."""

from itertools import pairwise
from typing import Any

import pytest

from jobledger.jobs import Job
from jobledger.ledger.active import ActiveJob
from jobledger.ledger.cursor import Position
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.pages import read_page
from jobledger.ledger.recording import Recorded
from jobledger.ledger.rows import status_of
from jobledger.ledger.table import decode
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import DAY, FAR_PAST, NOW, SECOND, a_job
from testing.counted import Counted

FAMILY = Family.SNOMEDCT
OLD, NEW = NOW - 40 * DAY, NOW - 2 * DAY


class Ledgered(Counted):
    """A ledger in memory; `record` knows the active jobs, as a sync does, unless `followed` says others."""

    def record(self, *jobs: Job, **more: Any) -> Recorded:
        return super().record(*jobs, **{"followed": self.active()} | more)

    def active(self) -> dict[str, ActiveJob]:
        return self.ledger.active(FAMILY, consistent=True)

    def rows(self) -> list[tuple[str, str | None]]:
        """The job rows: submit time and status."""
        rows = [decode(item) for item in self.database.items.values() if "Job" in item]
        return sorted((str(row["SK"]).partition("#")[0], status_of(row)) for row in rows)

    def remove_active_row(self) -> None:
        self.database._remove((f"{self.ledger.partition(FAMILY)}#active", "job"))


def at(time: Any) -> str:
    return rfc3339(time) if time else FAR_PAST


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
    changes = [(c.previous, c.status) for c in world.changes() if c.previous]
    assert changes == [(old, new) for old, new in pairwise(statuses) if old != new]


def test_neither_an_older_listing_nor_a_second_entry_of_a_page_makes_another_row():
    world = Ledgered(a_job("job", "SUBMITTED", None))
    world.record(a_job("job", "SUBMITTED", NEW))
    world.record(a_job("job", "SUBMITTED", None), listed_at=world.now - 4 * SECOND)
    world.record(a_job("two", "SUBMITTED", None), a_job("two", "IN_PROGRESS", OLD))
    assert world.rows() == [(at(OLD), "IN_PROGRESS"), (at(NEW), "SUBMITTED")]
    world.agree()


def test_two_syncs_that_find_a_new_job_with_different_submit_times_write_one_row():
    world = Ledgered()
    world.before_a_write(lambda: world.record(a_job("job", "SUBMITTED", None), followed=None))
    world.record(a_job("job", "SUBMITTED", NEW), listed_at=NOW)
    # The other listing is the later one.
    assert world.rows() == [(at(None), "SUBMITTED")]
    world.agree()


@pytest.mark.parametrize("status", ["SUBMITTED", "IN_PROGRESS", "COMPLETED"])
@pytest.mark.parametrize("by_a_recount", [True, False])
def test_two_rows_that_an_older_version_made_of_a_job_become_one(status, by_a_recount):
    world, job = Ledgered(a_job("job", "SUBMITTED", None)), a_job("job", status, NEW)
    world.remove_active_row()
    world.record(a_job("job", "SUBMITTED", NEW), announce_new=False)
    assert len(world.rows()) == 2
    # The state follows the second, or the first.
    followed = world.active() if by_a_recount else {"job": ActiveJob("job", f"{at(None)}#job")}
    world.record(job, followed=followed)
    if by_a_recount:
        world.recount()
    assert world.rows() == [(at(NEW), status)]
    world.agree()


def test_a_row_of_a_job_that_another_writer_changes_is_not_removed_as_it_was():
    world = Ledgered(a_job("job", "SUBMITTED", None))
    moves_on = a_job("job", "IN_PROGRESS", None)
    world.before_a_write(lambda: world.record(moves_on, listed_at=NOW, followed=None))
    world.record(a_job("job", "COMPLETED", NEW))
    (change,) = (change for change in world.changes() if change.status == "COMPLETED")
    assert change.previous == "IN_PROGRESS"
    world.agree()


@pytest.mark.parametrize("unknown", [True, False])
def test_a_job_that_is_listed_again_is_followed_again_at_once(unknown):
    world = Ledgered(job := a_job("job", "IN_PROGRESS", NEW))
    followed = world.active()
    if unknown:
        assert not world.ledger.note_unknown(FAMILY, followed["job"])
        assert world.active()["job"].unknown_at
    else:
        world.ledger.mark_expired(FAMILY, "job", rfc3339(NEW))
        assert world.active() == {}
    world.record(job)
    assert world.active() == followed == {"job": ActiveJob("job", f"{at(NEW)}#job")}
    assert "ExpiredUpstream" not in world.row()


@pytest.mark.parametrize(
    "expires,gone", [(None, [False, True]), (NOW + DAY, [False, True]), (NOW, [True])]
)
def test_a_job_is_gone_when_it_is_unknown_twice_or_has_expired_or_was_erased(expires, gone):
    job = a_job("job", "IN_PROGRESS", NEW, ExpirationTime=expires)
    world = Ledgered(job)
    for last in gone:
        assert "job" in world.active()
        assert world.ledger.note_unknown(FAMILY, world.active()["job"]) is last
    assert world.active() == {}
    world.agree()
    world.record(job)
    world.database._remove((world.ledger.partition(FAMILY), f"{at(NEW)}#job"))
    assert world.ledger.note_unknown(FAMILY, world.active()["job"])
    assert world.active() == {}


@pytest.mark.parametrize("while_it", ["is marked as unknown", "is noted", "gets its active row"])
def test_a_job_that_ends_while_it_is_followed_is_followed_no_longer(while_it):
    job = a_job("job", "IN_PROGRESS", NEW)
    world = Ledgered(job)
    before = world.active()["job"]
    if while_it == "gets its active row":
        world.remove_active_row()
    ended = a_job("job", submitted=NEW)
    world.before_a_write(lambda: world.record(ended, listed_at=NOW, followed=None))
    if while_it == "is marked as unknown":
        assert world.ledger.note_unknown(FAMILY, before) is False
    elif while_it == "is noted":
        # This sync has not seen the row of the active job, and writes it again.
        world.record(job, listed_at=NOW, followed={})
    else:
        world.ledger.follow(FAMILY, [before])
    world.agree()


def test_a_job_that_has_moved_is_not_dropped_for_its_former_submit_time():
    world = Ledgered(a_job("job", "IN_PROGRESS", None))
    world.record(a_job("job", "IN_PROGRESS", NEW))
    world.ledger.mark_expired(FAMILY, "job", None)
    assert "job" in world.active()
    world.agree()
    # Another sync has found it since, and this one, which has not seen that, finds that it has ended.
    world.record(a_job("job", submitted=NEW), followed={})
    world.agree()


@pytest.mark.parametrize("said", [{"idle": True, "quiet": 1}, {"quiet": 1}])
@pytest.mark.parametrize("meanwhile", [True, False])
def test_a_job_becomes_active_only_in_a_state_that_does_not_deny_it(said, meanwhile):
    world = Ledgered()
    world.save(**{} if meanwhile else said)
    world.record(a_job("ended"))
    assert world.ledger.state(FAMILY).version == 1
    if meanwhile:
        world.before_a_write(lambda: world.save(**said))
    world.record(a_job("job", "SUBMITTED"))
    state = world.ledger.state(FAMILY)
    assert (state.idle, state.quiet, state.version) == (False, 0, 3 if meanwhile else 2)
    assert world.active().keys() == {"job"}


@pytest.mark.parametrize(
    "order,found,ends", [("ascending", 249, ["099", "199"]), ("descending", 0, ["150", "050"])]
)
def test_a_search_of_many_active_jobs_ends_a_page_between_a_hundred_and_continues_there(
    order, found, ends
):
    """Each page without a job says how many it has read; without time, it ends after the first hundred."""
    names = enumerate("a" if n == found else "b" for n in range(250))
    jobs = (a_job(f"{n:03}", "SUBMITTED", OLD + n * SECOND, JobName=name) for n, name in names)
    world = Ledgered(*jobs)
    query = JobQuery((FAMILY,), name="a", order=order, active=True)
    position: Position | None = None
    for listed, examined, end in ((0, 100, ends[0]), (0, 100, ends[1]), (1, 50, None)):
        now = rfc3339(world.now)
        page = read_page(world.ledger, query, 10, position, now, time_left=lambda: False)
        position = page.position
        reached = position.sort_key[-3:] if position else None
        assert (len(page.jobs), page.examined, reached) == (listed, examined, end)
    whole = read_page(world.ledger, query, 10, None, rfc3339(world.now))
    assert (len(whole.jobs), whole.examined, whole.position) == (1, 250, None)
