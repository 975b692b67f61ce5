"""The board's charts as inline SVG with presentation attributes: no inline styles, no script.

Positions are percentages without a view box, so that a chart fills any width and its text keeps its size.
Each chart is an image with a text alternative; the tables beside it carry the numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise

from jobledger.board.counting import Day, FamilyDurations
from jobledger.board.markup import STATUSES, escaped, label_of, number, span

_HEIGHT = 160
# The least share of a status bar, so that one failure among thousands is visible.
_LEAST_PERCENT = 0.6
_TOPS = (2, 4, 6, 8, 10, 12, 16, 20, 30, 40, 50, 60, 80, 100)
_TICKS = ((60, "1 min"), (600, "10 min"), (3_600, "1 h"), (6 * 3_600, "6 h"))


def status_bar(by_status: Mapping[str, int]) -> str:
    """Return counts by status as one bar."""
    shown = [(status, count) for status, count in ordered(by_status) if count]
    total = sum(count for _, count in shown)
    said = ", ".join(f"{number(count)} {label_of(status)}" for status, count in shown)
    weights = [max(100 * count / total, _LEAST_PERCENT) for _, count in shown]
    scale, left, bars = 100 / (sum(weights) or 1), 0.0, []
    for (status, count), weight in zip(shown, weights, strict=True):
        width = weight * scale
        bars.append(
            f'<rect class="{_css(status)}" x="{left:.2f}%" width="{width:.2f}%" height="100%">'
            f"<title>{label_of(status)}: {number(count)}</title></rect>"
        )
        left += width
    return f'<svg class="bar" role="img" aria-label="{said or "No jobs"}">{"".join(bars)}</svg>'


def days_chart(days: Sequence[Day]) -> str:
    """Return jobs a day, stacked by status."""
    totals = [sum(day.statuses.values()) for day in days]
    top = _round_up(max(totals, default=0))
    step = 100 / max(len(days), 1)
    columns = "".join(
        _column(day, total, top, index * step, step)
        for index, (day, total) in enumerate(zip(days, totals, strict=True))
        if total
    )
    lines = "".join(
        f'<line x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        f'<text x="-8" y="{y + 4}" text-anchor="end">{number(value)}</text>'
        for value, y in ((top, 16), (top // 2, 16 + (_HEIGHT - 16) // 2))
        if value
    )
    labels = "".join(
        f'<text x="{(index + 0.5) * step:.2f}%" y="{_HEIGHT + 18}" text-anchor="middle">'
        f"{_short_date(days[index].date)}</text>"
        for index in _label_places(len(days))
    )
    said = (
        f"Jobs submitted a day from {days[0].date} to {days[-1].date}: {number(sum(totals))} in all, "
        f"at most {number(max(totals))} on a day. The table below has the numbers."
    )
    return (
        f'<svg class="days" role="img" aria-label="{said}"><g class="grid">{lines}</g>{columns}'
        f'<line class="base" x1="0" x2="100%" y1="{_HEIGHT}" y2="{_HEIGHT}"/>{labels}</svg>'
    )


def durations_plot(durations: FamilyDurations, name: str) -> str:
    """Return the distribution of a family's durations, on a logarithmic scale."""
    highest = max((count for _, count in durations.bins), default=0) or 1
    step = 100 / len(durations.bins)
    bars = "".join(
        f'<rect x="{index * step + 0.2:.2f}%" width="{step - 0.4:.2f}%" y="{28 - height}" '
        f'height="{height}"><title>from {span(low)}: {number(count)}</title></rect>'
        for index, (low, count) in enumerate(durations.bins)
        if count
        for height in [max(round(28 * count / highest), 2)]
    )
    said = (
        f"{escaped(name)}: half of {number(durations.total)} jobs took at most {span(durations.p50)}, "
        f"95 percent at most {span(durations.p95)}"
    )
    ticks = "".join(f'<line x1="{x}%" x2="{x}%" y1="0" y2="28"/>' for x, _ in _ticks(durations))
    return (
        f'<svg class="plot" role="img" aria-label="{said}"><g class="grid">{ticks}</g>{bars}'
        '<line class="base" x1="0" x2="100%" y1="28" y2="28"/></svg>'
    )


def durations_axis(durations: FamilyDurations) -> str:
    """Return the labels of the plots' scale."""
    labels = "".join(
        f'<text x="{x}%" y="12" text-anchor="middle">{label}</text>'
        for x, label in _ticks(durations)
    )
    return f'<svg class="axis" aria-hidden="true">{labels}</svg>'


def age_bar(age: float, usual: float | None, *, long: bool) -> str:
    """Return a job's age as a bar. At its full width, 95 of 100 jobs of the family have ended."""
    if not usual:
        return ""
    css = "fail" if long else "ok"
    share = min(100 * age / usual, 100)
    return (
        '<svg class="age" aria-hidden="true"><rect class="rest" width="100%" height="100%"/>'
        f'<rect class="{css}" width="{share:.1f}%" height="100%"/></svg>'
    )


def ordered(by_status: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    """Return counts in the board's order; statuses outside the service's model come last."""
    known = [(status, by_status.get(status, 0)) for status in STATUSES]
    return known + [item for item in by_status.items() if item[0] not in STATUSES]


def _column(day: Day, total: int, top: int, left: float, step: float) -> str:
    parts = [(status, count) for status, count in ordered(day.statuses) if count]
    room, sums = _HEIGHT - 16, [0]
    for _, count in parts:
        sums.append(sums[-1] + count)
    edges = [_HEIGHT - room * value / (top or 1) for value in sums]
    rects = "".join(
        f'<rect class="{_css(status)}" x="{left + step * 0.12:.2f}%" width="{step * 0.76:.2f}%" '
        f'y="{high:.1f}" height="{max(low - high, 0.5):.1f}"/>'
        for (status, _), (low, high) in zip(parts, pairwise(edges), strict=True)
    )
    said = ", ".join(f"{label_of(status)} {number(count)}" for status, count in parts)
    return f"<g><title>{day.date}: {number(total)} jobs. {said}</title>{rects}</g>"


def _css(status: str) -> str:
    return STATUSES[status][1] if status in STATUSES else "other"


def _round_up(value: int) -> int:
    """Return the top of a scale for a value: round, and with a whole half."""
    size: int = 10 ** max(len(str(value)) - 2, 0)
    return next(step * size for step in _TOPS if step * size >= value)


def _label_places(count: int) -> list[int]:
    """Return the columns that have a date below them: each, or with many days one a week."""
    return list(range(count)) if count <= 7 else list(range(count - 2, 0, -7))


def _short_date(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {day:%b}"


def _ticks(durations: FamilyDurations) -> list[tuple[float, str]]:
    """Return the places of round durations on the scale, in percent."""
    lows = [low for low, _ in durations.bins]
    found = []
    for seconds, label in _TICKS:
        index = sum(low <= seconds for low in lows) - 1
        low, high = lows[index], lows[index] * 2**0.5
        share = (seconds - low) / (high - low)
        found.append((round(100 * (index + share) / len(lows), 1), label))
    return found
