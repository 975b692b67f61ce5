"""With `digestBy=source`: one digest for each source and window, and none waits for, or fails with, another."""

import json
import random
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from jobledger.api.last_digest import read_last_digest
from jobledger.digest import current
from jobledger.digest.claims import DigestStateRow
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
    place_of,
    published,
    refusal,
    sent,
)
from testing.full import in_full
from testing.recounted import complete_counters
from tests.unit.digest.test_sources import EAST, SOURCES, WEST, WITHOUT_WEST

EVERYWHERE = (SCOPE, EAST, WEST)


class Topic(MemoryTopic):
    """A topic that refuses the digests of some sources."""

    refused: frozenset[str] = frozenset()

    def publish(self, **request: Any) -> dict[str, Any]:
        attributes = request["MessageAttributes"]
        if place_of({k: v["StringValue"] for k, v in attributes.items()}) in self.refused:
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
        found[place_of(digest)].append(digest)
    return found


def numbers(world: DigestWorld) -> dict[str, int]:
    """How many digests of each source went out."""
    return {source: len(digests) for source, digests in by_source(world).items()}


def firsts(world: DigestWorld) -> dict[str, dict[str, Any]]:
    """The first digest of each source."""
    return {source: digests[0] for source, digests in by_source(world).items()}


def jobs(digest: dict[str, Any]) -> set[str]:
    lists = ("Failed", "PartialSuccess", "Completed", "Active")
    return {entry["JobId"] for name in lists for entry in digest[name]}


def test_each_source_has_a_digest_of_its_own_jobs_with_its_account_and_region(world):
    world.observe("own", "COMPLETED")
    world.observe("east", "FAILED", source=EAST)
    world.observe("phi", "SUBMITTED", Family.PHI, source=EAST, SubmitTime=world.now)
    world.forward(minutes=5)
    answer = world.run()
    digests = firsts(world)
    found = {source: (jobs(digest), digest["Verdict"]) for source, digest in digests.items()}
    east = {"east", "phi"}, "ATTENTION"
    assert found == {SCOPE: ({"own"}, "OK"), EAST: east, WEST: (set(), "OK")}
    for digest in digests.values():
        check_schema(digest)
    for taken in world.topic.taken:
        attributes = {k: v["StringValue"] for k, v in taken["MessageAttributes"].items()}
        source = place_of(attributes)
        assert taken["Subject"].startswith(f"[job-ledger] {source}: ")
        assert json.loads(json.loads(taken["Message"])["default"]) == digests[source]
        assert attributes["Verdict"] == digests[source]["Verdict"]
    ids = [digests[source]["DigestId"] for source in EVERYWHERE]
    assert len(set(ids)) == 3
    answers = [(place_of(each), each["DigestId"]) for each in answer["Digests"]]
    assert answers == list(zip(EVERYWHERE, ids, strict=True))
    assert answer["DigestId"] == ids[0]


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
    for source, number in zip(EVERYWHERE, (1, 2, 13), strict=True):
        digest = firsts(world)[source]
        assert +Counter(digest["Totals"]) == {"COMPLETED": number, "IN_PROGRESS": 1}
        shown = [entry["JobId"] for entry in digest["ExpiringSoon"]]
        assert shown == [f"{source[-9:]}-{n:02}" for n in range(min(number, 10))]
        assert digest["Truncated"].get("ExpiringSoon", 0) == number - len(shown)
        assert [len(digest[name]) for name in ("Active", "LongRunning")] == [1, 1]


def test_the_text_of_a_source_names_it_and_its_api_call_selects_it(world):
    world.observe("east", "FAILED", source=EAST)
    world.dead = {EAST}
    world.forward(hours=2)
    world.run()
    emails = [json.loads(taken["Message"])["email"] for taken in world.topic.taken]
    (email,) = (" ".join(text.split()) for text in emails if EAST in text)
    assert email.startswith("STALE: the source last synced with Comprehend Medical 2 h ago;")
    for said in (
        *(f"SOURCE {EAST}", "--region eu-central-1", "&Account=444455556666&Region=us-east-1&"),
        "of account 111122223333 in eu-central-1, source 444455556666/us-east-1.",
    ):
        assert said in email


def test_what_is_refused_for_one_source_stops_no_other_and_comes_with_the_next_run(world):
    world.run()
    world.observe("first", "FAILED", source=EAST)
    world.forward(hours=24)
    world.topic.refused = {EAST}
    with pytest.raises(PublishRefused):
        world.run()
    assert numbers(world) == {SCOPE: 2, EAST: 1, WEST: 2}
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
    world.ledger.table.put(Put({"PK": "digest", "SK": f"{SCOPE}#{WEST}", "Version": 9, **damage}))
    world.forward(hours=24)
    with pytest.raises(NotUnderstood):
        world.run()
    assert numbers(world) == {SCOPE: 2, EAST: 2, WEST: 1}
    assert [place_of(each) for each in read_last_digest(world.ledger)["Digests"]] == [SCOPE, EAST]


def test_an_error_of_one_source_that_nobody_expects_stops_no_other_and_is_logged(
    world, monkeypatch, caplog
):
    look = DigestStateRow.load
    row = f"{SCOPE}#{WEST}"

    def load(state_row):
        if state_row._key["SK"] == row:
            raise KeyError
        return look(state_row)

    monkeypatch.setattr(DigestStateRow, "load", load)
    with pytest.raises(KeyError):
        world.run()
    assert numbers(world) == {SCOPE: 1, EAST: 1}
    assert [(vars(line)["source"], vars(line)["error"]) for line in caplog.records] == [
        (WEST, "KeyError")
    ]


@pytest.mark.parametrize("when, published", [("changes", {EAST, WEST}), ("attention", {WEST})])
def test_whether_a_digest_is_wanted_is_decided_for_each_source(when, published):
    world = a_world(DIGEST_WHEN=when)
    assert world.run()["Published"] is True
    world.observe("east", "COMPLETED", source=EAST)
    world.observe("west", "FAILED", source=WEST)
    world.forward(hours=24)
    found = {place_of(digest): digest["Published"] for digest in world.run()["Digests"]}
    assert found == {source: source in published for source in EVERYWHERE}
    assert numbers(world) == {source: 1 + (source in published) for source in EVERYWHERE}


def test_the_first_digests_of_sources_begin_where_the_last_one_of_the_ledger_ended():
    tables = MemoryTables()
    before = DigestWorld(tables=tables, SOURCES=SOURCES)
    before.observe("before", "FAILED", source=EAST)
    before.forward(hours=24)
    end = before.run()["Window"]["End"]
    world = a_world(tables=tables, now=before.now)
    world.observe("after", "FAILED", source=EAST)
    world.forward(hours=3)
    world.run()
    assert {digest["Window"]["Start"] for digest in sent(world)} == {end}
    assert jobs(firsts(world)[EAST]) == {"after"}
    # And the first one of a source that is new begins where the others do.
    more = a_world(tables=tables, now=world.now, SOURCES=f"{SOURCES};us-west-2=777788889999")
    more.forward(hours=24)
    more.run()
    starts = [digest["Window"]["Start"] for digest in sent(more)]
    assert starts == [sent(world)[0]["Window"]["End"]] * 4


def test_a_removed_source_has_a_last_digest_if_it_had_changes(world):
    world.run()
    world.observe("last", "FAILED", source=WEST)
    world.forward(hours=1)
    after = a_world(tables=world.tables, now=world.now, SOURCES=WITHOUT_WEST)
    for _ in range(3):
        after.forward(hours=24)
        after.run()
    assert numbers(after) == {SCOPE: 3, EAST: 3, WEST: 1}
    last = firsts(after)[WEST]
    assert (last["Failed"][0]["SourceRemoved"], last["Verdict"]) == (True, "ATTENTION")


@pytest.mark.parametrize("window", [{}, WINDOW])
@pytest.mark.parametrize("key", [{}, {"IdempotencyKey": "key"}])
def test_a_repeated_request_has_the_same_digests_and_publishes_once(world, window, key):
    """With a key, also when the first one has failed for one source."""
    world.topic.refused = {WEST} if key else set()
    if key:
        with pytest.raises(PublishRefused):
            world.run(window | key)
    world.topic.refused = set()
    answers = [world.run(window | key) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(answers[0]["Digests"]) == len(world.topic.taken) == 3


def test_a_run_of_a_hundred_sources_reads_the_change_log_once():
    accounts = [f"{number:012}" for number in range(1, 100)]
    world = a_world(SOURCES=f"eu-central-1=111122223333;us-east-1={','.join(accounts)}")
    for account in accounts:
        world.observe("job", "FAILED", source=f"{account}/us-east-1")
    world.forward(minutes=5)
    world.tables.calls.clear()
    world.run()
    assert sorted(len(digest["Failed"]) for digest in sent(world)) == [0, *[1] * 99]
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
    whole = DigestWorld(tables=world.tables, now=world.now, SOURCES=SOURCES)
    if draw.random() < 0.5:
        complete_counters(world.ledger)
    world.run()
    parts = firsts(world)
    digest = published(whole)
    for name in ("Counts", "Totals"):
        together = sum((Counter(part[name]) for part in parts.values()), Counter[str]())
        assert +together == +Counter(digest[name])
    for name in ("Failed", "PartialSuccess", "Completed", "Active", "LongRunning"):
        entries = [entry for part in parts.values() for entry in part[name]]
        assert sorted(entries, key=str) == sorted(digest[name], key=str)
    for each in digest["Sources"]:
        part = parts[place_of(each)]
        assert each == part["Sources"][0]
        assert each["Counts"] == +Counter(part["Counts"])
        lengths = {name: len(part[name]) for name in ("Active", "LongRunning")}
        assert lengths == {name: each[name] for name in lengths}


@pytest.mark.parametrize("order", ["ls", "sl", "lsls", "slsl", "llssll", "ssllss", "lsssl"])
def test_after_a_switch_of_digest_by_each_change_is_in_one_digest_and_no_run_counts_as_missed(
    order,
):
    tables, topic, now = MemoryTables(), MemoryTopic(), None
    reported: Counter[str] = Counter()
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
        reported.update(entry["JobId"] for entry in digest["Failed"])
        assert not digest["CoversGap"]
    assert reported == dict.fromkeys(
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


@pytest.mark.parametrize("mode", ["ledger", "source"])
def test_more_active_jobs_than_a_list_has_room_for_are_counted_and_the_window_before_is_compared(
    mode, monkeypatch
):
    monkeypatch.setattr(current, "LONGEST_LIST", 2)
    world = a_world(topic=MemoryTopic(), DIGEST_BY=mode)
    for day, number in enumerate((4, 3)):
        for job in range(number):
            world.observe(f"{day}-{job}", "IN_PROGRESS", source=EAST)
            world.observe(f"failed-{day}-{job}", "FAILED", source=EAST)
        world.forward(hours=24)
        complete_counters(world.ledger)
        world.run()
    digest = sent(world)[-1] if mode == "ledger" else by_source(world)[EAST][-1]
    assert len(digest["Active"]) + digest["Truncated"].get("Active", 0) == 7
    assert (digest["Counts"]["FAILED"], digest["Previous"]["FAILED"]) == (3, 4)
