"""With `digestBy=source`: one digest for each source and window, and none waits for, or fails with, another."""

import json
import random
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import count, pairwise
from typing import Any

import pytest

from jobledger.api.last_digest import read_last_digest
from jobledger.errors import NotUnderstood, PublishRefused
from jobledger.ledger.table import Put
from jobledger.service import TERMINAL, Family, JobStatus
from testing.digests import (
    NOW,
    SCOPE,
    WINDOW,
    DigestWorld,
    MemoryTables,
    MemoryTopic,
    check_schema,
    published,
    refusal,
    sent,
)
from testing.full import in_full
from testing.recounted import complete_counters
from tests.unit.digest.test_killed import run_until

EAST, WEST = "444455556666/us-east-1", "444455556666/eu-west-1"
EVERYWHERE = (SCOPE, EAST, WEST)
SOURCES = "eu-central-1=111122223333;us-east-1=444455556666;eu-west-1=444455556666"


class Topic(MemoryTopic):
    """A topic that refuses the digests of some sources."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()

    def publish(self, **request: Any) -> dict[str, Any]:
        place = (
            request["MessageAttributes"][name]["StringValue"] for name in ("Account", "Region")
        )
        if "/".join(place) in self.refused:
            raise refusal("AuthorizationError", 403)
        return super().publish(**request)


def a_world(**more: Any) -> DigestWorld:
    settings: dict[str, Any] = {"topic": Topic(), "SOURCES": SOURCES, "DIGEST_BY": "source"}
    return DigestWorld(**settings | more)


@pytest.fixture
def world() -> DigestWorld:
    return a_world()


def by_source(world: DigestWorld) -> dict[str, list[dict[str, Any]]]:
    """The digests that went out, by source, in order."""
    found = defaultdict(list)
    for digest in sent(world):
        found[f"{digest['Account']}/{digest['Region']}"].append(digest)
    return found


def jobs(digest: dict[str, Any]) -> set[str]:
    lists = ("Failed", "PartialSuccess", "Completed", "Active")
    return {entry["JobId"] for name in lists for entry in digest[name]}


def test_each_source_has_a_digest_of_its_own_jobs_with_its_account_and_region(world):
    world.observe("own", "COMPLETED")
    world.observe("east", "FAILED", source=EAST)
    world.observe("phi", "SUBMITTED", Family.PHI, source=EAST, SubmitTime=world.now)
    world.forward(minutes=5)
    answer = world.run()
    digests = {source: found[0] for source, found in by_source(world).items()}
    assert {source: jobs(digest) for source, digest in digests.items()} == {
        SCOPE: {"own"}, EAST: {"east", "phi"}, WEST: set(),
    }  # fmt: skip
    assert len({digest["DigestId"] for digest in digests.values()}) == 3
    verdicts = {source: digest["Verdict"] for source, digest in digests.items()}
    assert verdicts == {SCOPE: "OK", EAST: "ATTENTION", WEST: "OK"}
    for digest in digests.values():
        check_schema(digest)
    assert digests[EAST]["Totals"]["FAILED"] == 1
    assert sum(digests[EAST]["Totals"].values()) == 2
    for taken in world.topic.taken:
        attributes = {k: v["StringValue"] for k, v in taken["MessageAttributes"].items()}
        source = f"{attributes['Account']}/{attributes['Region']}"
        assert taken["Subject"].startswith(f"[job-ledger] {source}: ")
        assert json.loads(json.loads(taken["Message"])["default"]) == digests[source]
        assert attributes["Verdict"] == verdicts[source]
    assert [f"{each['Account']}/{each['Region']}" for each in answer["Digests"]] == [*EVERYWHERE]
    assert {each["DigestId"] for each in answer["Digests"]} == {
        digest["DigestId"] for digest in digests.values()
    }
    assert answer["DigestId"] == answer["Digests"][0]["DigestId"]


@pytest.mark.parametrize("counted", [False, True])
def test_totals_and_jobs_that_expire_soon_are_those_of_the_source(world, counted):
    soon = world.now + timedelta(days=3)
    for source, number in zip(EVERYWHERE, (1, 2, 13), strict=True):
        for n in range(number):
            name, later = f"{source[-9:]}-{n:02}", timedelta(hours=n)
            world.observe(name, "COMPLETED", source=source, ExpirationTime=soon + later)
        world.observe("old", "IN_PROGRESS", source=source, SubmitTime=world.now)
    world.forward(hours=2)
    if counted:
        complete_counters(world.ledger)
    world.run()
    digests = {source: found[0] for source, found in by_source(world).items()}
    for source, number in zip(EVERYWHERE, (1, 2, 13), strict=True):
        digest = digests[source]
        totals = {status: n for status, n in digest["Totals"].items() if n}
        assert totals == {"COMPLETED": number, "IN_PROGRESS": 1}
        shown = [entry["JobId"] for entry in digest["ExpiringSoon"]]
        assert shown == [f"{source[-9:]}-{n:02}" for n in range(min(number, 10))]
        assert digest["Truncated"].get("ExpiringSoon", 0) == number - len(shown)
        assert [len(digest[name]) for name in ("Active", "LongRunning")] == [1, 1]


def test_the_text_of_a_source_names_it_and_its_api_call_selects_it(world):
    world.observe("east", "FAILED", source=EAST)
    world.dead = {EAST}
    world.forward(hours=2)
    world.run()
    email = next(
        text
        for taken in world.topic.taken
        if EAST in (text := json.loads(taken["Message"])["email"])
    )
    assert email.startswith("STALE: the source last synced with Comprehend Medical 2 h ago;")
    assert f"SOURCE {EAST}" in email
    assert "--region eu-central-1" in email
    assert "&Account=444455556666&Region=us-east-1&" in email
    assert "of account 111122223333 in eu-central-1, source 444455556666/us-east-1." in (
        email.replace("\n", " ")
    )


def test_what_is_refused_for_one_source_stops_no_other_and_comes_with_the_next_run(world):
    world.run()
    world.observe("first", "FAILED", source=EAST)
    world.forward(hours=24)
    world.topic.refused = {EAST}
    with pytest.raises(PublishRefused):
        world.run()
    assert {source: len(found) for source, found in by_source(world).items()} == {
        SCOPE: 2, EAST: 1, WEST: 2,
    }  # fmt: skip
    world.topic.refused = set()
    world.forward(hours=24)
    world.run()
    found = by_source(world)
    assert jobs(found[EAST][1]) == {"first"}
    for digests in found.values():
        windows = [digest["Window"] for digest in digests]
        assert all(a["End"] == b["Start"] for a, b in pairwise(windows))
    assert found[EAST][1]["Window"]["End"] == found[WEST][2]["Window"]["End"]


@pytest.mark.parametrize("damage", [{"Digest": "{"}, {"Digest": '{"Version":"1"}'}, {}])
def test_a_damaged_state_of_one_source_stops_no_other(world, damage):
    world.run()
    row = {"PK": "digest", "SK": f"{SCOPE}#{WEST}", "Version": 9, **damage}
    world.ledger.table.put(Put(row))
    world.forward(hours=24)
    with pytest.raises(NotUnderstood):
        world.run()
    assert {source: len(found) for source, found in by_source(world).items()} == {
        SCOPE: 2, EAST: 2, WEST: 1,
    }  # fmt: skip
    shown = read_last_digest(world.ledger)["Digests"]
    assert [f"{each['Account']}/{each['Region']}" for each in shown] == [SCOPE, EAST]


def test_a_killed_run_is_completed_by_the_next_one():
    """Killed at every step: each source has each window with one content, at most twice, and windows tile."""
    for step in count():
        world = a_world()
        for source in EVERYWHERE:
            world.observe("job", "FAILED", source=source)
        world.forward(minutes=5)
        ended = run_until(world, None, 3 * step, reads=False)
        world.dependencies = world.assembled()
        world.forward(hours=24)
        try:
            world.run()
        except Exception:  # a publication of the killed run may still be in progress
            world.forward(minutes=1)
            world.run()
        for source, digests in by_source(world).items():
            once = list({digest["DigestId"]: digest for digest in digests}.values())
            assert all(digests.count(digest) <= 2 for digest in once)
            assert len({json.dumps(digest) for digest in digests}) == len(once)
            assert all(a["Window"]["End"] == b["Window"]["Start"] for a, b in pairwise(once))
            assert jobs(once[0]) == {"job"}, source
        assert by_source(world).keys() == set(EVERYWHERE)
        if ended:
            break
    assert step > 5


@pytest.mark.parametrize("when, published", [("changes", {EAST, WEST}), ("attention", {WEST})])
def test_whether_a_digest_is_wanted_is_decided_for_each_source(when, published):
    world = a_world(DIGEST_WHEN=when)
    first = world.run()
    assert first["Published"] is True
    world.observe("east", "COMPLETED", source=EAST)
    world.observe("west", "FAILED", source=WEST)
    world.forward(hours=24)
    answer = world.run()
    assert {s for s, digests in by_source(world).items() if len(digests) == 2} == published
    published_by = {f"{d['Account']}/{d['Region']}": d["Published"] for d in answer["Digests"]}
    assert published_by == {source: source in published for source in EVERYWHERE}


def test_the_first_digests_of_sources_begin_where_the_last_one_of_the_ledger_ended():
    tables = MemoryTables()
    before = DigestWorld(tables=tables, SOURCES=SOURCES)
    before.observe("before", "FAILED", source=EAST)
    before.forward(hours=24)
    end = before.run()["Window"]["End"]
    world = a_world(tables=tables)
    world.now = before.now
    world.observe("after", "FAILED", source=EAST)
    world.forward(hours=3)
    world.run()
    for digests in by_source(world).values():
        assert [digest["Window"]["Start"] for digest in digests] == [end]
    assert [entry["JobId"] for entry in by_source(world)[EAST][0]["Failed"]] == ["after"]


def test_the_first_digest_of_a_new_source_begins_where_the_others_do(world):
    world.forward(hours=24 * 30)
    end = world.run()["Window"]["End"]
    more = a_world(tables=world.tables, SOURCES=f"{SOURCES};us-west-2=777788889999")
    more.now = world.now
    more.forward(hours=24)
    more.run()
    starts = {d["Window"]["Start"] for digests in by_source(more).values() for d in digests}
    assert starts == {end}
    assert len(by_source(more)) == 4


def test_a_removed_source_has_a_last_digest_if_it_had_changes(world):
    world.run()
    world.observe("last", "FAILED", source=WEST)
    world.forward(hours=1)
    after = a_world(tables=world.tables, SOURCES=SOURCES.replace(";eu-west-1=444455556666", ""))
    after.now = world.now
    for _ in range(3):
        after.forward(hours=24)
        after.run()
    found = by_source(after)
    assert {source: len(digests) for source, digests in found.items()} == {
        SCOPE: 3, EAST: 3, WEST: 1,
    }  # fmt: skip
    (last,) = found[WEST]
    assert last["Failed"][0]["SourceRemoved"] is True
    assert last["Verdict"] == "ATTENTION"


@pytest.mark.parametrize("window", [{}, WINDOW])
@pytest.mark.parametrize("key", [None, "key"])
def test_a_repeated_request_has_the_same_digests_and_publishes_once(world, window, key):
    request = window | ({"IdempotencyKey": key} if key else {})
    answers = [world.run(request) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(answers[0]["Digests"]) == len(world.topic.taken) == 3


def test_a_request_that_failed_for_one_source_is_completed_when_it_is_repeated(world):
    world.topic.refused = {WEST}
    with pytest.raises(PublishRefused):
        world.run({"IdempotencyKey": "key"})
    world.topic.refused = set()
    answer = world.run({"IdempotencyKey": "key"})
    assert len(answer["Digests"]) == len(world.topic.taken) == 3


def test_a_run_of_a_hundred_sources_reads_the_change_log_once():
    accounts = ",".join(f"{number:012}" for number in range(1, 100))
    world = a_world(SOURCES=f"eu-central-1=111122223333;us-east-1={accounts}")
    for number in range(1, 100):
        world.observe(f"job-{number}", "FAILED", source=f"{number:012}/us-east-1")
    world.forward(minutes=5)
    world.tables.calls.clear()
    world.run()
    assert len(world.topic.taken) == 100
    assert all(len(digest["Failed"]) <= 1 for digest in sent(world))
    assert world.tables.calls["query"] < 50


@pytest.mark.parametrize("seed", range(in_full(5, 50)))
def test_the_digests_of_all_sources_together_say_what_that_of_the_ledger_does(seed):
    draw = random.Random(seed)
    world = a_world()
    for _ in range(draw.randrange(60)):
        job_id, status = f"job-{draw.randrange(20)}", draw.choice(list(JobStatus))
        ended = {"EndTime": world.now} if status in TERMINAL else {}
        times = {"SubmitTime": NOW - timedelta(hours=draw.randrange(9)), **ended}
        source, family = draw.choice(EVERYWHERE), draw.choice(list(Family))
        world.observe(job_id, status, family, source=source, **times)
        world.forward(seconds=draw.randrange(1, 90))
    world.forward(minutes=5)
    whole = DigestWorld(tables=world.tables, SOURCES=SOURCES)
    whole.now = world.now
    whole.agree()
    if draw.random() < 0.5:
        complete_counters(world.ledger)
    world.run()
    parts = {source: found[0] for source, found in by_source(world).items()}
    digest = published(whole)
    for name in ("Counts", "Totals"):
        together = Counter[str]()
        for part in parts.values():
            together.update(part[name])
        assert +together == +Counter(digest[name])
    for name in ("Failed", "PartialSuccess", "Completed", "Active", "LongRunning"):
        entries = [entry for part in parts.values() for entry in part[name]]
        assert sorted(entries, key=str) == sorted(digest[name], key=str)
    for each in digest["Sources"]:
        part = parts[f"{each['Account']}/{each['Region']}"]
        assert each == part["Sources"][0]
        assert each["Counts"] == {status: n for status, n in part["Counts"].items() if n}
        assert (each["Active"], each["LongRunning"]) == (
            len(part["Active"]), len(part["LongRunning"]),
        )  # fmt: skip


@pytest.mark.parametrize("order", ["ls", "sl", "lsls", "slsl", "llssll", "ssllss", "lsssl"])
def test_after_a_switch_of_digest_by_each_change_is_in_one_digest_and_no_run_counts_as_missed(
    order,
):
    tables, topic, now = MemoryTables(), MemoryTopic(), None
    told: Counter[str] = Counter()
    for day, letter in enumerate(order * 2):
        mode = {"l": "ledger", "s": "source"}[letter]
        world = a_world(tables=tables, topic=topic, DIGEST_BY=mode)
        world.now = now or world.now
        for source in EVERYWHERE:
            world.observe(f"{source} {day}", "FAILED", source=source)
        world.forward(hours=24)
        world.run()
        now = world.now
    for digest in sent(world):
        told.update(entry["JobId"] for entry in digest["Failed"])
        assert not digest["CoversGap"]
    assert told == dict.fromkeys(
        [f"{source} {day}" for source in EVERYWHERE for day in range(2 * len(order))], 1
    )


@pytest.mark.parametrize("mode", ["ledger", "source"])
def test_a_source_that_was_removed_before_its_first_digest_was_accepted_loses_no_change(
    mode, world
):
    world.topic.refused = {WEST}
    world.observe("lost", "FAILED", source=WEST)
    world.forward(hours=1)
    with pytest.raises(PublishRefused):
        world.run()
    world.topic.refused = set()
    rest = SOURCES.replace(";eu-west-1=444455556666", "")
    topic = MemoryTopic()
    after = a_world(tables=world.tables, topic=topic, SOURCES=rest, DIGEST_BY=mode)
    after.now = world.now
    after.forward(hours=24)
    after.run()
    assert sum(digest["Failed"] != [] for digest in sent(after)) == 1
