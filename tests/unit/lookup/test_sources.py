"""Look-ups in a ledger of several sources: which sources are searched and synced, and what the answer has."""

from typing import Any

import pytest

from jobledger.errors import LookupFailed
from jobledger.invoke import Function
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.lookup.encryption import PropertyCipher
from jobledger.lookup.resource import begin, check
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.builders import HOUR, MINUTE, NOW, SCOPE, a_job, agree
from testing.memory_dynamodb import MemoryDynamoDB
from tests.unit.lookup.test_resource import REQUEST, Kms

EAST, WEST = "444455556666/us-east-1", "444455556666/eu-west-1"
SOURCES = (SCOPE, EAST, WEST)


class Stack:
    """A look-up on a ledger in memory; the sync answers with what it was asked for."""

    def __init__(self, sources: tuple[str, ...] = SOURCES) -> None:
        self.table = Table(MemoryDynamoDB(), "ledger")
        self.ledger = Ledger(self.table, SCOPE, lambda: NOW, sources)
        self.synced: list[dict[str, Any]] = []

    def record(self, job_id: str, source: str = SCOPE, **more: Any) -> None:
        agree(self.ledger.of(source), rfc3339(NOW - MINUTE))
        job = a_job(job_id, JobName="nightly", **more)
        self.ledger.of(source).record(Family.SNOMEDCT, [job], rfc3339(NOW), announce_new=True)

    def sync(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.synced.append(payload)
        time = {"Families": {"SNOMEDCT": {"AsOf": rfc3339(NOW)}}}
        return time | {"Sources": dict.fromkeys(payload.get("Sources", ()), time)}

    def answer(self, **properties: Any) -> dict[str, Any]:
        begun = begin({**REQUEST, "ResourceProperties": properties}, lambda: cipher, NOW)
        return check({**REQUEST, **begun}, lambda: cipher, self.connect, lambda: NOW)

    def found(self, **properties: Any) -> dict[str, str]:
        return dict(self.answer(**properties)["Data"])

    def connect(self) -> tuple[Ledger, Function]:
        sync: Any = self.sync
        return self.ledger, sync


cipher = PropertyCipher(Kms(), "key")


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("FAMILIES", "SNOMEDCT")


@pytest.fixture
def stack() -> Stack:
    """A job in each source; two have the same id. The newest is in the west."""
    stack = Stack()
    stack.record("one", submitted=NOW - 3 * HOUR)
    stack.record("one", EAST, submitted=NOW - 2 * HOUR)
    stack.record("west", WEST, submitted=NOW - HOUR)
    return stack


@pytest.mark.parametrize(
    "properties, job_id, source, count",
    [
        ({}, "west", WEST, "3"),
        ({"Account": "444455556666"}, "west", WEST, "2"),
        ({"Account": ["444455556666"], "Region": "us-east-1"}, "one", EAST, "1"),
        ({"Region": "us-east-1"}, "one", EAST, "2"),
        ({"Account": "111122223333,444455556666", "Select": "oldest"}, "one", SCOPE, "3"),
        ({"Account": "111122223333", "Region": "us-east-1,eu-west-1"}, "one", SCOPE, "1"),
        ({"Account": "111122223333", "Select": "only"}, "one", SCOPE, "1"),
        ({"JobName": "nightly", "Region": "eu-west-1"}, "west", WEST, "1"),
    ],
)
def test_a_look_up_searches_the_sources_that_account_and_region_select(
    stack, properties, job_id, source, count
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
def test_what_no_source_has_is_refused_with_what_is_allowed(stack, properties, reason):
    with pytest.raises(LookupFailed) as failed:
        stack.answer(**properties)
    assert reason in str(failed.value)


def test_when_nothing_is_found_account_and_region_are_empty(stack):
    found = stack.found(JobName="other", MustExist="false")
    assert (found["Account"], found["Region"], found["JobId"], found["Count"]) == ("", "", "", "0")


@pytest.mark.parametrize(
    "properties, synced",
    [
        ({"Region": "eu-west-1"}, [WEST]),
        ({"Account": "444455556666"}, [EAST, WEST]),
        ({}, [*SOURCES]),
    ],
)
def test_a_wait_syncs_only_the_sources_that_are_searched(stack, properties, synced):
    assert stack.answer(JobName="to-come", WaitMinutes="5", **properties) == {"IsComplete": False}
    (payload,) = stack.synced
    assert payload["Families"] == ["SNOMEDCT"]
    assert sorted(payload["Sources"]) == sorted(synced)


def test_jobs_of_a_removed_source_are_found(stack):
    stack.ledger = Ledger(stack.table, SCOPE, lambda: NOW, (SCOPE, EAST))
    assert stack.found(Region="eu-west-1")["JobId"] == "west"


def test_a_ledger_without_other_sources_answers_as_it_always_did():
    stack = Stack(())
    stack.record("one")
    assert not {"Account", "Region"} & stack.found().keys()
    assert stack.found(Account="111122223333")["JobId"] == "one"
    stack.answer(JobName="to-come", WaitMinutes="5")
    assert "Sources" not in stack.synced[0]
