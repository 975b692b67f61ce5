"""The board's pages, as the API's handler returns them."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from jobledger.board import download, grid
from jobledger.board.data import DAYS
from jobledger.inputs.filters import FILTERS, SOURCE_FILTERS
from jobledger.ledger import pages
from jobledger.service import Family
from jobledger.times import rfc3339
from testing.api import logged_lines, running_api
from testing.boards import parsed
from testing.builders import NOW, full_job
from testing.processes import run_python

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
TODAY = NOW.timestamp()
A_JOB = f"/board/jobs/{201:032x}"


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(*(full_job(n, SubmitTime=TODAY - n * 3_600) for n in range(1, 121)))
        failed = {"JobStatus": "FAILED", "JobName": "pathology", "Message": "No input."}
        active = {"JobStatus": "IN_PROGRESS", "JobName": "slow", "EndTime": None}
        jobs = (full_job(201, SubmitTime=TODAY - 90, **failed), full_job(202, SubmitTime=TODAY - 9_000, **active))  # fmt: skip
        running.fill(*jobs, family=Family.PHI)
        running.mark_synced()
        running.now = NOW + timedelta(seconds=32)
        yield running


def page_of(api, path="/board", **query):
    answer = api.call(path, query, headers=BROWSER)
    assert answer.status == 200, answer.body
    return parsed(answer.body)


def names_in(page):
    rows = [row for table in page.all("table", "jobs") for row in table.all("tr")[1:]]
    return [row.all("td")[0].text for row in rows]


def links_of(page):
    return {link.text: link.attributes["href"] for link in page.all("a")}


def follow(api, href):
    url = urlsplit(href)
    return api.call(f"/{url.path}", parse_qs(url.query), headers=BROWSER)


def ago(number, **more):
    """A job that was submitted so many seconds ago."""
    return full_job(number, SubmitTime=TODAY - number, **more)


def test_the_board_shows_totals_active_jobs_failures_days_durations_and_jobs(api):
    page = page_of(api)
    assert [heading.text for heading in page.all("h2")] == [
        "Jobs by status 122 jobs submitted in the last 30 days", "Active now",
        "Failed submitted in the last 7 days", "Partial success submitted in the last 7 days",
        "Runs by name names that repeat in the last 30 days", "Jobs a day by day of submission, UTC",
        "Durations from submission to end of finished jobs, logarithmic", "Jobs 50 on this page",
    ]  # fmt: skip
    tiles = {tile.all("span", "st")[0].text: tile.all("span", "count")[0].text for tile in page.all("li")
             if tile.all("span", "count")}  # fmt: skip
    counts = {"Completed": "120", "Failed": "1", "In progress": "1", "Stopped": "0"}
    assert tiles.items() >= counts.items()
    (active,) = page.all("table", "active")
    assert re.search("Running long.*2 h 30 min", active.text)
    (troubles,) = page.all("ul", "troubles")  # the other list is empty
    assert "No input." in troubles.text
    assert names_in(page)[0] == "pathology"
    # A chart has a text alternative, and a table with the same numbers.
    for chart in page.all("svg"):
        named = chart.attributes.get("role") == "img" and chart.attributes.get("aria-label")
        assert named or chart.attributes.get("aria-hidden") == "true"
    rows = page.all("details")[0].all("tbody")[0].all("tr")
    assert (len(rows), rows[-1].all("th")[0].text) == (DAYS, rfc3339(NOW)[:10])
    assert sum(int(row.all("td")[0].text) for row in rows) == 122
    for time in page.all("time"):
        assert time.attributes["datetime"][:19].replace("T", " ") == time.text
    assert "Synced with Comprehend Medical 32 s ago" in page.text
    with running_api() as empty:
        page = page_of(empty)
    assert "No complete sync with Comprehend Medical is known." in page.text
    assert "The ledger has no jobs yet." in page.text


def test_the_form_has_every_filter_and_shows_what_was_asked(api):
    query = {"JobStatus": ["FAILED", "COMPLETED"], "Family": ["PHI"], "JobNamePrefix": "path", "JobName": "",
             "SubmitTimeAfter": "2026-11-01", "SubmitTimeBefore": "", "Order": "ascending", "MaxResults": "25"}  # fmt: skip
    page = page_of(api, **query)
    assert names_in(page) == ["pathology"]
    form = page.one("form", role="search")
    fields = {node.attributes["name"] for tag in ("input", "select") for node in form.all(tag)}
    assert fields == {*FILTERS, "Order", "MaxResults", "Active", "JobId"} - {*SOURCE_FILTERS}
    checked = {n.attributes["value"] for n in form.all("input") if "checked" in n.attributes}
    assert checked == {"FAILED", "COMPLETED", "PHI"}
    assert form.one("input", name="JobNamePrefix").attributes["value"] == "path"
    chosen = [n.attributes["value"] for n in form.all("option") if "selected" in n.attributes]
    assert chosen == ["ascending", "25"]


def test_paging_shows_every_job_once_and_keeps_the_filters(api):
    seen, href = [], "board?Family=SNOMEDCT&MaxResults=25&Refresh=off"
    while href:
        page = parsed(follow(api, href).body)
        seen += [a.attributes["href"] for t in page.all("table", "jobs") for a in t.all("a")]
        href = links_of(page).get("Next page")
        kept = set(urlsplit(href or "?Family=SNOMEDCT&Refresh=off").query.split("&"))
        assert {"Family=SNOMEDCT", "Refresh=off"} <= kept
    assert len(seen) == len(set(seen)) == 120
    assert "NextToken" not in links_of(page)["First page"]
    # A filtered list reads no more than its page.
    read = api.database.rows_read
    page_of(api, Family="SNOMEDCT", MaxResults="25")
    assert api.database.rows_read - read == 25


def test_the_csv_holds_all_jobs_that_match(api):
    first = page_of(api, JobStatus="COMPLETED", MaxResults="25", Order="ascending")
    second = parsed(follow(api, links_of(first)["Next page"]).body)
    csv = follow(api, links_of(second)["Download as CSV"])
    assert csv.headers["Content-Type"].startswith("text/csv")
    assert csv.headers["Content-Disposition"] == 'attachment; filename="jobs.csv"'
    listed = [f"{number:032x}" for number in range(120, 0, -1)]
    assert re.findall(r'^"([0-9a-f]{32})"', csv.body, re.MULTILINE) == listed
    everything = follow(api, links_of(page_of(api))["Download as CSV"])
    assert len(everything.body.splitlines()) == 123
    assert "at most 5,000" in first.text


@pytest.mark.parametrize("limit, most", [("MOST_JOBS", 100), ("MAX_PAGE_BYTES", 1), ("time", 0)])
def test_a_csv_that_ends_early_says_so_in_its_name(api, monkeypatch, limit, most):
    if limit == "time":
        api.context.milliseconds = 2_000
    else:
        monkeypatch.setattr(download, limit, most)
    csv = api.call("/board", {"Format": "csv", "Family": "SNOMEDCT"}, headers=BROWSER)
    name = 'attachment; filename="jobs-first-100.csv"'
    assert (csv.headers["Content-Disposition"], len(csv.body.splitlines())) == (name, 101)


def test_a_prefix_search_says_how_far_it_came_and_not_that_no_job_matches(api, monkeypatch):
    monkeypatch.setattr(pages, "SEARCHED_ROWS", 50)
    monkeypatch.setattr(pages, "PREFIX_ROWS", 50)
    api.fill(full_job(999, JobName="weekly-1", SubmitTime=TODAY - 130 * 3_600))
    query = {"JobNamePrefix": "weekly", "Family": "SNOMEDCT"}
    page = page_of(api, **query)
    assert "None of the 50 jobs that were searched for this page matches." in page.text
    answer = api.get("/jobs", **query)
    assert (answer.jobs, answer.json["Examined"]) == ([], 50)
    assert api.get("/jobs", Format="csv", **query).headers["X-Examined"] == "50"
    for _ in range(2):
        page = parsed(follow(api, links_of(page)["Next page"]).body)
    assert names_in(page) == ["weekly-1"]
    monkeypatch.undo()
    assert names_in(page_of(api, **query)) == ["weekly-1"]
    assert "Examined" not in api.get("/jobs", **query).json
    assert "No job matches." in page_of(api, JobNamePrefix="none such").text


def test_a_mistyped_field_keeps_the_form_and_says_what_is_wrong_beside_it(api):
    query = {"SubmitTimeAfter": "yesterday<", "SubmitTimeBefore": "2026-11-01", "JobStatus": "FAILED",
             "JobNamePrefix": "night", "Refresh": "off", "Colour": "red"}  # fmt: skip
    answer = api.call("/board", query, headers=BROWSER)
    page = parsed(answer.body)
    assert answer.status == 400
    form = page.one("form", role="search")
    field = form.one("input", name="SubmitTimeAfter")
    assert (field.attributes["value"], field.attributes["aria-invalid"]) == ("yesterday<", "true")
    said = form.one("p", id=field.attributes["aria-describedby"])
    assert "RFC 3339" in said.text
    assert form.one("input", name="JobNamePrefix").attributes["value"] == "night"
    assert form.one("input", name="JobStatus", value="FAILED").attributes["checked"] == ""
    assert "Colour: Unknown parameter." in form.text
    # A program gets the problem as before.
    assert api.get("/board", **query).wrong.keys() == {"SubmitTimeAfter", "Colour"}


def test_an_id_in_the_form_opens_the_job_and_an_unknown_one_is_said_beside_it(api):
    assert page_of(api, JobId=f"{201:032x}", JobStatus="COMPLETED").one("h1").text == "pathology"
    answer = api.call("/board", {"JobId": "none"}, headers=BROWSER)
    assert answer.status == 404
    form = parsed(answer.body).one("form", role="search")
    assert form.one("input", name="JobId").attributes["value"] == "none"
    assert "the id of a job in the ledger" in form.one("p", id="wrong-JobId").text
    assert api.get("/board", JobId="none").status == 404


def test_names_that_repeat_have_a_row_of_runs_of_a_bounded_number_of_jobs(api, monkeypatch):
    weekly = (full_job(700 + n, JobName="weekly", SubmitTime=TODAY - n * 86_400) for n in range(49))
    api.fill(*weekly, ago(790, JobName="once"))
    nightly = (ago(800, JobName="nightly", JobStatus="FAILED"), ago(801, JobName="nightly"))
    api.fill(*nightly, family=Family.PHI)
    (table,) = page_of(api).all("table", "runs")
    runs = {row.all("th")[0].text: row.all("a", "square") for row in table.all("tr")[1:]}
    (nights,) = (run for name, run in runs.items() if name.startswith("nightlyPHI"))
    assert [square.attributes["class"] for square in nights] == ["square ok", "square fail"]
    assert nights[1].attributes["href"].endswith(f"{800:032x}")
    assert "Failed" in nights[1].attributes["title"]
    (weeks,) = (run for name, run in runs.items() if name.startswith("weekly"))
    assert len(weeks) == 30  # the last 30 days
    assert not re.search("once|pathology", table.text)
    monkeypatch.setattr(grid, "_MOST_JOBS", 20)
    monkeypatch.setattr(grid, "_MOST_RUNS", 5)
    api.fill(*(full_job(n, JobName="same", SubmitTime=TODAY - 9) for n in range(1_000, 1_030)))
    page = page_of(api)
    (table,) = page.all("table", "runs")
    assert len(table.all("a", "square")) == 5
    assert "the newest 5 shown" in table.text
    assert "names that repeat among the newest 20 jobs, since" in page.text


def test_every_link_is_relative_and_nothing_is_inline_or_from_elsewhere(api):
    for path, root in {"/board": "", "/board/": "../", A_JOB: "../../"}.items():
        page = page_of(api, path)
        places = {"a": "href", "link": "href", "script": "src", "form": "action"}
        linked = [node.attributes[place] for tag, place in places.items() for node in page.all(tag)]
        own = [href for href in linked if href and not href.startswith("#")]
        assert len(own) >= 6
        assert all(href.startswith((f"{root}board", f"{root}jobs?", f"{root}docs")) for href in own)
        answer = api.call(path, headers=BROWSER)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert not re.search(r"unsafe|\*", policy)
        assert not page.all("style")
        assert all(one.attributes.get("src") and not one.text for one in page.all("script"))
        assert "style=" not in answer.body
        assert not re.search(r"\son\w+=|https?:|//[a-z]", answer.body.replace("s3://", ""))


def test_the_page_reloads_by_itself_until_it_is_paused(api):
    page = page_of(api)
    assert page.one("body").attributes["data-refresh-seconds"] == "60"
    assert page.all("noscript")[0].one("meta").attributes["content"] == "60"
    paused = parsed(follow(api, links_of(page)["Pause"]).body)
    assert "data-refresh-seconds" not in paused.one("body").attributes
    assert paused.one("input", name="Refresh").attributes["value"] == "off"
    assert "Resume" in links_of(paused)
    # Without the script, a list with filters stays while someone changes them.
    for still in (paused, page_of(api, JobStatus="FAILED")):
        assert not still.all("noscript")


def test_a_job_has_its_properties_history_and_commands(api):
    output = {"OutputDataConfig": {"S3Bucket": "codes", "S3Key": "out's/ü"}}
    active = {"JobStatus": "IN_PROGRESS", "EndTime": None}
    ended = {"JobStatus": "PARTIAL_SUCCESS", "Message": "2 of 9 failed.", "Added": {"x": [1]}}
    for minutes, now in ((1, active), (6, ended)):
        api.now = NOW + timedelta(minutes=minutes)
        api.fill(full_job(301, JobName="notes", **output, **now), family=Family.RXNORM)
    page = page_of(api, f"/board/jobs/{301:032x}")
    properties = {row.all("dt")[0].text: row.all("dd")[0].text for row in page.one("dl").all("div")}
    assert properties.items() >= {
        "Status": "Partial success", "Message": "2 of 9 failed.", "Output": "s3://codes/out's/ü",
        "Duration": "16 min 40 s", "Added": '{"x": [1]}',
    }.items()  # fmt: skip
    (timeline,) = page.all("ol", "timeline")
    assert re.findall(r"Submitted|In progress|Partial success|Ended", timeline.text) == [
        # The end in the service is before the ledger's first look.
        "Submitted", "Ended", "In progress", "Partial success",
    ]  # fmt: skip
    assert [code.text for code in page.all("pre")] == [
        f"jobledger job {301:032x}",
        f"aws comprehendmedical describe-rx-norm-inference-job --job-id={301:032x} --region us-east-1",
        "s3://codes/out's/ü",
    ]
    assert page.one("title").text == "Job - Job Ledger"


def test_a_command_is_quoted_for_a_shell_and_not_offered_with_what_a_terminal_acts_on(api):
    for job_id, command in {"-x": "jobledger job -- -x", "a b": "jobledger job 'a b'"}.items():
        api.fill(ago(1, JobId=job_id))
        assert page_of(api, f"/board/jobs/{job_id}").all("pre")[0].text == command
    api.fill(ago(1, OutputDataConfig={"S3Bucket": "codes", "S3Key": "a\x1b[2J\u202eb"}))
    page = page_of(api, f"/board/jobs/{1:032x}")
    assert len(page.all("pre")) == 2
    assert "could not show safely" in page.text


def test_a_browser_gets_an_error_as_a_page_and_a_program_as_a_problem(api):
    for path, query, status, said in (
        ("/board", {"JobStatus": "BOGUS"}, 400, "one of SUBMITTED"),
        ("/board", {"jobname": "x"}, 400, "Did you mean JobName?"),
        ("/board", {"NextToken": "AAAA"}, 400, "does not belong to this query"),
        ("/board/jobs/none", {}, 404, "no job with this JobId"),
    ):
        shown = api.call(path, query, headers=BROWSER)
        assert (shown.status, shown.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert said in parsed(shown.body).text
        assert "BOGUS" not in shown.body
        assert api.call(path, query).headers["Content-Type"] == "application/problem+json"
    assert api.call("/jobs", {"x": "1"}, headers=BROWSER).json["status"] == 400


def test_no_name_gets_into_a_log(api):
    with logged_lines() as logged:
        page_of(api, JobName="pathology")
        page_of(api, A_JOB)
        api.call("/board", {"JobName": "a-patient;"}, headers=BROWSER)
    assert not re.search("pathology|patient", "".join(logged))


def test_a_status_that_the_service_added_later_is_shown_and_every_family_by_default(api):
    api.fill(ago(401, JobStatus="ARCHIVED<"))
    page = page_of(api, MaxResults="500")
    assert "ARCHIVED<" in page.text
    assert len(names_in(page)) == 123
    assert len(names_in(page_of(api, MaxResults="500", Family="PHI"))) == 2


def test_the_board_imports_nothing_that_the_list_does_not_need():
    program = (
        "import sys; from testing.api import running_api; from testing.builders import full_job\n"
        "with running_api() as api:\n"
        "    api.fill(full_job(1)); api.mark_synced(); api.get('/jobs'); before = set(sys.modules)\n"
        "    assert api.get('/board', MaxResults=5).status == api.get(f'/board/jobs/{1:032x}').status == 200\n"
        "    import concurrent.futures.thread\n"  # GET /summary reads the rows to count with it
        "    before.add('concurrent.futures.thread'); assert api.get('/board').status == 200\n"
        "print(*sorted(m for m in set(sys.modules) - before if not m.startswith('jobledger.')))"
    )
    assert run_python(program).split() == []
