"""The runs of each job name that repeats: a row a name, a square a run of the last 30 days.

Built from the newest jobs, in bounded numbers; the section says how far back they reach.
"""

from collections import defaultdict
from datetime import datetime

import msgspec

from jobledger.board.data import DAYS, BoardReader, ListedJob, SubmitTimes, listed_jobs
from jobledger.board.links import PageLinks, source_filters
from jobledger.board.markup import STATUSES, escaped, label_of, number, shortened, span, time_mark
from jobledger.ledger.job_facts import duration_of
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.pages import read_page
from jobledger.service import Family
from jobledger.times import rfc3339

_MOST_JOBS = 1_000
_MOST_NAMES = 20
_MOST_RUNS = 40
_NAME_BYTES = 120


class Runs(msgspec.Struct, frozen=True):
    """The runs of one name in one family and source, oldest first; `total` counts them all."""

    name: str
    family: Family
    source: str | None
    total: int
    newest: tuple[ListedJob, ...]


class Grid(msgspec.Struct, frozen=True):
    """The names that repeat, most recently submitted first; `names` counts them all.

    `since` is the submit time of the oldest job that was read, when older ones were not.
    """

    rows: tuple[Runs, ...]
    names: int
    since: str | None


def read_grid(
    reader: BoardReader, families: tuple[Family, ...], submitted: SubmitTimes, now: datetime
) -> Grid:
    """Return the runs by name among the newest jobs of these submit times. Raises LedgerUnavailable."""
    query = JobQuery(families, after=submitted.after, before=submitted.before)
    page = read_page(reader.ledger, query, _MOST_JOBS, None, rfc3339(now))
    runs: dict[tuple[str, Family, str | None], list[ListedJob]] = defaultdict(list)
    jobs = listed_jobs(page.jobs)
    for job in jobs:
        if job.name is not None:
            runs[job.name, job.family, job.source].append(job)
    repeated = [
        Runs(*of, len(found), tuple(found[:_MOST_RUNS][::-1]))
        for of, found in runs.items()
        if len(found) > 1
    ]
    since = jobs[-1].submit_time if page.position and jobs else None
    return Grid(tuple(repeated[:_MOST_NAMES]), len(repeated), since)


def grid_section(grid: Grid, links: PageLinks) -> str:
    """Return the section; nothing when no name repeats."""
    if not grid.rows:
        return ""
    rows = "".join(_row(runs, links) for runs in grid.rows)
    return (
        '<section class="card" aria-labelledby="runs"><h2 id="runs">Runs by name'
        f" <small>{_coverage(grid)}</small></h2>"
        '<div class="scroll" role="region" aria-label="Runs by name" tabindex="0"><table class="runs">'
        '<thead><tr><th scope="col">Name</th><th scope="col">Runs, newest last</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _coverage(grid: Grid) -> str:
    said = [f"names that repeat in the last {DAYS} days"]
    if grid.since:
        jobs = f"the newest {number(_MOST_JOBS)} jobs, since {time_mark(grid.since)}"
        said = [f'names that repeat among {jobs} <span class="zone">UTC</span>']
    if grid.names > len(grid.rows):
        said.append(f"{number(len(grid.rows))} of {number(grid.names)} names")
    return "; ".join(said)


def _row(runs: Runs, links: PageLinks) -> str:
    filters = {"JobName": [runs.name], "Family": [runs.family.value]} | source_filters(runs.source)
    source = f", {escaped(runs.source)}" if runs.source else ""
    name = links.jobs(filters, f"<bdi>{shortened(runs.name, _NAME_BYTES)}</bdi>")
    shown = len(runs.newest)
    total = "" if shown == runs.total else f", the newest {shown} shown"
    squares = "".join(_square(job, links) for job in runs.newest)
    return (
        f'<tr><th scope="row">{name}<small>{runs.family}{source}, {number(runs.total)} runs{total}</small></th>'
        f"<td><div>{squares}</div></td></tr>"
    )


def _square(job: ListedJob, links: PageLinks) -> str:
    """Return a run as a square. The keyboard reaches the list of the name instead of each square."""
    status = job.status or ""
    label = label_of(status) if status else "Unknown"
    took = duration_of(job.submit_time, job.end_time)
    when = (job.submit_time or "")[:16].replace("T", " ")
    title = f"{when} UTC: {label}{'' if took is None else f', {span(took)}'}"
    css = STATUSES[status][1] if status in STATUSES else "other"
    return (
        f'<a class="square {css}" href="{links.job_address(job.job_id, job.source)}" title="{title}"'
        ' tabindex="-1"></a>'
    )
