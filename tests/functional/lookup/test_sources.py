"""Look-ups in a ledger of several sources: which sources are searched and synced, and what the answer has."""

from types import SimpleNamespace

import pytest

from jobledger.handlers import lookup as handlers
from jobledger.ledger.ledger import Ledger
from jobledger.times import rfc3339
from testing.builders import HOUR, MINUTE, NOW, SCOPE, MemoryLedger, a_job, agree

EAST, WEST = "444455556666/us-east-1", "444455556666/eu-west-1"
SOURCES = (SCOPE, EAST, WEST)


@pytest.fixture
def shared(stack, monkeypatch):
    """Let the stack have a ledger with a job in each source; two have the same id. The newest is in the west."""
    made = SimpleNamespace(memory=MemoryLedger(sources=SOURCES), synced=[])

    def sync(payload):
        made.synced.append(payload)
        time = {"Families": {"SNOMEDCT": {"AsOf": rfc3339(NOW)}}}
        return time | {"Sources": dict.fromkeys(payload.get("Sources", ()), time)}

    for job_id, source, hours in (("one", SCOPE, 3), ("one", EAST, 2), ("west", WEST, 1)):
        agree(made.memory.ledger.of(source), rfc3339(NOW - MINUTE))
        job = a_job(job_id, submitted=NOW - hours * HOUR, JobName="nightly")
        made.memory.ledger.of(source).record(job.family, [job], rfc3339(NOW), announce_new=True)
    monkeypatch.setattr(handlers, "_connect", lambda: (made.memory.ledger, sync))
    return made


@pytest.mark.parametrize(
    "properties, job_id, source, count",
    [
        ({}, "west", WEST, "3"),
        ({"Account": ["444455556666"], "Region": "us-east-1"}, "one", EAST, "1"),
        ({"Region": "us-east-1"}, "one", EAST, "2"),
        ({"Account": "111122223333,444455556666", "Select": "oldest"}, "one", SCOPE, "3"),
        ({"Account": "111122223333", "Region": "us-east-1,eu-west-1"}, "one", SCOPE, "1"),
    ],
)
def test_a_look_up_searches_the_sources_that_account_and_region_select(
    shared, stack, properties, job_id, source, count
):
    found = stack.found(**properties)
    place = f"{found['Account']}/{found['Region']}"
    assert (found["JobId"], place, found["Count"]) == (job_id, source, count)


@pytest.mark.parametrize(
    "properties, reason",
    [
        ({"Account": "999999999999"}, "an account in this ledger: 111122223333, 444455556666."),
        ({"Region": "us-west-2"}, "a region in this ledger: eu-west-1, us-east-1."),
        ({"Account": "44445555666"}, "Account must be an account in this ledger, as 12 digits."),
        (
            {"Account": "111122223333", "Region": "eu-west-1"},
            "no COMPLETED job matches",  # both are there, but not together
        ),
    ],
)
def test_what_no_source_has_is_refused_with_what_is_allowed(shared, stack, properties, reason):
    assert reason in stack.refused(**properties)


def test_when_nothing_is_found_account_and_region_are_empty(shared, stack):
    found = stack.found(JobName="other", MustExist="false")
    assert (found["Account"], found["Region"], found["JobId"], found["Count"]) == ("", "", "", "0")


@pytest.mark.parametrize(
    "properties, synced",
    [
        ({"Region": "eu-west-1"}, {WEST}),
        ({"Account": "444455556666"}, {EAST, WEST}),
        ({}, {*SOURCES}),
    ],
)
def test_a_wait_syncs_only_the_sources_that_are_searched(shared, stack, properties, synced):
    stack.refused(JobName="to-come", WaitMinutes="1", **properties)
    for payload in shared.synced:
        assert (payload["Families"], {*payload["Sources"]}) == (["SNOMEDCT"], synced)


def test_jobs_of_a_removed_source_are_found(shared, stack):
    shared.memory.ledger = Ledger(shared.memory.ledger.table, SCOPE, lambda: NOW, (SCOPE, EAST))
    assert stack.found(Region="eu-west-1")["JobId"] == "west"


def test_a_ledger_without_other_sources_answers_as_it_always_did(stack):
    assert not {"Account", "Region"} & stack.found(JobName="once").keys()
    assert stack.found(JobName="once", Account="111122223333")["JobId"] == "d" * 32
    stack.refused(JobName="to-come", WaitMinutes="1")
    assert "Sources" not in stack.syncs[0]
