"""The board and the widget of a ledger with several sources."""

import re
from datetime import timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest

from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import LastError, SyncState
from jobledger.ledger.table import Table
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import Api, running_api
from testing.boards import parsed
from testing.builders import NOW, SCOPE, agree, full_job
from tests.unit.board.test_page import BROWSER, follow, links_of, page_of
from tests.unit.board.test_widget import actions_of, asking, context

EU, OTHER, GONE = "111122223333/eu-west-1", "444455556666/us-east-1", "777788889999/eu-west-1"
SOURCES = (SCOPE, EU, OTHER)
TODAY = NOW.timestamp()
STATUSES: tuple[dict[str, Any], ...] = (
    {"JobStatus": "FAILED", "Message": "No input."},
    {"JobStatus": "IN_PROGRESS", "EndTime": None},
    {},
    {},
)


def share(api: Api, *sources: str) -> None:
    """Give the ledger of the API these sources."""
    api.ledger = Ledger(Table(api.database, "ledger"), SCOPE, api.its_time, sources)


def record(api: Api, source: str, *jobs: dict[str, Any], family: Family = Family.PHI) -> None:
    api.fill(*jobs, family=family, source=source)
    agree(api.ledger.of(source), rfc3339(api.now))


def fill(api: Api, *sources: str) -> None:
    """Record the same four jobs of one name in each source."""
    for at, source in enumerate(sources):
        jobs = (
            full_job(n, JobName="nightly", SubmitTime=TODAY - 60 * n - at - 1, **status)
            for n, status in enumerate(STATUSES)
        )
        record(api, source, *jobs)


@pytest.fixture
def api():
    with running_api() as running:
        share(running, *SOURCES, GONE)
        fill(running, *SOURCES, GONE)
        share(running, *SOURCES)
        running.now = NOW + timedelta(seconds=32)
        yield running


def sources_in(page):
    rows = [row for table in page.all("table", "jobs") for row in table.all("tr")[1:]]
    return [row.all("td")[3].text for row in rows]


def test_each_list_of_the_board_names_the_sources_of_its_jobs(api):
    page = page_of(api)
    heads = [head.text for head in page.all("table", "jobs")[0].all("th")]
    assert heads == ["Name", "Status", "Family", "Source", "Submitted (UTC)", "Duration", "Message"]
    assert set(sources_in(page)) == {*SOURCES, f"{GONE} (removed)"}
    for part in (page.all("table", "active")[0], page.all("ul", "troubles")[0]):
        assert all(f"PHI, {source}" in part.text for source in (*SOURCES, GONE))
    runs = page.all("table", "runs")[0].all("th")
    assert sum("4 runs" in head.text for head in runs) == 4, "a name in each source"
    assert "Each source was synced with Comprehend Medical 32 s ago, at " in page.text
    assert "3 of 3 sources are up to date." in page.text
    filtered = page_of(api, Account="111122223333").text
    assert "Each of the chosen sources was synced with Comprehend Medical 32 s ago" in filtered
    assert links_of(page)["Sources"] == "board/sources"


@pytest.mark.parametrize(
    "query, shown",
    [
        ({"Account": ["111122223333"]}, {SCOPE, EU}),
        ({"Account": ["111122223333", "444455556666"], "Region": ["us-east-1"]}, {SCOPE, OTHER}),
        ({"Region": ["eu-west-1"]}, {EU, f"{GONE} (removed)"}),
    ],
)
def test_the_filters_by_source_are_kept_in_pages_files_and_the_form(api, query, shown):
    page = page_of(api, **query, MaxResults="1")
    checked = [n for n in page.one("form", role="search").all("input") if "checked" in n.attributes]
    sent = {text for texts in query.values() for text in texts}
    assert {node.attributes["value"] for node in checked} == sent
    csv = follow(api, links_of(page)["Download as CSV"])
    rows = re.findall(r'"(\d{12})","([a-z0-9-]+)"\r?$', csv.body, re.MULTILINE)
    assert {"/".join(row) for row in rows} == {text.removesuffix(" (removed)") for text in shown}
    seen = sources_in(page)
    while href := links_of(page).get("Next page"):
        page = parsed(follow(api, href).body)
        seen += sources_in(page)
    assert sorted(seen) == sorted([*shown] * 4)


def test_the_form_of_many_accounts_has_a_list_that_scrolls_and_needs_no_script(api):
    share(api, *(f"{n:012}/us-east-1" for n in range(100)))
    form = page_of(api, Account=[f"{7:012}", f"{9:012}"]).one("form", role="search")
    select = form.one("select", name="Account")
    options = select.all("option")
    assert len(options) == 103, "with those that were removed"
    assert [o.text for o in options if "selected" in o.attributes] == [f"{7:012}", f"{9:012}"]
    assert {"multiple", "aria-label"} <= select.attributes.keys()


def test_the_page_of_a_job_is_that_of_its_source_with_the_console_of_its_region(api):
    pages = set()
    for link in {a.attributes["href"] for a in page_of(api).all("a")}:
        if "board/jobs/" not in link:
            continue
        page, asked = parsed(follow(api, link).body), parse_qs(urlsplit(link).query)
        (account,), (region,) = asked["Account"], asked["Region"]
        facts = {row.all("dt")[0].text: row.all("dd")[0].text for row in page.one("dl").all("div")}
        assert (facts["Account"], facts["Region"]) == (account, region)
        assert f"--region {region}" in page.text
        assert f"jobledger job --account {account} --job-region {region} " in page.text
        console = next(a for a in page.all("a") if "console" in a.attributes["href"])
        assert urlsplit(console.attributes["href"]).hostname == f"{region}.console.aws.amazon.com"
        pages.add(f"{account}/{region}")
    assert pages == {*SOURCES, GONE}


def test_the_page_of_sources_shows_the_worst_first_with_age_error_and_active_jobs(api):
    never = "000000000001/us-east-1"
    share(api, *SOURCES, never)
    denied = LastError("AccessDenied", rfc3339(NOW))
    for source, as_of in ((EU, NOW), (OTHER, NOW - timedelta(hours=1))):
        ledger = api.ledger.of(source)
        state = SyncState(
            rfc3339(as_of), version=ledger.state(Family.PHI).version, last_error=denied
        )
        ledger.save_state(Family.PHI, state)
    page = page_of(api, "/board/sources")
    rows = [[cell.text for cell in row.all("td")] for row in page.all("tbody")[0].all("tr")]
    at = rfc3339(NOW)[:19].replace("T", " ")
    assert rows == [
        [never, "Never synced", "", "", ""],
        [OTHER, "Stale", f"1 h ago {rfc3339(NOW - timedelta(hours=1))[:19].replace('T', ' ')}", f"AccessDenied {at}", "1 active"],
        [EU, "Last sync failed", f"32 s ago {at}", f"AccessDenied {at}", "1 active"],
        [SCOPE, "Up to date", f"32 s ago {at}", "", "1 active"],
        [GONE, "Removed", f"32 s ago {at}", "", "1 active"],
    ]  # fmt: skip
    listed = follow(api, links_of(page)[OTHER].removeprefix("../"))
    assert set(sources_in(parsed(listed.body))) == {OTHER}
    assert "1 of 4 sources are up to date." in page_of(api).text
    assert "Not every source has been synced" in page_of(api).text
    with running_api() as alone:
        assert alone.call("/board/sources", headers=BROWSER).status == 404


def test_the_widget_filters_by_source_and_opens_the_job_of_a_source(api):
    with asking(api) as ask:
        shown = ask(
            Action="Filter", widgetContext=context(form={"Account": "444455556666", "Region": ""})
        )
        assert set(sources_in(parsed(shown))) == {OTHER}
        configured = parsed(ask(widgetContext=context(params={"Region": "eu-west-1"})))
        assert set(sources_in(configured)) == {EU, f"{GONE} (removed)"}
        actions = [parameters for _, _, parameters in actions_of(shown)]
        for parameters in actions:
            if "JobStatus" in parameters or parameters.get("Action") == "Job":
                assert str(parameters["Account"]).strip("[]'") == "444455556666"
        job = next(parameters for parameters in actions if parameters.get("Action") == "Job")
        assert "444455556666" in ask(**job, widgetContext=context())
        assert "**Account** | " in ask(describe=True)
        share(api)
        assert "Account" not in ask(describe=True)


@pytest.mark.parametrize("path", ["/board", "/board/sources"])
def test_a_hundred_sources_cost_what_one_costs_with_as_many_jobs(path):
    spent = []
    for sources in ((SCOPE, EU), tuple(f"{n:012}/us-east-1" for n in range(100))):
        with running_api() as api:
            share(api, *sources)
            for n in range(200):
                record(api, sources[n % len(sources)], full_job(n, SubmitTime=TODAY - n))
            api.database.rows_read = 0
            with mock.patch.object(api.database, "query", wraps=api.database.query) as query:
                page_of(api, path)
            spent.append((query.call_count, api.database.rows_read))
    (few, few_rows), (many, many_rows) = spent
    assert many <= few + 1
    # The states of 100 sources are read once: a row for each of five families.
    assert many_rows <= few_rows + 500
