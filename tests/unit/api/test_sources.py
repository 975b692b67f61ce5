"""A ledger of several accounts and regions, in every answer of the API."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from jobledger.api.export import COLUMNS, OUTPUT_COLUMNS
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output
from jobledger.ledger.outputs import Outputs
from jobledger.ledger.states import LastError, SyncState
from jobledger.ledger.table import Put
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import running_api
from testing.builders import HOUR, MINUTE, NOW, SCOPE, SECOND, agree, full_job

OTHER, EUROPE = "222233334444/us-east-1", "222233334444/eu-west-1"
REMOVED, ADDED = "333344445555/eu-west-1", "222233334444/us-west-2"
SOURCES = (SCOPE, OTHER, EUROPE)
DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
SAME = f"{1:032x}"


@pytest.fixture
def api():
    """One job in each source, with the same id, the later the source; and the state of one source that was removed."""
    with running_api(sources=SOURCES) as running:
        for number, source in enumerate((*SOURCES, REMOVED), 1):
            running.fill(full_job(number, JobId=SAME), source=source)
            agree(running.ledger.of(source), rfc3339(running.now))
        yield running


def sources_of(jobs: list[dict[str, Any]]) -> list[str]:
    return [f"{job['Account']}/{job['Region']}" for job in jobs]


def test_each_job_has_its_source_in_every_format_and_one_of_a_removed_source_says_so(
    api, monkeypatch
):
    jobs = api.get().jobs
    assert sources_of(jobs) == [REMOVED, EUROPE, OTHER, SCOPE]
    assert [job.get("SourceRemoved") for job in jobs] == [True, None, None, None]
    assert [json.loads(line) for line in api.get(Format="ndjson").body.splitlines()] == jobs
    for more in ((), OUTPUT_COLUMNS):
        rows = [*csv.DictReader(io.StringIO(api.get(Format="csv").body, newline=""))]
        assert [*rows[0]] == [*COLUMNS, *more, "Account", "Region"]
        assert sources_of(rows) == sources_of(jobs)
        others = [row["OtherProperties"] for row in rows]
        assert others == ['{"SourceRemoved": true}', "", "", ""]
        monkeypatch.setenv("READS_OUTPUTS", "true")
        for key in [key for partition, key in api.database.items if "/SNOMEDCT" in partition]:
            Outputs(api.ledger).record(Family.SNOMEDCT, key, Output(400, 388, 12))
    assert {row["UnprocessedFilesCount"] for row in rows} == {"12"}


@pytest.mark.parametrize(
    "query,listed",
    [
        ({"Region": "eu-west-1"}, [REMOVED, EUROPE]),
        ({"Account": ["111122223333", "222233334444"], "Region": "us-east-1"}, [OTHER, SCOPE]),
        ({"Account": "222233334444", "JobName": "nightly-notes", "Active": "true"}, []),
    ],
    ids=str,
)
def test_accounts_and_regions_select_jobs_of_lists_and_of_summaries(api, query, listed):
    pages = list(api.traverse(**query, MaxResults=1))
    assert sources_of([job for page in pages for job in page]) == listed
    if "Active" not in query:
        assert api.get("/summary", **query).json["Total"] == len(listed)


def test_a_value_that_no_source_has_is_refused_and_without_sources_nothing_is_added(api):
    for path in ("/jobs", "/summary", f"/jobs/{SAME}"):
        known = "111122223333, 222233334444, 333344445555"
        assert known in api.get(path, Account="999999999999").wrong["Account"]
    with running_api() as alone:
        alone.fill(full_job())
        (job,) = alone.get(Account="111122223333", Region="us-east-1").jobs
        assert not {"Account", "Region", "SourceRemoved"} & job.keys()
        assert '"Region"' not in alone.get(Format="csv").body
        assert "111122223333" in alone.get(Account="222233334444").wrong["Account"]


@pytest.mark.parametrize(
    "query,listed",
    [
        ({}, [EUROPE, OTHER, SCOPE]),
        ({"Region": ["us-east-1", "eu-west-1", "us-east-1"]}, [EUROPE, OTHER, SCOPE]),
        ({"Account": "222233334444"}, [OTHER]),
    ],
    ids=str,
)
def test_a_traversal_goes_on_while_a_source_is_added_without_the_jobs_of_it(api, query, listed):
    """Whether it has a token or a key, and whether the source is one that its filters select."""
    key, asked = {"Idempotency-Key": "walk"}, {"MaxResults": 1, **query}
    first = api.call("/jobs", asked, headers=key)
    api.now += 6 * SECOND
    api.ledger = Ledger(api.ledger.table, SCOPE, api.its_time, (*SOURCES, ADDED))
    api.fill(full_job(2, JobId="added"), source=ADDED)
    token = first.json["NextToken"]
    assert sources_of(api.get(NextToken=token, **query).jobs) == listed
    assert api.call("/jobs", asked, headers=key).jobs == first.jobs
    assert (ADDED in sources_of(api.get(**query).jobs)) is ("Region" not in query)


@pytest.mark.parametrize("key", ["PHI", "odd/PHI", f"{OTHER}/odd/PHI", f"{OTHER}/PHI/odd", ""])
def test_a_state_that_is_of_no_source_stops_no_request(api, key):
    api.ledger.table.put(Put({"PK": "state", "SK": key or "/", "Sync": "{}", "Version": 1}))
    for path in ("/jobs", "/summary", "/board", f"/jobs/{SAME}"):
        assert api.get(path, Region="eu-west-1").status == 200
    assert api.get("/health").status == 200
    assert "333344445555" in api.get(Account="999999999999").wrong["Account"]


def test_a_job_is_found_wherever_it_is_and_of_equal_ids_the_source_chooses(api):
    def found(**query: str) -> list[str]:
        answer = api.get(f"/jobs/{SAME}", **query)
        return sources_of([answer.json["ComprehendMedicalAsyncJobProperties"]])

    assert found() == [REMOVED]
    assert found(Account="222233334444") == [EUROPE]
    assert found(Account="222233334444", Region="us-east-1") == [OTHER]
    assert found(Account="111122223333") == [SCOPE]
    assert api.get(f"/jobs/{SAME}", Account="111122223333", Region="eu-west-1").status == 404


def behind(api, source, as_of, families=Family, **more):
    """Let the last agreement with one source be at a time, or let it never be filled."""
    ledger = api.ledger.of(source)
    for family in families:
        state = SyncState(as_of=as_of, version=ledger.state(family).version, **more)
        assert ledger.save_state(family, state)
    api.now += 6 * SECOND  # later than what is in memory


@pytest.mark.parametrize("source", [EUROPE, SCOPE, REMOVED])
@pytest.mark.parametrize("time", [rfc3339(NOW - HOUR), None])
def test_as_of_is_that_of_the_sources_asked_for_and_removed_ones_hold_up_no_other(
    api, source, time
):
    behind(api, source, time)
    account, _, region = source.partition("/")
    now = rfc3339(NOW)
    for path in ("/jobs", "/summary"):
        for query, expected in (
            ({}, now if source == REMOVED else time),
            ({"Account": account, "Region": region}, time),
            ({"Region": "us-east-1"}, time if source == SCOPE else now),
        ):
            assert api.get(path, **query).json["AsOf"] == expected
    assert api.get(f"/jobs/{SAME}", Account=account, Region=region).json["AsOf"] == time


def test_a_consistent_read_syncs_the_sources_asked_for_and_is_stale_when_one_is(api):
    api.now += MINUTE

    def sync(payload: dict[str, Any]) -> dict[str, Any]:
        found = {"SNOMEDCT": {"AsOf": rfc3339(api.now)}}, {"SNOMEDCT": {"Error": "AccessDenied"}}
        return {"Sources": {of: {"Families": found[of == EUROPE]} for of in payload["Sources"]}}

    api.answer_of_function = sync
    # A removed source is not synced: its jobs are listed as they were last seen.
    for query, synced, as_of in (
        ({}, [[*SOURCES]], NOW),
        ({"Region": "us-east-1"}, [[SCOPE, OTHER]], api.now),
        ({"Account": "333344445555"}, [], NOW),
    ):
        answer = api.get(ConsistentRead="true", **query).json
        assert (answer.get("Stale", False), answer["AsOf"]) == (as_of == NOW, rfc3339(as_of))
        assert [payload["Sources"] for _, payload in api.asked] == synced
        api.asked.clear()


def test_the_oldest_active_job_of_a_summary_has_its_source(api):
    api.fill(full_job(0, JobStatus="IN_PROGRESS", EndTime=None), source=EUROPE)
    api.fill(full_job(20, JobStatus="IN_PROGRESS", EndTime=None), source=OTHER)
    assert sources_of([api.get("/summary").json["OldestActive"]]) == [EUROPE]
    assert sources_of([api.get("/summary", Region="us-east-1").json["OldestActive"]]) == [OTHER]
    assert api.get("/summary", Account="111122223333").json["OldestActive"] is None


def test_health_has_each_source_and_is_healthy_only_when_all_of_them_are(api):
    answer = api.get("/health")
    assert answer.status == 200
    assert sources_of(answer.json["Sources"]) == [*SOURCES]
    old, denied = rfc3339(NOW - HOUR), LastError("AccessDenied", rfc3339(NOW))
    behind(api, EUROPE, old, [Family.PHI], last_error=denied)
    answer = api.get("/health")
    families = answer.json["Families"]
    found = (
        families["PHI"]["AsOf"],
        families["PHI"]["LastError"]["Name"],
        families["SNOMEDCT"]["AsOf"],
    )
    assert (answer.status, *found) == (503, old, "AccessDenied", rfc3339(NOW))
    assert [source["Healthy"] for source in answer.json["Sources"]] == [True, True, False]
    assert answer.json["Sources"][2]["Families"]["PHI"]["AsOf"] == old
    with running_api() as alone:
        alone.mark_synced()
        assert "Sources" not in alone.get("/health").json


def test_the_examples_of_the_document_select_by_source(api):
    section = DOCUMENT.read_text().split("## Several accounts and regions")[1].split("\n## ")[0]
    examples = re.findall(r'curl "\$API_URL/(\w+)\?(.*)"', section)
    api.fill(full_job(9, JobStatus="FAILED"), family=Family.PHI, source=OTHER)
    failed, counted = (api.get(f"/{path}", **parse_qs(query)) for path, query in examples)
    assert sources_of(failed.jobs) == [OTHER]
    assert counted.json["Total"] == 2
