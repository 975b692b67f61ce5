"""The overview's charts with their tables, which carry the same numbers."""

from collections.abc import Iterable, Mapping

from jobledger.board.charts import days_chart, durations_axis, durations_plot, ordered
from jobledger.board.counting import Counts, Day, FamilyDurations
from jobledger.board.markup import label_of, number, span, status_mark
from jobledger.service import Family


def chart_sections(counts: Counts) -> str:
    """Return the sections of jobs a day and of durations."""
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
    heads = "".join(f"<th scope=col class=n>{label_of(status)}</th>" for status in statuses)
    rows = "".join(
        f"<tr><th scope=row>{day.date}</th><td class=n>{number(sum(day.statuses.values()))}</td>"
        + "".join(f"<td class=n>{number(day.statuses.get(s, 0))}</td>" for s in statuses)
        + "</tr>"
        for day in days
    )
    return (
        '<div class="scroll" role="region" aria-label="Jobs a day" tabindex="0"><table>'
        f"<thead><tr><th scope=col>Day</th><th scope=col class=n>Jobs</th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _durations_table(durations: Mapping[Family, FamilyDurations]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{family}</th><td>{durations_plot(found, family) if found.total else ''}</td>"
        f"<td class=n>{span(found.p50)}</td><td class=n>{span(found.p95)}</td>"
        f"<td class=n>{span(found.longest)}</td><td class=n>{number(found.total)}</td></tr>"
        for family, found in durations.items()
    )
    axis = durations_axis(next(iter(durations.values())))
    return (
        '<div class="scroll" role="region" aria-label="Durations" tabindex="0"><table class="durations">'
        "<thead><tr><th scope=col>Family</th><th scope=col>Distribution</th><th scope=col class=n>Half within</th>"
        "<th scope=col class=n>95% within</th><th scope=col class=n>Longest</th><th scope=col class=n>Jobs</th></tr></thead>"
        f"<tbody>{rows}<tr class=axis><td></td><td>{axis}</td><td colspan=4></td></tr></tbody></table></div>"
    )
