"""The CloudWatch custom widget: the board's sections as HTML that a dashboard shows.

CloudWatch removes scripts, `iframe` and `use`; controls are `cwdb-action` elements that call this function
again (Amazon CloudWatch User Guide, "Custom widgets"). A call has its parameters as top-level members. The
members of `widgetContext.params` are those that the dashboard's author configured, and those of
`widgetContext.forms.all` are what the reader entered.

| `Action` | result                                                               |
|----------|----------------------------------------------------------------------|
| absent   | overview and jobs, with the configured parameters and the form       |
| `Filter` | the same for the form                                                |
| `List`   | a page of jobs for exactly the parameters of the call                |
| `Job`    | one job, for a pop-up                                                |
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import msgspec

from jobledger.api.describe import describe
from jobledger.api.parameters import JOB_ID, JOB_PARAMETERS, WIDGET_PARAMETERS
from jobledger.api.problems import problem_of
from jobledger.board.assets import read
from jobledger.board.data import BoardReader, SubmitTimes, listed_jobs, read_jobs, read_overview
from jobledger.board.form import BOUNDS, widget_form
from jobledger.board.job import job_sections, job_title
from jobledger.board.links import WidgetLinks
from jobledger.board.markup import number
from jobledger.board.sections import (
    freshness,
    jobs_table,
    nothing_found,
    overview_sections,
    problem_text,
)
from jobledger.errors import BadParameter, InvalidParameters, JobLedgerError
from jobledger.inputs.filters import FILTERS, SOURCE_FILTERS, parse_parameters
from jobledger.inputs.validation import value_of
from jobledger.ledger.job_query import asked_sources, job_query
from jobledger.ledger.ledger import RECENT
from jobledger.service import Family, JobStatus
from jobledger.times import EPOCH, from_epoch, rfc3339


def _in_code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_TEXT_FILTERS = "\n".join(
    f"**{name}** | {declared.description}"
    for name, declared in FILTERS.items()
    if name not in ("Family", "JobStatus", *SOURCE_FILTERS, *BOUNDS)
)
_SOURCE_FILTERS = "".join(f"\n**{name}** | {FILTERS[name].description}" for name in SOURCE_FILTERS)
DESCRIPTION = f"""\
## Job Ledger

Comprehend Medical jobs of this account and region: totals by status, active jobs, failures with their
message, jobs a day, durations, and a list to filter and page. The dashboard's time range (or zoom) is the
range of submit times.

### Widget parameters (all optional)

Parameter | Value
---|---
**Family** | one of {_in_code(Family)}, or a list of them
**JobStatus** | one of {_in_code(JobStatus)}, or a list of them
{_TEXT_FILTERS}
**Active** | `true`: only jobs that have not ended and that the service still knows
**SubmitTimeAfter**, **SubmitTimeBefore** | a range of submit times instead of the dashboard's
**Order** | `ascending` or `descending` by submit time
**MaxResults** | jobs on a page, 1 to 500; by default what fits into the widget

### Example parameters

```yaml
Family: SNOMEDCT
JobStatus: FAILED
```
"""

_ENVELOPE = ("widgetContext", "describe", "Action")
_FORM_FIELDS = tuple(name for name in FILTERS if name not in BOUNDS)
_ACTIONS = ("Filter", "List", "Job")
# Pixels: what is above the list, a row, and the least width for charts.
_ABOVE_THE_LIST, _ROW_HEIGHT = 220, 36
_FEWEST_ROWS, _MOST_ROWS = 5, 50
_WIDE_ENOUGH_FOR_CHARTS = 480

Event = Mapping[str, Any]
Sent = dict[str, list[str]]


class _Context(msgspec.Struct, frozen=True):
    """What the widget uses of `widgetContext`."""

    theme: str
    width: int
    height: int
    start: datetime | None
    end: datetime | None
    params: Event
    form: Event


def respond(event: Event, endpoint: str, reader: BoardReader) -> str:
    """Return the widget's HTML, or its documentation as Markdown.

    `endpoint` is the ARN that the function was invoked by. Errors that the reader can correct, and a ledger
    that is unavailable, are shown in the widget.
    """
    if event.get("describe"):
        return _documentation(reader)
    context = _context_of(event)
    try:
        shown = _shown(event, context, WidgetLinks(endpoint), reader)
    except JobLedgerError as error:
        shown = problem_text(problem_of(error))
    return _framed(shown, context.theme)


def _documentation(reader: BoardReader) -> str:
    """Return the documentation, with the filters of sources when the ledger has several."""
    more = f"{_TEXT_FILTERS}{_SOURCE_FILTERS}"
    if not reader.ledger.is_shared:
        return DESCRIPTION
    text = DESCRIPTION.replace(_TEXT_FILTERS, more)
    return text.replace("this account and region", "several accounts and regions")


def _shown(event: Event, context: _Context, links: WidgetLinks, reader: BoardReader) -> str:
    action = event.get("Action")
    given = {name: value for name, value in event.items() if name not in _ENVELOPE}
    if action is not None and action not in _ACTIONS:
        raise InvalidParameters([BadParameter("Action", f"one of {', '.join(_ACTIONS)}")])
    if action == "Job":
        return _job(given, reader)
    if action == "List":
        # A page's token belongs to the filters it was made with, whatever the form has now.
        return _jobs(_texts(given), {}, context, links, reader)
    sent = _texts({**context.params, **given}) | _entered(context)
    submitted = _submit_times(sent, context, reader.now())
    bounds = {"SubmitTimeAfter": [submitted.after], **_until(submitted)}
    reader.ledger.states(within=RECENT)  # once: both find them in memory
    with ThreadPoolExecutor(1) as pool:
        jobs = pool.submit(_jobs, sent, bounds, context, links, reader)
        return _overview(sent, submitted, context, links, reader) + jobs.result()


def _overview(
    sent: Sent, submitted: SubmitTimes, context: _Context, links: WidgetLinks, reader: BoardReader
) -> str:
    names = ("Family", *SOURCE_FILTERS)
    chosen = {name: texts for name, texts in sent.items() if name in names}
    query = job_query(_parsed(chosen, reader), reader.families, reader.ledger.known_sources)
    now = reader.now()
    found = read_overview(reader, query.families, submitted, now, query.sources)
    charts = context.width >= _WIDE_ENOUGH_FOR_CHARTS
    return overview_sections(found, chosen, submitted, now, links, charts=charts)


def _jobs(
    sent: Sent, configured: Sent, context: _Context, links: WidgetLinks, reader: BoardReader
) -> str:
    """Return a page of the list. `configured` are the times of an overview above it; `sent` has precedence."""
    filters = {**configured, **sent}
    values = _parsed(filters, reader)
    rows = (context.height - _ABOVE_THE_LIST) // _ROW_HEIGHT
    fitting = min(max(rows, _FEWEST_ROWS), _MOST_ROWS)
    now = reader.now()
    found = read_jobs(reader, values, values.get("MaxResults", fitting))
    jobs = listed_jobs(found.jobs)
    first = {name: texts for name, texts in filters.items() if name != "NextToken"}
    controls = "" if configured else links.button("Overview", {}, "btn")
    if "NextToken" in filters:
        controls += links.jobs(first, "First page", "btn")
    if found.next_token:
        following = {**first, "NextToken": [found.next_token]}
        controls += links.jobs(following, "Next page", "btn btn-primary")
    return (
        '<section class="card" aria-labelledby="jobs"><h2 id="jobs">Jobs'
        f" <small>{number(len(jobs))} on this page</small></h2>"
        f"{widget_form(_entered(context), reader.families, reader.sources)}{links.button('Apply filters', {'Action': 'Filter'}, 'btn btn-primary')}"
        f"{jobs_table(jobs, links, nothing_found(found))}"
        f'<div class="pages">{controls}</div><p class="fresh">{freshness(found.as_of, now, shared=reader.ledger.is_shared)}</p></section>'
    )


def _job(given: Event, reader: BoardReader) -> str:
    sent = _texts(given)
    job_ids = sent.pop("JobId", [])
    if sent.keys() - {*SOURCE_FILTERS} or len(job_ids) != 1:
        raise InvalidParameters([BadParameter("JobId", "the JobId alone, once")])
    known = reader.ledger.known_sources
    sources = asked_sources(parse_parameters(sent, JOB_PARAMETERS, sources=known), known)
    described = json.loads(
        describe(reader.ledger, value_of(JOB_ID, job_ids[0]), reader.now(), sources)
    )
    region = reader.ledger.scope.rpartition("/")[2]
    title = job_title(described["ComprehendMedicalAsyncJobProperties"])
    return f"<h1>{title}</h1>{job_sections(described, region)}"


def _parsed(sent: Sent, reader: BoardReader) -> dict[str, Any]:
    known = reader.ledger.known_sources
    parsed = parse_parameters(sent, WIDGET_PARAMETERS, reader.families, sources=known)
    return {"Family": ["ALL"], **parsed}


def _framed(shown: str, theme: str) -> str:
    css = "dark" if theme == "dark" else "light"
    return (
        f"<style>{read('board.css')}</style>"
        f'<div class="board widget cwdb-no-default-styles {css}">{shown}</div>'
    )


def _context_of(event: Event) -> _Context:
    context = _member(event, "widgetContext")
    times = _member(context, "timeRange")
    times = _member(times, "zoom") or times
    return _Context(
        theme=str(context.get("theme")),
        width=_pixels(context.get("width"), 960),
        height=_pixels(context.get("height"), 600),
        start=_moment(times.get("start")),
        end=_moment(times.get("end")),
        params=_member(context, "params"),
        form=_member(_member(context, "forms"), "all"),
    )


def _member(value: Event, name: str) -> Event:
    """Return a member that is an object; an empty one otherwise, as CloudWatch documents no schema."""
    member = value.get(name)
    return member if isinstance(member, Mapping) else {}


def _pixels(value: Any, default: int) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 100_000 else default


def _moment(milliseconds: Any) -> datetime | None:
    """Return the time of epoch milliseconds; None for anything else."""
    if not isinstance(milliseconds, int | float):
        return None
    try:
        return from_epoch(milliseconds / 1000)
    except (OverflowError, ValueError):
        return None


def _submit_times(sent: Sent, context: _Context, now: datetime) -> SubmitTimes:
    """Return the range of submit times: as configured, else the dashboard's time range."""
    bounds = {name: texts for name, texts in sent.items() if name in BOUNDS}
    values = parse_parameters(bounds, WIDGET_PARAMETERS)
    after: datetime = values.get("SubmitTimeAfter") or context.start or EPOCH
    before: datetime | None = values.get("SubmitTimeBefore") or context.end
    if before and after >= before:
        raise InvalidParameters(
            [BadParameter("SubmitTimeAfter", "a time earlier than SubmitTimeBefore")]
        )
    until = rfc3339(before) if before else None
    return SubmitTimes(rfc3339(after), until, rfc3339(after), before or now)


def _entered(context: _Context) -> Sent:
    """Return what the reader entered. An empty field leaves the configured parameter as it is."""
    return _texts({name: context.form[name] for name in _FORM_FIELDS if name in context.form})


def _until(submitted: SubmitTimes) -> Sent:
    return {"SubmitTimeBefore": [submitted.before]} if submitted.before else {}


def _texts(given: Event) -> Sent:
    """Return parameters as a query has them: lists of text. Empty ones count as not given."""
    texts: Sent = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str | int) for one in values):
            raise InvalidParameters([BadParameter(name[:64], "text, or a list of texts")])
        if kept := [str(one) for one in values if one != ""]:
            texts[name] = kept
    return texts
