"""The sections of the board that the page and the widget share."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from jobledger.api.problems import Problem
from jobledger.board.charts import (
    age_bar,
    days_chart,
    durations_axis,
    durations_plot,
    ordered,
    status_bar,
)
from jobledger.board.data import (
    ACTIVE,
    DAYS,
    TROUBLE_DAYS,
    TROUBLES,
    Counts,
    Day,
    Durations,
    ListedJob,
    Overview,
    Window,
)
from jobledger.board.links import Filters, Links
from jobledger.board.markup import (
    STATUSES,
    about,
    escaped,
    label_of,
    number,
    shortened,
    span,
    status_mark,
    time_mark,
)
from jobledger.jobs import Family
from jobledger.ledger.job_facts import duration_of
from jobledger.times import rfc3339, seconds_between

# Bytes of a name and of a message in a list: a page of 500 jobs stays below 400 KB whatever they hold.
_NAME_BYTES = 120
_MESSAGE_BYTES = 140
_LONGER_MESSAGE_BYTES = 400


def overview_sections(
    overview: Overview,
    families: Filters,
    window: Window,
    now: datetime,
    links: Links,
    *,
    charts: bool = True,
) -> str:
    """Return the overview. `families` is the family filter that its links carry."""
    counts = overview.counts
    below = _too_many() if counts is None else _charts(counts) if charts else ""
    durations = counts.durations if counts else {}
    return (
        f"{_totals(counts, families, window, links)}"
        f'<div class="pair">{_active(overview.active, durations, families, rfc3339(now), links)}'
        f"{_troubles(overview, families, window, links)}</div>{below}"
    )


def jobs_table(jobs: Iterable[ListedJob], links: Links, empty: str) -> str:
    """Return a list of jobs as a table; `empty` is what it says without jobs."""
    rows = "".join([_row(job, links) for job in jobs])
    if not rows:
        return f'<p class="empty">{empty}</p>'
    return (
        '<div class="scroll" role="region" aria-label="Jobs" tabindex="0"><table class="jobs">'
        "<thead><tr><th>Name</th><th>Status</th><th>Family</th><th>Submitted (UTC)</th>"
        f"<th class=n>Duration</th><th>Message</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def freshness(as_of: str | None, now: datetime) -> str:
    """Return how recent the ledger is."""
    if as_of is None:
        return "No complete sync with Comprehend Medical is known."
    age = span(max(seconds_between(as_of, rfc3339(now)), 0.0))
    return f"Synced with Comprehend Medical {age} ago, at {time_mark(as_of)} UTC."


def problem_text(problem: Problem) -> str:
    """Return a problem as text. It quotes nothing that was sent."""
    items = "".join(
        f"<li><code>{escaped(error['parameter'])}</code>: {escaped(error['allowed'])}</li>"
        for error in problem.errors
    )
    return f"<p>{escaped(problem.detail)}</p>{f'<ul>{items}</ul>' if items else ''}"


def _row(job: ListedJob, links: Links) -> str:
    return (
        f"<tr><td>{links.job(job.job_id, _name(job))}</td><td>{status_mark(job.status)}</td>"
        f"<td>{job.family}</td><td>{time_mark(job.submit_time)}</td>"
        f"<td class=n>{span(duration_of(job.submit_time, job.end_time))}</td>"
        f"<td>{_message(job, _MESSAGE_BYTES)}</td></tr>"
    )


def _name(job: ListedJob) -> str:
    """Return the name of a job; its id when it has none."""
    if job.name is None:
        return f"<code>{shortened(job.job_id, _NAME_BYTES)}</code>"
    return f"<bdi>{shortened(job.name, _NAME_BYTES)}</bdi>"


def _message(job: ListedJob, most_bytes: int) -> str:
    return f"<bdi>{shortened(job.message, most_bytes)}</bdi>" if job.message else ""


def _totals(counts: Counts | None, families: Filters, window: Window, links: Links) -> str:
    if counts is None:
        return ""
    bounds: Filters = {**families, **_bounds(window.after, window.before)}
    tiles = "".join(
        f"<li>{links.jobs({**bounds, 'JobStatus': [status]}, _tile(status, count), 'tile')}</li>"
        if status in STATUSES
        else f'<li><span class="tile">{_tile(status, count)}</span></li>'
        for status, count in ordered(counts.by_status)
    )
    total = sum(counts.by_status.values())
    return (
        '<section class="card" aria-labelledby="totals"><h2 id="totals">Jobs by status'
        f" <small>{number(total)} {'job' if total == 1 else 'jobs'} submitted {_since(window, DAYS)}</small></h2>"
        f'{status_bar(counts.by_status)}<ul class="tiles">{tiles}</ul></section>'
    )


def _tile(status: str, count: int) -> str:
    css = STATUSES[status][1] if status in STATUSES else "other"
    none = "" if count else " zero"
    return (
        f'<span class="count{none}">{number(count)}</span> '
        f'<span class="st {css}">{label_of(status)}</span>'
    )


def _since(window: Window, days: int) -> str:
    if window.before is None:
        return f"in the last {days} days"
    return f"from {time_mark(window.after)} to {time_mark(window.before)} UTC"


def _bounds(after: str, before: str | None) -> dict[str, list[str]]:
    """Return the filters for a range of submit times."""
    bounds = {"SubmitTimeAfter": [after]}
    return bounds | {"SubmitTimeBefore": [before]} if before else bounds


def _active(
    jobs: Iterable[ListedJob],
    durations: Mapping[Family, Durations],
    families: Filters,
    at: str,
    links: Links,
) -> str:
    rows = "".join(_active_row(job, durations.get(job.family), at, links) for job in jobs)
    table = (
        '<div class="scroll" role="region" aria-label="Active jobs" tabindex="0">'
        '<table class="active"><thead><tr><th>Name</th><th>Status</th>'
        f"<th>Age and usual duration</th></tr></thead><tbody>{rows}</tbody></table></div>"
        if rows
        else '<p class="empty">No job is active.</p>'
    )
    every: Filters = {**families, "JobStatus": list(ACTIVE)}
    return (
        '<section class="card" aria-labelledby="active"><h2 id="active">Active now</h2>'
        f'{table}<p class="more">{links.jobs(every, "List active jobs")}</p></section>'
    )


def _active_row(job: ListedJob, durations: Durations | None, at: str, links: Links) -> str:
    age = duration_of(job.submit_time, at)
    usual = (
        f"usually {about(durations.p50)}, p95 {about(durations.p95)}"
        if durations and durations.total
        else "no finished job to compare with"
    )
    long = age is not None and durations is not None and durations.is_long(age)
    flag = '<strong class="st fail">Running long</strong> ' if long else ""
    bar = age_bar(age, durations) if age is not None else ""
    return (
        f"<tr><td>{links.job(job.job_id, _name(job))}<small>{job.family}</small></td>"
        f"<td>{status_mark(job.status)}</td><td>{flag}<span class=age>{span(age)}</span>"
        f"{bar}<small>{usual}</small></td></tr>"
    )


def _troubles(overview: Overview, families: Filters, window: Window, links: Links) -> str:
    items = "".join(
        f"<li>{status_mark(job.status)} {links.job(job.job_id, _name(job))}"
        f"<small>{job.family}, submitted {time_mark(job.submit_time)} UTC</small>"
        f"<p>{_message(job, _LONGER_MESSAGE_BYTES) or 'The service gives no message.'}</p></li>"
        for job in overview.troubles
    )
    found = f'<ul class="troubles">{items}</ul>' if items else '<p class="empty">None.</p>'
    every: Filters = {
        **families,
        **_bounds(window.troubles_after, window.before),
        "JobStatus": list(TROUBLES),
    }
    more = "List all of them" if overview.more_troubles else "List them"
    return (
        '<section class="card" aria-labelledby="troubles"><h2 id="troubles">Failed or partly'
        f" successful <small>submitted {_since(window, TROUBLE_DAYS)}</small></h2>"
        f'{found}<p class="more">{links.jobs(every, more) if items else ""}</p></section>'
    )


def _too_many() -> str:
    return (
        '<section class="card" aria-labelledby="counts"><h2 id="counts">Counts</h2><p>There are too many'
        " jobs in this time range to count them on a page. <code>GET /summary</code> counts a shorter"
        " range.</p></section>"
    )


def _charts(counts: Counts) -> str:
    return (
        '<section class="card" aria-labelledby="days"><h2 id="days">Jobs a day'
        f" <small>by day of submission, UTC</small></h2>{days_chart(counts.days)}"
        f"{_legend(counts)}<details><summary>Jobs a day as a table</summary>"
        f"{_days_table(counts.days)}</details></section>"
        '<section class="card" aria-labelledby="durations"><h2 id="durations">Durations'
        " <small>from submission to end of finished jobs, logarithmic</small></h2>"
        f"{_durations_table(counts.durations)}</section>"
    )


def _legend(counts: Counts) -> str:
    items = "".join(
        f"<li>{status_mark(status)}</li>" for status, count in ordered(counts.by_status) if count
    )
    return f'<ul class="legend" aria-hidden="true">{items}</ul>'


def _days_table(days: Iterable[Day]) -> str:
    days = tuple(days)
    statuses = [
        status
        for status, _ in ordered(days[-1].statuses if days else {})
        if any(day.statuses.get(status) for day in days)
    ]
    heads = "".join(f"<th class=n>{label_of(status)}</th>" for status in statuses)
    rows = "".join(
        f"<tr><th scope=row>{day.date}</th><td class=n>{number(sum(day.statuses.values()))}</td>"
        + "".join(f"<td class=n>{number(day.statuses.get(s, 0))}</td>" for s in statuses)
        + "</tr>"
        for day in days
    )
    return (
        '<div class="scroll" role="region" aria-label="Jobs a day" tabindex="0"><table>'
        f"<thead><tr><th>Day</th><th class=n>Jobs</th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _durations_table(durations: Mapping[Family, Durations]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{family}</th><td>{durations_plot(found, family) if found.total else ''}</td>"
        f"<td class=n>{span(found.p50)}</td><td class=n>{span(found.p95)}</td>"
        f"<td class=n>{span(found.longest)}</td><td class=n>{number(found.total)}</td></tr>"
        for family, found in durations.items()
    )
    axis = durations_axis(next(iter(durations.values())))
    return (
        '<div class="scroll" role="region" aria-label="Durations" tabindex="0"><table class="durations">'
        "<thead><tr><th>Family</th><th>Distribution</th><th class=n>Half within</th>"
        "<th class=n>95% within</th><th class=n>Longest</th><th class=n>Jobs</th></tr></thead>"
        f"<tbody>{rows}<tr class=axis><td></td><td>{axis}</td><td colspan=4></td></tr></tbody></table></div>"
    )
