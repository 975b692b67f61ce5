"""GET /board: the HTML pages of the board."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec

from jobledger.api.describe import describe
from jobledger.api.listing import Listing
from jobledger.api.parameters import BOARD_PARAMETERS, JOB_ID
from jobledger.api.problems import Problem
from jobledger.api.responses import Answer
from jobledger.board.data import BoardReader, last_days, listed_jobs, read_jobs, read_overview
from jobledger.board.form import DEFAULT_MAX_RESULTS, Wrong, filter_form
from jobledger.board.grid import grid_section, read_grid
from jobledger.board.job import job_sections, job_title
from jobledger.board.links import PageLinks, query_string
from jobledger.board.markup import escaped, foreign, number
from jobledger.board.sections import (
    freshness,
    jobs_table,
    nothing_found,
    overview_sections,
    problem_text,
)
from jobledger.board.sources import fresh_sources, read_sources, source_sections
from jobledger.errors import InvalidParameters, JobNotFound
from jobledger.inputs.filters import parse_parameters
from jobledger.inputs.validation import value_of
from jobledger.ledger.job_query import asked_sources
from jobledger.ledger.ledger import RECENT, Ledger

REFRESH_SECONDS = 60
_TIMED_RELOAD = f'<noscript><meta http-equiv="refresh" content="{REFRESH_SECONDS}"></noscript>'
# Only the page's own files, and forms that lead to the board.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}

Sent = Mapping[str, Sequence[str]]

# Parameters of the page that do not select jobs.
_NO_FILTERS = ("Refresh", "Format")


class _Asked(msgspec.Struct, frozen=True):
    """What a request asks the board for. `filters` are its parameters without Refresh and Format."""

    root: str
    filters: Sent
    values: Mapping[str, Any]
    paused: bool

    def url(self, **changed: list[str]) -> str:
        """Return the address of the board, with other parameters, ready for an attribute."""
        refresh = {"Refresh": ["off"]} if self.paused else {}
        parameters = {**self.filters, **refresh, **changed}
        query = query_string({name: texts for name, texts in parameters.items() if texts})
        return f"{self.root}board{query and '?'}{query}"


def board(reader: BoardReader, sent: Sent, root: str, *, correctable: bool = False) -> Answer:
    """Return the board: an overview unless jobs are filtered, and one page of jobs.

    `root` is the relative path to the API's root. With `correctable`, the form answers
    invalid parameters and says what is wrong. Raises InvalidParameters, InvalidToken, JobNotFound and
    LedgerUnavailable.
    """
    try:
        asked = _asked(sent, root, reader)
        if "JobId" in asked.values:
            return job_page(reader, asked.values["JobId"], root, asked.values)
    except InvalidParameters as invalid:
        if not correctable:
            raise
        wrong = {bad.parameter: bad.allowed for bad in invalid.parameters}
        return _correction(reader, sent, root, wrong, HTTPStatus.BAD_REQUEST)
    except JobNotFound:
        if not correctable:
            raise
        wrong = {"JobId": "the id of a job in the ledger, in full"}
        return _correction(reader, sent, root, wrong, HTTPStatus.NOT_FOUND)
    if asked.values.get("Format") == "csv":
        from jobledger.board.download import download

        return download(reader, asked.values)
    return _list_page(reader, asked)


def _list_page(reader: BoardReader, asked: _Asked) -> Answer:
    """Return the page of a list, with the overview above it when nothing is filtered."""
    now = reader.now()
    limit = asked.values.get("MaxResults", DEFAULT_MAX_RESULTS)
    reader.ledger.states(within=RECENT)  # once: what is read side by side finds them in memory
    with ThreadPoolExecutor(1) as pool:
        shown = None if asked.filters else pool.submit(_overview, reader, asked.root, now)
        found = read_jobs(reader, asked.values, limit)
        overview = shown.result() if shown else ""
    title = "Filtered jobs" if asked.filters else "Board"
    # On a phone, the form follows the jobs.
    change = ' <a class="to-form" href="#filters">Change the filters</a>' if asked.filters else ""
    chosen = "Account" in asked.values or "Region" in asked.values
    fresh = freshness(found.as_of, now, shared=reader.ledger.is_shared, chosen=chosen)
    head = (
        f"<h1>{title}</h1>"
        f'<p class="fresh">{fresh}'
        f"{fresh_sources(reader, asked.root)}"
        f" {_refresh_control(asked)}{change}</p>"
    )
    # Without the script, a reload would interrupt someone who changes the filters of a list.
    timed = "" if asked.filters or asked.paused else _TIMED_RELOAD
    return _page(
        asked.root,
        title,
        head,
        overview + _jobs_section(asked, found, reader),
        reader.ledger,
        timed,
        live=not asked.paused,
    )


def _overview(reader: BoardReader, root: str, now: datetime) -> str:
    """Return the sections above the jobs of a list without filters."""
    submitted, links = last_days(now), PageLinks(root)
    with ThreadPoolExecutor(1) as pool:
        grid = pool.submit(read_grid, reader, tuple(reader.families), submitted, now)
        read = read_overview(reader, reader.families, submitted, now)
        runs = grid_section(grid.result(), links)
    return overview_sections(read, {}, submitted, now, links, runs=runs)


def _correction(
    reader: BoardReader, sent: Sent, root: str, wrong: Wrong, status: HTTPStatus
) -> Answer:
    """Return the form as it was sent, with what is wrong beside its fields."""
    asked = _Asked(root, _given(sent), {}, paused=True)
    body = (
        '<section class="card" aria-labelledby="jobs"><h2 id="jobs">Jobs</h2>'
        f"{filter_form(root, asked.filters, reader.families, reader.sources, paused=False, wrong=wrong)}</section>"
    )
    head = '<h1>Filtered jobs</h1><p class="fresh">Correct the marked fields to list jobs.</p>'
    page = _page(root, "Filtered jobs", head, body, reader.ledger)
    return Answer(page.body, page.content_type, status, page.headers)


def _given(sent: Sent) -> dict[str, list[str]]:
    """Return the parameters that have a value: a form sends its empty fields."""
    filled = {name: [text for text in texts if text] for name, texts in sent.items()}
    return {name: texts for name, texts in filled.items() if texts}


def _asked(sent: Sent, root: str, reader: BoardReader) -> _Asked:
    given, known = _given(sent), reader.ledger.known_sources
    parsed = parse_parameters(given, BOARD_PARAMETERS, reader.families, sources=known)
    values = {"Family": ["ALL"], **parsed}
    paused = values.pop("Refresh", "on") == "off"
    filters = {name: texts for name, texts in given.items() if name not in _NO_FILTERS}
    return _Asked(root, filters, values, paused)


def _jobs_section(asked: _Asked, found: Listing, reader: BoardReader) -> str:
    jobs = listed_jobs(found.jobs)
    controls = [_csv(asked)]
    if "NextToken" in asked.filters:
        controls.append(f'<a href="{asked.url(NextToken=[])}#jobs">First page</a>')
    if found.next_token:
        following = asked.url(NextToken=[found.next_token])
        controls.append(f'<a rel="next" class="next" href="{following}#jobs">Next page</a>')
    empty = nothing_found(found) if asked.filters else "The ledger has no jobs yet."
    css = "card filtered" if asked.filters else "card"
    return (
        f'<section class="{css}" aria-labelledby="jobs"><h2 id="jobs">Jobs'
        f" <small>{number(len(jobs))} on this page</small></h2>"
        f"{filter_form(asked.root, asked.filters, reader.families, reader.sources, paused=asked.paused)}"
        f"{jobs_table(jobs, PageLinks(asked.root), empty)}"
        f'<nav class="pages" aria-label="Pages of jobs">{"".join(controls)}</nav></section>'
    )


def job_page(
    reader: BoardReader, job_id: str, root: str, values: Mapping[str, Any] = MappingProxyType({})
) -> Answer:
    """Return the page of one job, of the source in `values`. Raises InvalidParameters, JobNotFound and LedgerUnavailable."""
    now = reader.now()
    sources = asked_sources(values, reader.ledger.known_sources)
    described = json.loads(describe(reader.ledger, value_of(JOB_ID, job_id), now, sources))
    job = described["ComprehendMedicalAsyncJobProperties"]
    head = (
        f'<p class="up"><a href="{root}board">Board</a></p><h1>{job_title(job)}</h1>'
        f'<p class="fresh">{freshness(described["AsOf"], now)}</p>'
    )
    region = reader.ledger.scope.rpartition("/")[2]
    # The title is a browser's history entry, so it has no job name.
    return _page(root, "Job", head, job_sections(described, region), reader.ledger)


def sources_page(reader: BoardReader, root: str) -> Answer | None:
    """Return the page of the sources; None when the ledger has one. Raises LedgerUnavailable."""
    if not reader.ledger.is_shared:
        return None
    now = reader.now()
    shown = source_sections(read_sources(reader, now, with_active=True), now, PageLinks(root))
    head = f'<p class="up"><a href="{root}board">Board</a></p><h1>Sources</h1>'
    return _page(root, "Sources", head, shown, reader.ledger, _TIMED_RELOAD, live=True)


def problem_page(problem: Problem, root: str) -> Answer:
    """Return a problem as a page. It quotes nothing that was sent."""
    body = (
        f'<section class="card">{problem_text(problem)}'
        f'<p><a href="{root}board">Back to the board</a></p></section>'
    )
    page = _page(root, problem.title, f"<h1>{escaped(problem.title)}</h1>", body, None)
    return Answer(page.body, page.content_type, problem.status, {**_HEADERS, **problem.headers})


def _csv(asked: _Asked) -> str:
    """Return the link to the jobs of all pages as CSV."""
    address = asked.url(NextToken=[], MaxResults=[], Format=["csv"])
    return (
        f'<span><a href="{address}" download>Download as CSV</a>'
        " <small>all that match, at most 5,000: the name of the file says when there are more</small></span>"
    )


def _refresh_control(asked: _Asked) -> str:
    if asked.paused:
        return f'The page does not reload. <a href="{asked.url(Refresh=["on"])}">Resume</a>'
    return f'The page reloads every minute. <a href="{asked.url(Refresh=["off"])}">Pause</a>'


def _page(
    root: str,
    title: str,
    head: str,
    body: str,
    ledger: Ledger | None,
    head_tags: str = "",
    *,
    live: bool = False,
) -> Answer:
    account, _, region = ledger.scope.partition("/") if ledger else ("", "", "")
    where = f"<span>{foreign(account)}</span><span>{foreign(region)}</span>" if ledger else ""
    sources = ledger and ledger.is_shared
    more = f'<a href="{root}board/sources">Sources</a>' if sources else ""
    refresh = f' data-refresh-seconds="{REFRESH_SECONDS}"' if live else ""
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)} - Job Ledger</title>"
        f'<link rel="icon" href="{root}board/icon.svg">'
        f'<link rel="stylesheet" href="{root}board/board.css">'
        f'<link rel="stylesheet" href="{root}board/page.css">{head_tags}'
        f'<script src="{root}board/board.js" defer></script></head>'
        f'<body class="board"{refresh}><a class="skip" href="#main">Skip to the content</a>'
        f'<header class="top"><a class="brand" href="{root}board">Job Ledger</a>'
        f'<nav aria-label="Job Ledger">{more}<a href="{root}docs">API</a></nav>'
        f'<p class="scope">{where}</p></header>'
        f'<main id="main">{head}{body}</main></body></html>'
    )
    return Answer(html, "text/html; charset=utf-8", headers=_HEADERS)
