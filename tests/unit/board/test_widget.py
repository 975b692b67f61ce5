"""The custom widget's contract with CloudWatch: events as the user guide shows them, and each action."""

import json
import re
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from jobledger.errors import LedgerUnavailable, UnexpectedError
from jobledger.handlers import widget
from jobledger.service import Family
from testing.api import Context, logged_lines, running_api
from testing.boards import hostile_texts, parsed
from testing.builders import NOW, full_job

ARN = "arn:aws:lambda:us-east-1:111122223333:function:widget:live"
TODAY = NOW.timestamp()
# What CloudWatch removes from a widget or does not run (user guide, "Security and JavaScript").
REMOVED = ("script", "iframe", "use", "object", "embed", "link", "meta", "base")


class WidgetContext(Context):
    """What Lambda passes: the ARN has the alias that the dashboard calls."""

    invoked_function_arn = ARN


@pytest.fixture
def api():
    with running_api() as api:
        yield api


@contextmanager
def asking(api):
    """Invoke the function as a dashboard does."""
    with (
        mock.patch.object(widget, "_ledger", api.its_ledger),
        mock.patch.object(widget, "_now", api.its_time),
    ):
        yield lambda **event: widget.handler(event, WidgetContext())


@pytest.fixture
def ask(api):
    """The function, on 100 completed jobs and one that failed."""
    api.fill(*(full_job(number, SubmitTime=TODAY - number * 3_600) for number in range(1, 101)))
    failed = {"JobStatus": "FAILED", "JobName": "pathology", "Message": "No input."}
    api.fill(full_job(201, SubmitTime=TODAY - 90, **failed), family=Family.PHI)
    api.mark_synced()
    with asking(api) as ask:
        yield ask


def context(hours=24, *, zoom=None, form=None, params=None, **more):
    """Return a widgetContext as the user guide shows it, for the last hours."""
    now, hour = round(TODAY * 1000), 3_600_000
    times = {"mode": "relative", "relativeStart": hours * hour, "start": now - hours * hour}
    times["end"] = now
    if zoom:
        times["zoom"] = {"start": now - zoom[0] * hour, "end": now - zoom[1] * hour}
    return {
        "dashboardName": "Name-of-current-dashboard", "widgetId": "widget-16", "accountId": "111122223333",
        "locale": "en", "timezone": {"label": "UTC", "offsetISO": "+00:00", "offsetInMinutes": 0}, "period": 300,
        "isAutoPeriod": True, "timeRange": times, "theme": "light", "linkCharts": True, "title": "Jobs",
        "forms": {"all": form or {}}, "params": params or {}, "width": 1_200, "height": 2_400,
    } | more  # fmt: skip


def actions_of(html):
    """Each action as the text of the link before it, its attributes and its parameters."""
    return list(actions_below(parsed(html)))


def actions_below(node):
    for before, child in zip([None, *node.children], node.children, strict=False):
        if child.tag == "cwdb-action":
            assert before is not None
            assert before.tag == "a"
            yield before.text, child.attributes, json.loads(child.text)
        yield from actions_below(child)


def action_of(html, label):
    return next(parameters for text, _, parameters in actions_of(html) if text == label)


def rows_of(html):
    return [row for table in parsed(html).all("table", "jobs") for row in table.all("tr")[1:]]


def test_describe_returns_documentation_as_markdown(ask):
    described = ask(describe=True, widgetContext=context())
    assert described.startswith("## Job Ledger\n")
    names = ("Family", "JobStatus", "JobName", "JobNamePrefix", "Order", "MaxResults")
    assert all(text in described for text in ("```yaml", *(f"**{name}**" for name in names)))


def test_the_widget_shows_the_board_in_html_that_cloudwatch_keeps(ask):
    html = ask(widgetContext=context())
    page = parsed(html)
    assert [heading.attributes["id"] for heading in page.all("h2")] == [
        "totals", "active", "fail", "part", "days", "durations", "jobs",
    ]  # fmt: skip
    assert not [tag for tag in REMOVED if page.all(tag)]
    assert not re.search(r"\son\w+=|javascript:|https?://|@import|url\(", html)
    assert "No input." in page.text
    assert "Synced with Comprehend Medical" in page.text
    # The styles touch nothing outside the widget.
    (style,) = page.all("style")
    rules = re.sub(r"/\*.*?\*/|@(container|media)[^{]*", "", style.text, flags=re.DOTALL)
    groups = re.findall(r"([^{}]+)\{", rules)
    # Commas in :is(…) separate no selectors.
    selectors = [one.strip() for group in groups for one in re.split(r",(?![^(]*\))", group)]
    assert len(selectors) > 50
    assert all(selector.startswith(".board") for selector in selectors if selector)


def test_the_widget_has_the_theme_and_the_size_of_the_dashboard_s(ask):
    for theme in ("light", "dark"):
        frame = parsed(ask(widgetContext=context(theme=theme))).children[-1]
        classes = {"board", "widget", "cwdb-no-default-styles", theme}
        assert set(frame.attributes["class"].split()) == classes
    for height, rows in {100: 5, 580: 10, 2_400: 24, 99_999: 24, None: 10}.items():
        assert len(rows_of(ask(widgetContext=context(height=height)))) == rows
    assert not parsed(ask(widgetContext=context(width=320))).all("svg", "days")


def test_the_time_range_or_zoom_of_the_dashboard_is_the_range_of_submit_times(ask):
    # Bounds are exclusive, and the failed job is 90 seconds old.
    for hours, zoom, count in ((24, None, 24), (6, None, 6), (24, (12, 8), 3)):
        html = ask(widgetContext=context(hours, zoom=zoom), MaxResults=50)
        assert len(rows_of(html)) == count
        tile = next(t for t in parsed(html).all("a", "tile") if "Completed" in t.text)
        assert tile.all("span", "count")[0].text == str(count - (zoom is None))


def test_a_reader_filters_lists_and_opens_by_actions_that_call_the_function(ask):
    html = ask(widgetContext=context())
    assert {(a["endpoint"], a["action"], a["display"], p["Action"]) for _, a, p in actions_of(html)} == {
        (ARN, "call", "popup", "Job"), (ARN, "call", "widget", "Filter"), (ARN, "call", "widget", "List"),
    }  # fmt: skip
    asked = {"JobStatus": "FAILED", "Family": "", "JobName": "", "JobNamePrefix": "path"}
    filtered = ask(**action_of(html, "Apply filters"), widgetContext=context(form=asked))
    failed = action_of(html, "1 Failed")
    assert failed["SubmitTimeAfter"] == ["2026-11-22T12:00:00.000Z"]
    for few in (filtered, ask(**failed, widgetContext=context())):
        assert len(rows_of(few)) == 1
    (form,) = parsed(filtered).all("form")
    assert form.one("input", name="JobNamePrefix").attributes["value"] == "path"
    chosen = [o.attributes["value"] for o in form.all("option") if "selected" in o.attributes]
    assert list(filter(None, chosen)) == ["FAILED"]
    other = context(form={"JobStatus": "COMPLETED"})
    page = parsed(ask(**action_of(html, "pathology"), widgetContext=other))
    assert page.one("h1").text == "pathology"
    assert page.all("pre")[0].text == f"jobledger job {201:032x}"


def test_page_links_keep_the_filters_that_they_were_made_with(ask):
    own = context(72, params={"Family": "SNOMEDCT"})
    seen = [ask(widgetContext=own, Family="SNOMEDCT", MaxResults=10)]
    for _ in range(2):
        following = action_of(seen[-1], "Next page")
        # The form changed meanwhile, and the relative time range moved on.
        seen.append(ask(**following, widgetContext=context(71, form={"JobStatus": "FAILED"})))
    jobs = [parameters["JobId"] for page in seen for _, _, parameters in actions_of(page)
            if parameters.get("Action") == "Job" and parameters["JobId"] != f"{201:032x}"]  # fmt: skip
    assert jobs == [f"{number:032x}" for number in range(1, 31)]
    again = ask(**action_of(seen[-1], "First page"), widgetContext=context())
    assert [row.text for row in rows_of(again)] == [row.text for row in rows_of(seen[0])]
    overview = ask(**action_of(again, "Overview"), widgetContext=context())
    assert "totals" in [heading.attributes["id"] for heading in parsed(overview).all("h2")]
    labels = [text for text, _, _ in actions_of(ask(widgetContext=context(3)))]
    assert not {"Next page", "First page"} & set(labels), "it is the last page"


def test_the_configured_parameters_are_the_base_that_the_form_narrows(ask):
    configured = {"JobStatus": ["FAILED", "COMPLETED"], "Family": "PHI"}
    html = ask(**configured, widgetContext=context(params=configured))
    assert len(rows_of(html)) == 1
    assert "100" not in parsed(html).one("section", **{"aria-labelledby": "totals"}).text
    for status, count in (("COMPLETED", 0), ("", 1)):
        narrowed = context(params=configured, form={"JobStatus": status})
        assert len(rows_of(ask(Action="Filter", widgetContext=narrowed))) == count


def test_a_mistake_is_explained_in_the_widget(ask):
    for event, said in (
        ({"Action": "Delete"}, "one of Filter, List, Job"),
        ({"JobStatus": "BOGUS"}, "one of SUBMITTED"),
        ({"jobname": "x"}, "Did you mean JobName?"),
        ({"JobName": {"a": 1}}, "text, or a list of texts"),
        ({"JobName": [None]}, "text, or a list of texts"),
        ({"Action": "Job"}, "the JobId alone"),
        ({"Action": "Job", "JobId": ["a", "b"]}, "the JobId alone"),
        ({"Action": "Job", "JobId": "none"}, "no job with this JobId"),
        ({"Action": "List", "NextToken": "AAAA"}, "does not belong to this query"),
        ({"MaxResults": 501}, "a whole number from 1 to 500"),
        ({"Format": "csv"}, "Unknown parameter."),
        ({"Family": "DENTAL"}, "one of SNOMEDCT"),
        # Before the dashboard's range: its start is then the other bound.
        ({"SubmitTimeBefore": "2020-01-01"}, "a time earlier than SubmitTimeBefore"),
    ):
        html = ask(**event, widgetContext=context())
        assert said in parsed(html).text, event
        assert "BOGUS" not in html


def test_a_context_of_another_shape_is_no_error_and_an_unavailable_ledger_explained(ask, api):
    odd: Any
    for odd in (
        None, [], "x", {}, {"timeRange": None}, {"timeRange": {"start": "x", "end": None}},
        {"timeRange": {"start": 10**30, "end": -(10**30)}}, {"timeRange": {"start": float("nan")}},
        {"forms": []}, {"forms": {"all": None}}, {"params": 3}, {"width": "x", "height": float("inf")},
        {"theme": ["dark"]}, {"timeRange": {"zoom": []}},
    ):  # fmt: skip
        html = ask(widgetContext=odd)
        assert parsed(html).all("h2")
        assert "internal error" not in html
    assert parsed(ask()).all("h2")

    def fail(_):
        raise LedgerUnavailable("ProvisionedThroughputExceededException")

    api.database.before = fail
    assert "temporarily unavailable" in ask(widgetContext=context())


def test_neither_a_log_nor_an_internal_error_has_a_name(ask, monkeypatch):
    def break_down(*_):
        raise KeyError("a-patient")

    with logged_lines() as logged:
        ask(widgetContext=context(form={"JobName": "pathology"}), Action="Filter")
        ask(JobName="a-patient", JobStatus="x", widgetContext=context())
        monkeypatch.setattr(widget, "respond", break_down)
        with pytest.raises(UnexpectedError) as raised:
            ask(widgetContext=context())
    assert json.loads(logged[-1])["error"] == "KeyError"
    assert not re.search("pathology|a-patient", f"{raised.value}{logged}")


def test_hostile_names_and_forms_stay_text(ask, api):
    failed = {"JobStatus": "FAILED", "SubmitTime": TODAY - 5}
    texts = hostile_texts()[:40]  # one of each kind
    for number, text in enumerate(texts):
        api.fill(full_job(500 + number, JobName=text, Message=text, **failed))
    for text in ("", *texts):
        html = ask(widgetContext=context(form={"JobName": text}))
        page = parsed(html)
        assert not [tag for tag in (*REMOVED, "img") if page.all(tag)]
        assert len(page.all("style")) == 1
        assert {a["endpoint"] for _, a, _ in actions_of(html)} <= {ARN}


def test_a_year_is_counted_within_bounds(ask, api):
    before = api.database.rows_read
    html = ask(widgetContext=context(24 * 365))
    assert "101" in parsed(html).one("section", **{"aria-labelledby": "totals"}).text
    assert api.database.rows_read - before < 300
