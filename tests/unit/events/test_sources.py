"""Events of a ledger with several sources: each has the account and region of its own job."""

import json
import re

from msgspec.structs import replace

from jobledger.ledger.rows import change_row
from jobledger.ledger.table import encode
from jobledger.service import Family
from testing.builders import SCOPE, MemoryLedger, a_job
from testing.processes import ROOT
from tests.unit.events.stream import SENT, Bus, a_record, send

SOURCES = (SCOPE, "444455556666/us-east-1", "444455556666/eu-west-1")
OBSERVED = "2026-11-23T12:00:00.000Z"


def records(job_id="job"):
    """The same change of a job with the same id in each source."""
    jobs = [replace(a_job(job_id), source=None if s == SCOPE else s) for s in SOURCES]
    rows = [encode(change_row(f"{SCOPE}/{job.family}", job, None, OBSERVED)) for job in jobs]
    return [a_record(number, row) for number, row in enumerate(rows)]


def details(**more):
    bus = Bus()
    assert send(records(), bus, **more) == SENT
    return bus.details


def test_an_event_has_the_account_and_region_of_its_job_and_an_id_that_no_other_source_has():
    found = details()
    assert [f"{each['Account']}/{each['Region']}" for each in found] == list(SOURCES)
    assert {each["JobId"] for each in found} == {"job"}
    assert len({each["EventId"] for each in found}) == 3
    # Those who have seen this event of the own source must not see it as another one.
    assert found[0]["EventId"] == "7ff31f3b5ed465e2eaae6d3099f81a34"


def test_each_event_has_the_name_of_the_job_of_its_own_source():
    memory = MemoryLedger()
    for number, source in enumerate(SOURCES):
        job = a_job("job", JobName=f"name-{number}")
        memory.ledger.of(source).record(Family.SNOMEDCT, [job], OBSERVED, announce_new=True)
    found = details(database=memory.database, names=True)
    assert [each["JobName"] for each in found] == ["name-0", "name-1", "name-2"]


def matches(pattern, event):
    """Whether a rule of EventBridge with these lists of values selects an event."""
    return all(
        matches(wanted, event[name]) if isinstance(wanted, dict) else event[name] in wanted
        for name, wanted in pattern.items()
    )


def test_the_rule_of_the_document_selects_the_jobs_of_one_account_and_region():
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    (pattern,) = (
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
        if '"Region": [' in block
    )
    kind = {"source": "jobledger", "detail-type": "Comprehend Medical Job State Change"}
    selected = [matches(pattern, kind | {"detail": detail}) for detail in details()]
    assert selected == [False, False, True]
