"""A clock that was ahead for one run: every reader counts its times as unknown, and the next sync corrects them."""

from datetime import timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace

from jobledger.api.keyed_traversals import settled_times
from jobledger.ledger.as_of import BySource, refreshed
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.states import Walk
from jobledger.ledger.table import Row, Table, put_next
from jobledger.lookup.resource import _waited
from jobledger.service import Family
from jobledger.sync.progress import FULL_WALK_EVERY
from jobledger.sync.shared import SharedSyncs
from jobledger.times import SETTLING, known, rfc3339
from testing.api import running_api
from testing.builders import NOW, SCOPE, listed_job
from testing.digests import DigestWorld, sent, windows
from testing.world import DAY, MINUTE, World

AHEAD = 30 * DAY
FAMILY = Family.SNOMEDCT


@pytest.fixture
def world():
    """A ledger whose last run had a clock that was 30 days ahead."""
    with World(
        [listed_job("old", 900), listed_job("running", 300, "IN_PROGRESS")], hostile=False
    ) as world:
        world.sync_until_current()
        world.clock.forward(MINUTE)
        world.put(listed_job("seen-ahead", 5))
        world.clock.forward(AHEAD)
        assert world.sync().as_of == rfc3339(world.clock.now())
        world.clock.forward(-AHEAD)
        yield world


@pytest.mark.parametrize(
    "ahead,is_known",
    [(-AHEAD, True), (0, True), (60, True), (60.001, False), (AHEAD, False)],
)
def test_a_time_more_than_a_minute_ahead_is_unknown(ahead, is_known):
    for more in (timedelta(0), FULL_WALK_EVERY):
        time = rfc3339(NOW + timedelta(seconds=ahead) + more)
        assert known(time, NOW, more) == (time if is_known else None)


def test_no_reader_takes_the_time_for_known(world):
    with running_api(world.database) as api:
        api.now = world.clock.now()
        health = api.get("/health")
        family = health.json["Families"]["SNOMEDCT"]
        assert (health.status, family["AsOf"], family["AgeSeconds"]) == (503, None, None)
        for path in ("/jobs", "/jobs/old", "/summary"):
            assert api.get(path).json["AsOf"] is None
        assert "No complete sync with Comprehend Medical is known." in api.get("/board").body
        # A request that must be current syncs, and says so when that is not possible.
        assert api.get("/jobs", ConsistentRead="true").json["Stale"] is True
        asked = {"Families": ["SNOMEDCT"], "IfOlderThanSeconds": 2}
        assert api.asked == [("SYNC_FUNCTION_NAME", asked)]


def test_the_next_sync_corrects_the_state_and_lists_what_is_new(world):
    world.put(listed_job("new", -1, "FAILED"), listed_job("seen-ahead", 5, Message="changed"))
    world.put(listed_job("running", 300, "COMPLETED", Message="done"))
    done = world.sync()
    assert world.ledger_jobs()["seen-ahead"]["Message"] == "changed"
    now = rfc3339(world.clock.now())
    state = world.ledger.state(FAMILY)
    assert (done.as_of, state.as_of, state.lost_as_of) == (now, now, False)
    assert (state.settled_at or "") <= rfc3339(world.clock.now() + timedelta(seconds=1))
    assert world.statuses() == world.truth()
    # Each new status is in the change log, at its own time.
    observed = {change.job_id: change.observed_at for change in world.changes()}
    assert observed.keys() == {"seen-ahead", "new", "running"}
    assert max(observed["new"], observed["running"]) <= now
    # The daily walk is not put off for a month.
    world.clock.forward(DAY + MINUTE)
    world.sync()
    tomorrow = rfc3339(world.clock.now() + timedelta(days=1))
    assert world.ledger.state(FAMILY).full_walk_after == tomorrow


def test_a_ledger_without_jobs_is_filled_after_a_run_ahead_and_a_walk_begun_ahead_begins_again():
    with World(hostile=False) as world:
        world.clock.forward(AHEAD)
        world.sync()
        state = world.ledger.state(FAMILY)
        begun = Walk(started_at=rfc3339(world.clock.now()), next_token="refused", pages=1)
        assert world.ledger.save_state(FAMILY, replace(state, walk=begun))
        world.clock.forward(-AHEAD)
        world.put(*(listed_job(f"{n:03}", n) for n in range(600)))
        done = world.sync()
        assert (done.error, done.as_of) == (None, rfc3339(world.clock.now()))
        assert len(world.statuses()) == len(world.changes()) == 600


def test_every_page_of_a_list_has_the_jobs_that_were_observed_ahead(world):
    everything = ["old", "running", "seen-ahead"]
    with running_api(world.database) as api:
        api.now = world.clock.now()
        listed = [job["JobId"] for page in api.traverse(MaxResults=1) for job in page]
        assert sorted(listed) == everything
        begun = settled_times(api.ledger, JobQuery(), rfc3339(api.now))
        assert begun == rfc3339(api.now - SETTLING)
        # And with a token that was issued ahead.
        world.sync()
        api.now = world.clock.now() + timedelta(seconds=AHEAD)
        first = api.get("/jobs", MaxResults=1)
        api.now = world.clock.now()
        rest = api.traverse(MaxResults=1, NextToken=first.json["NextToken"])
        found = [job["JobId"] for page in (first.jobs, *rest) for job in page]
        assert sorted(found) == everything


@pytest.mark.parametrize("answer", [None, '{"AsOf": "ahead"}'])
def test_a_claim_that_was_made_ahead_neither_answers_nor_blocks(answer, world):
    table = Table(world.database, "ledger")
    since = rfc3339(world.clock.now() + timedelta(seconds=AHEAD))
    row: Row = {"PK": "claim", "SK": f"{SCOPE}/PHI", "Since": since, "Version": 1}
    assert table.put(put_next(row | ({"Answer": answer} if answer else {}), 0))
    syncs = SharedSyncs(table, SCOPE, world.clock.now, world.clock.forward)
    before = world.clock.seconds
    assert syncs.run(Family.PHI, 2, lambda: {"AsOf": "own"}) == {"AsOf": "own"}
    assert world.clock.seconds == before


def test_a_time_ahead_in_an_answer_leaves_the_list_stale_and_in_a_request_has_waited_no_time(world):
    now = world.clock.now()
    ahead = rfc3339(now + timedelta(seconds=AHEAD))
    answer = {"Families": {"SNOMEDCT": {"AsOf": ahead}}}
    never: BySource = {(SCOPE, FAMILY): None}
    assert refreshed(never, lambda _: answer, now) == (never, True)
    assert _waited({"StartedAt": ahead}, now) == 0


def test_digests_go_on_after_one_that_was_made_ahead_and_miss_no_change():
    world = DigestWorld()
    world.run()
    world.observe("before", "FAILED")
    world.now += timedelta(seconds=AHEAD)
    world.run({})  # by hand, so its clock decides where the window ends
    world.now -= timedelta(seconds=AHEAD)
    world.agree()
    world.observe("after", "FAILED")
    for _ in range(3):
        world.forward(days=1)
        assert world.run()["Published"] is True
    (_, ahead, *others) = windows(world)
    assert others[0][0] == ahead[0]
    for earlier, later in pairwise(others):
        assert earlier[1] == later[0]
    failed = [{job["JobId"] for job in digest["Failed"]} for digest in sent(world)]
    assert failed == [set(), {"before"}, {"before", "after"}, set(), set()]
    assert not any(digest["CoversGap"] for digest in sent(world))
