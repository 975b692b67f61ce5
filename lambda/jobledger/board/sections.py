"""The sections of the board that the page and the widget share."""

from collections.abc import Iterable
from datetime import datetime

from jobledger.api.listing import Listing
from jobledger.api.problems import Problem
from jobledger.board.chart_sections import chart_sections
from jobledger.board.charts import age_bar, ordered, status_bar
from jobledger.board.counting import Counts
from jobledger.board.data import (
    DAYS,
    TROUBLE_DAYS,
    Active,
    ListedJob,
    Overview,
    SubmitTimes,
    Troubles,
)
from jobledger.board.links import Filters, Links
from jobledger.board.markup import (
    STATUSES,
    UTC,
    about,
    escaped,
    label_of,
    number,
    shortened,
    span,
    status_mark,
    time_mark,
)
from jobledger.ledger.job_facts import duration_of
from jobledger.service import JobStatus
from jobledger.times import rfc3339, seconds_between
from jobledger.totals.read import Usual
from jobledger.totals.rules import runs_long

# Bytes of a name and of a message in a list: a page of 500 jobs stays below 400 KB whatever they hold.
_NAME_BYTES = 120
_MESSAGE_BYTES = 140
_LONGER_MESSAGE_BYTES = 400


def overview_sections(
    overview: Overview,
    families: Filters,
    submitted: SubmitTimes,
    now: datetime,
    links: Links,
    *,
    charts: bool = True,
    runs: str = "",
) -> str:
    """Return the overview. `families` is the family filter that its links carry, `runs` the section of runs."""
    counts = overview.counts
    below = _too_many() if counts is None else chart_sections(counts) if charts else ""
    troubles = "".join(
        _troubles(status, found, families, submitted, links)
        for status, found in overview.troubles.items()
    )
    return (
        f"{_totals(counts, families, submitted, links)}"
        f'<div class="pair">{_active(overview.active, families, rfc3339(now), links)}'
        f"<div>{troubles}</div></div>{runs}{below}"
    )


def jobs_table(jobs: Iterable[ListedJob], links: Links, empty: str) -> str:
    """Return a list of jobs as a table; `empty` is the text when there are none."""
    listed = tuple(jobs)
    # Each job of a ledger with several sources has its own.
    sources = any(job.source for job in listed)
    rows = "".join([_row(job, links, sources=sources) for job in listed])
    if not rows:
        return f'<p class="empty">{empty}</p>'
    source = '<th scope="col">Source</th>' if sources else ""
    return (
        '<div class="scroll" role="region" aria-label="Jobs" tabindex="0"><table class="jobs">'
        '<thead><tr><th scope="col">Name</th><th scope="col">Status</th><th scope="col">Family</th>'
        f'{source}<th scope="col">Submitted ({UTC})</th><th scope="col" class="n">Duration</th>'
        f'<th scope="col">Message</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def nothing_found(found: Listing) -> str:
    """Return the text of a filtered list that has no job."""
    if found.examined is None:
        return "No job matches."
    return (
        f"None of the {number(found.examined)} jobs that were searched for this page matches."
        " Continue with the next page."
    )


def freshness(
    as_of: str | None, now: datetime, *, shared: bool = False, chosen: bool = False
) -> str:
    """Return how recent the ledger is; when several sources share it, the one that was synced longest ago.

    `chosen`: of the sources that the reader has chosen.
    """
    if as_of is None:
        none = "Not every source has been synced with Comprehend Medical yet."
        return none if shared else "No complete sync with Comprehend Medical is known."
    age = span(max(seconds_between(as_of, rfc3339(now)), 0.0))
    sources = "Each of the chosen sources" if chosen else "Each source"
    synced = f"{sources} was synced" if shared else "Synced"
    at = ", or later" if shared else ""
    return f"{synced} with Comprehend Medical {age} ago, at {time_mark(as_of)} {UTC}{at}."


def problem_text(problem: Problem) -> str:
    """Return a problem as text. It quotes nothing that was sent."""
    items = "".join(
        f"<li><code>{escaped(error['parameter'])}</code>: {escaped(error['allowed'])}</li>"
        for error in problem.errors
    )
    return f"<p>{escaped(problem.detail)}</p>{f'<ul>{items}</ul>' if items else ''}"


def _row(job: ListedJob, links: Links, *, sources: bool) -> str:
    source = f"<td>{_source(job)}</td>" if sources else ""
    return (
        f"<tr><td>{_link(job, links)}</td><td>{status_mark(job.status)}</td>"
        f"<td>{job.family}</td>{source}<td>{time_mark(job.submit_time)}</td>"
        f'<td class="n">{span(duration_of(job.submit_time, job.end_time))}</td>'
        f"<td>{_message(job, _MESSAGE_BYTES)}</td></tr>"
    )


def _link(job: ListedJob, links: Links) -> str:
    return links.job(job.job_id, _name(job), job.source)


def _where(job: ListedJob) -> str:
    """Return the family of a job, and its source, if it shows one."""
    return f"{job.family}, {_source(job)}" if job.source else job.family


def _source(job: ListedJob) -> str:
    """Return the source of a job, and whether the ledger no longer has it; nothing when the job shows none."""
    return f"{escaped(job.source or '')}{' (removed)' if job.removed else ''}"


def _name(job: ListedJob) -> str:
    """Return the name of a job; its id when it has none."""
    if job.name is None:
        return f"<code>{shortened(job.job_id, _NAME_BYTES)}</code>"
    return f"<bdi>{shortened(job.name, _NAME_BYTES)}</bdi>"


def _message(job: ListedJob, most_bytes: int) -> str:
    texts = (text for text in (job.output, job.message) if text)
    return "<br>".join(f"<bdi>{shortened(text, most_bytes)}</bdi>" for text in texts)


def _totals(counts: Counts | None, families: Filters, submitted: SubmitTimes, links: Links) -> str:
    if counts is None:
        return ""
    bounds: Filters = {**families, **_bounds(submitted.after, submitted.before)}
    tiles = "".join(
        f"<li>{links.jobs({**bounds, 'JobStatus': [status]}, _tile(status, count), 'tile')}</li>"
        if status in STATUSES
        else f'<li><span class="tile">{_tile(status, count)}</span></li>'
        for status, count in ordered(counts.by_status)
    )
    total = sum(counts.by_status.values())
    return (
        '<section class="card" aria-labelledby="totals"><h2 id="totals">Jobs by status'
        f" <small>{number(total)} {'job' if total == 1 else 'jobs'} submitted {_since(submitted, DAYS)}</small></h2>"
        f'{status_bar(counts.by_status)}<ul class="tiles">{tiles}</ul></section>'
    )


def _tile(status: str, count: int) -> str:
    css = STATUSES[status][1] if status in STATUSES else "other"
    none = "" if count else " zero"
    return (
        f'<span class="count{none}">{number(count)}</span> '
        f'<span class="st {css}">{label_of(status)}</span>'
    )


def _since(submitted: SubmitTimes, days: int) -> str:
    if submitted.before is None:
        return f"in the last {days} days"
    return f"from {time_mark(submitted.after)} to {time_mark(submitted.before)} {UTC}"


def _bounds(after: str, before: str | None) -> dict[str, list[str]]:
    """Return the filters for a range of submit times."""
    bounds = {"SubmitTimeAfter": [after]}
    return bounds | {"SubmitTimeBefore": [before]} if before else bounds


def _active(active: Active, families: Filters, at: str, links: Links) -> str:
    rows = "".join(_active_row(job, active.usual.get(job.family), at, links) for job in active.jobs)
    table = (
        '<div class="scroll" role="region" aria-label="Active jobs" tabindex="0">'
        '<table class="active"><thead><tr><th scope="col">Name</th><th scope="col">Status</th>'
        f'<th scope="col">Age and usual duration</th></tr></thead><tbody>{rows}</tbody></table></div>'
        if rows
        else '<p class="empty">No job is active.</p>'
    )
    every: Filters = {**families, "Active": ["true"]}
    shown = len(active.jobs)
    count = f" <small>the oldest {shown} of {number(active.total)}</small>"
    return (
        '<section class="card" aria-labelledby="active"><h2 id="active">Active now'
        f"{count if active.total > shown else ''}</h2>"
        f'{table}<p class="more">{links.jobs(every, "List active jobs")}</p></section>'
    )


def _active_row(job: ListedJob, usual: Usual | None, at: str, links: Links) -> str:
    age = duration_of(job.submit_time, at)
    compared = (
        f"usually {about(usual.p50)}, p95 {about(usual.p95)}"
        if usual and usual.p95 is not None
        else "no finished job to compare with"
    )
    long = age is not None and usual is not None and runs_long(age, usual.p95)
    flag = '<strong class="st fail">Running long</strong> ' if long else ""
    bar = age_bar(age, usual.p95, long=long) if age is not None and usual else ""
    return (
        f"<tr><td>{_link(job, links)}<small>{_where(job)}</small></td>"
        f'<td>{status_mark(job.status)}</td><td>{flag}<span class="age">{span(age)}</span>'
        f"{bar}<small>{compared}</small></td></tr>"
    )


def _troubles(
    status: JobStatus, troubles: Troubles, families: Filters, submitted: SubmitTimes, links: Links
) -> str:
    items = "".join(
        f"<li>{_link(job, links)}"
        f"<small>{_where(job)}, submitted {time_mark(job.submit_time)} {UTC}</small>"
        f"<p>{_message(job, _LONGER_MESSAGE_BYTES) or 'The service gives no message.'}</p></li>"
        for job in troubles.jobs
    )
    found = f'<ul class="troubles">{items}</ul>' if items else '<p class="empty">None.</p>'
    every: Filters = {
        **families,
        **_bounds(submitted.troubles_after, submitted.before),
        "JobStatus": [status.value],
    }
    more = "List all of them" if troubles.more else "List them"
    css = STATUSES[status][1]
    return (
        f'<section class="card" aria-labelledby="{css}"><h2 id="{css}">{status_mark(status)}'
        f" <small>submitted {_since(submitted, TROUBLE_DAYS)}</small></h2>"
        f'{found}<p class="more">{links.jobs(every, more) if items else ""}</p></section>'
    )


def _too_many() -> str:
    return (
        '<section class="card" aria-labelledby="counts"><h2 id="counts">Counts</h2><p>There are too many'
        " jobs in this time range to count them on a page. <code>GET /summary</code> counts a shorter"
        " range.</p></section>"
    )
