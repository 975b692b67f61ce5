"""A digest of a ledger with several sources: one verdict over all, and what there is to say of each."""

import json
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from jobledger.digest.message import render_messages
from jobledger.digest.source_lines import source_sections, stale_sources
from jobledger.ledger.states import LastError
from jobledger.service import Family
from jobledger.sns import MAX_BYTES
from testing.builders import job_facts
from testing.digests import (
    SCOPE,
    ZURICH,
    DigestWorld,
    MemoryTables,
    a_digest,
    ago,
    check_schema,
    listed,
    machine,
    place_of,
    published,
    sent,
)
from testing.recounted import complete_counters
from testing.typical_digests import a_part
from tests.unit.digest.test_text import assert_fits_columns

EAST, WEST = "444455556666/us-east-1", "444455556666/eu-west-1"
WITHOUT_WEST = "eu-central-1=111122223333;us-east-1=444455556666"
SOURCES = f"{WITHOUT_WEST};eu-west-1=444455556666"


@pytest.fixture
def world() -> DigestWorld:
    return DigestWorld(SOURCES=SOURCES)


def named(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The ids and sources of jobs."""
    return [(entry["JobId"], place_of(entry)) for entry in entries]


def email(world: DigestWorld) -> str:
    text: str = json.loads(world.topic.taken[-1]["Message"])["email"]
    return text


def test_jobs_of_all_sources_are_in_one_digest_and_each_says_its_own(world):
    for source in (SCOPE, EAST, WEST):
        world.observe("same", "FAILED", source=source, EndTime=world.now)
        world.observe("new", "SUBMITTED", source=source, SubmitTime=world.now)
    world.observe("done", "COMPLETED", Family.PHI, source=EAST)
    world.forward(minutes=5)
    digest = published(world)
    check_schema(digest)
    for name, job_id in (("Failed", "same"), ("Active", "new")):
        assert set(named(digest[name])) == {(job_id, source) for source in (SCOPE, EAST, WEST)}
    assert named(digest["Completed"]) == [("done", EAST)]
    assert +Counter(digest["Counts"]) == {"FAILED": 3, "SUBMITTED": 3, "COMPLETED": 1}
    assert place_of(digest) == SCOPE
    # The most urgent first; of equals, the one with more changes.
    first, *others = digest["Sources"]
    assert first == {
        "Account": "444455556666",
        "Region": "us-east-1",
        "Verdict": "ATTENTION",
        "AsOf": digest["AsOf"],
        "Counts": {"COMPLETED": 1, "FAILED": 1, "SUBMITTED": 1},
        "Active": 1,
        "LongRunning": 0,
    }
    assert set(map(place_of, others)) == {SCOPE, WEST}


@pytest.mark.parametrize("minutes, verdict", [(10, "OK"), (11, "STALE"), (10_000, "STALE")])
def test_one_source_that_does_not_sync_makes_the_digest_stale_and_is_named(world, minutes, verdict):
    world.dead = {WEST}
    world.forward(minutes=minutes)
    digest = published(world)
    verdicts = {place_of(part): part["Verdict"] for part in digest["Sources"]}
    assert verdicts == {SCOPE: "OK", EAST: "OK", WEST: verdict}
    assert digest["Verdict"] == verdict
    assert ("STALE: 1 of 3 sources last synced" in email(world)) is (verdict == "STALE")


def test_a_member_that_is_not_there_yet_is_stale_with_the_name_of_its_error():
    world = DigestWorld(SOURCES=f"{SOURCES};us-west-2=777788889999")
    member = world.ledger.of("777788889999/us-west-2")
    for family in Family:
        error = LastError("AccessDenied", ago(0))
        state = member.state(family)
        assert member.save_state(family, type(state)(last_error=error, version=state.version))
    digest = published(world)
    assert digest["Sources"][0] == {
        "Account": "777788889999",
        "Region": "us-west-2",
        "Verdict": "STALE",
        "AsOf": None,
        "LastError": "AccessDenied",
        "Counts": {},
        "Active": 0,
        "LongRunning": 0,
    }
    assert (digest["AsOf"], digest["Verdict"]) == (None, "STALE")


@pytest.mark.parametrize("setting", [{"SOURCES": WITHOUT_WEST}, {}])
def test_a_removed_source_is_not_stale_and_its_jobs_are_marked(world, setting):
    """Also when no other source is left."""
    world.observe("gone", "FAILED", source=WEST)
    world.observe("never-ends", "IN_PROGRESS", source=WEST)
    world.observe("here", "FAILED")
    after = DigestWorld(tables=world.tables, **setting)
    after.forward(hours=5)
    digest = published(after)
    check_schema(digest)
    marked = {entry["JobId"]: entry.get("SourceRemoved") for entry in digest["Failed"]}
    assert marked == {"gone": True, "here": None}
    (part,) = (each for each in digest["Sources"] if place_of(each) == WEST)
    assert (part["SourceRemoved"], part["AsOf"], part["Verdict"]) == (True, None, "ATTENTION")
    assert (digest["Active"][0]["SourceRemoved"], digest["LongRunning"]) == (True, [])
    assert f"SOURCE {WEST} (no longer a source of the ledger)" in email(after)


@pytest.mark.parametrize("by", ["ledger", "source"])
def test_a_deployment_without_its_own_source_reports_only_the_others(by):
    world = DigestWorld(SOURCES="us-east-1=444455556666;eu-west-1=444455556666", DIGEST_BY=by)
    world.observe("one", "FAILED", source=EAST)
    world.forward(minutes=5)
    world.run()
    digests = sent(world)
    assert {place_of(part) for digest in digests for part in digest["Sources"]} == {EAST, WEST}
    assert {digest["Verdict"] for digest in digests} <= {"OK", "ATTENTION"}
    assert [job for digest in digests for job in named(digest["Failed"])] == [("one", EAST)]
    for digest in digests:
        check_schema(digest)


def stale(number: int, **more: Any) -> Any:
    return a_part(f"{number:012}/us-east-1", stale=True, **{"as_of": ago(number)} | more)


@pytest.mark.parametrize(
    "parts, since",
    [
        ([stale(3)], "last synced with Comprehend Medical 3 h ago"),
        ([stale(3, as_of=None)], "has no known sync with Comprehend Medical"),
        ([stale(n, as_of=None) for n in (1, 3)], "have no known sync with Comprehend Medical"),
        ([stale(1), stale(3)], "last synced with Comprehend Medical 1 h to 3 h ago"),
        ([stale(1), stale(2, as_of=None)], "last synced with Comprehend Medical 1 h ago or never"),
    ],
)
def test_the_text_names_the_sources_that_are_stale(parts, since):
    known = (*parts, a_part())
    configured = frozenset(part.source for part in known)
    said = stale_sources(a_digest(stale=True, sources=known, configured=configured))
    names = ", ".join(part.source for part in parts)
    their = "its" if len(parts) == 1 else "their"
    assert said == (
        f"{len(parts)} of {len(known)} sources {since}: {names}; {their} recent changes may be missing."
    )


def a_hundred(**more: Any) -> Any:
    """A digest of a hundred sources with the same to say of each."""
    parts = tuple(a_part(f"{number:012}/ap-southeast-2", **more) for number in range(1, 101))
    return a_digest(
        stale=any(part.stale for part in parts),
        sources=parts,
        configured=frozenset(part.source for part in parts),
        failed=listed([job for part in parts for job in part.failed.jobs]),
    )


FAILED = listed([job_facts(number, "FAILED", end_time=ago(2)) for number in range(1, 6)], total=40)


def test_a_text_of_a_hundred_troubled_sources_stays_readable_and_counts_what_it_leaves_out():
    digest = a_hundred(failed=FAILED, stale=True, error="AccessDenied")
    sections = source_sections(digest)
    assert [section[0][:6] for section in sections] == ["SOURCE"] * 10 + ["AND 90"]
    assert (sections[0][3], sections[0][-1], len(sections[0])) == ("FAILED: 40", "- and 37 more", 8)
    assert " ".join(sections[-1]) == (
        "AND 90 MORE SOURCES: 3,600 FAILED, 90 stale, 90 with a failed sync."
    )
    lines = render_messages(digest, ZURICH).digest.bodies["email"].splitlines()
    assert len(lines) < 120
    assert_fits_columns(lines)
    assert "000000000004/ap-southeast-2, and 96 more; their" in " ".join(lines)


def test_no_number_of_failed_jobs_hides_a_source_and_the_message_fits():
    many = [job_facts(number, "FAILED", end_time=ago(2)) for number in range(1, 1_751)]
    counts = Counter(dict.fromkeys(("FAILED", "COMPLETED", "SUBMITTED"), 1_000))
    digest = a_hundred(counts=counts, error="AccessDenied", active=1_000)
    digest = replace(digest, failed=listed(many), completed=listed(many))
    notification = render_messages(digest, ZURICH).digest
    assert MAX_BYTES - 1_000 < notification.size() <= MAX_BYTES
    said = machine(notification)
    check_schema(said)
    assert len(said["Sources"]) == 100
    assert len(said["Failed"]) + said["Truncated"]["Failed"] == 1_750
    assert len(said["Failed"]) > 700


MEMBERS = [f"{number:012}" for number in range(1, 100)]


def cost(sources: list[str], **setting: Any) -> tuple[Counter[str], int]:
    """The requests and rows of a digest of a hundred changes, of these sources in turn, as on the two days before."""
    tables = MemoryTables()
    world = DigestWorld(tables=tables, **setting)
    for day in range(3):
        for number in range(100):
            status = ("COMPLETED", "FAILED", "PARTIAL_SUCCESS", "IN_PROGRESS")[number % 4]
            world.observe(f"job-{day}-{number}", status, source=sources[number % len(sources)])
        world.forward(hours=24)
        complete_counters(world.ledger)
        tables.calls.clear()
        tables.rows_read = 0
        digest = published(world)
    assert digest["Counts"]["FAILED"] == digest["Previous"]["FAILED"] == len(digest["Failed"]) == 25
    assert len(digest["LongRunning"]) == 75
    return tables.calls, tables.rows_read


def test_a_digest_of_a_hundred_sources_costs_at_most_three_times_that_of_one():
    one, rows_of_one = cost([SCOPE])
    sources = [SCOPE, *(f"{member}/us-east-1" for member in MEMBERS)]
    setting = f"eu-central-1=111122223333;us-east-1={','.join(MEMBERS)}"
    many, rows_of_many = cost(sources, SOURCES=setting)
    # The states of their digests, a hundred a request, say whether digestBy has changed.
    assert many == one + Counter(batch_get_item=2)
    assert rows_of_many <= 3 * rows_of_one
