"""Jobs as a table: whole values with tabs between them in a pipe, the columns that fit on a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from job_ledger.command.output import (
    COLOURS,
    NO_VALUE,
    duration_text,
    printable,
    seconds_of,
    source_text,
    time_text,
)
from job_ledger.types import Job

if TYPE_CHECKING:
    from rich.text import Text

COLUMNS = ("NAME", "STATUS", "TOOK", "SUBMITTED", "FAMILY", "ID", "MESSAGE")
# The jobs of a ledger with several sources have this one as well: last in a pipe, beside the family on a terminal.
SOURCE = "SOURCE"
# What a terminal shows beside names: the first layout that leaves this many columns for the names.
_LAYOUTS: tuple[tuple[int, dict[str, int]], ...] = (
    (24, {"STATUS": 15, "TOOK": 7, "SUBMITTED": 19, "FAMILY": 11, "ID": 0, "MESSAGE": 12}),
    (24, {"STATUS": 15, "TOOK": 7, "SUBMITTED": 19, "FAMILY": 11, "ID": 0}),
    (24, {"STATUS": 15, "TOOK": 7, "FAMILY": 11, "ID": 0}),
    (8, {"STATUS": 15, "FAMILY": 11, "ID": 0}),
    (0, {"STATUS": 15, "ID": 0}),
)
_GAP = 2
_LEAST_NAME = 4
_LEAST_ID = 8


def tab_separated(jobs: Iterable[Job], now: datetime, *, heading: bool) -> Iterator[str]:
    """Yield a line for each job with its whole values."""
    for job in jobs:
        cells = _cells(job, now) | {"SUBMITTED": printable(job.get("SubmitTime") or NO_VALUE)}
        if not cells[SOURCE]:
            del cells[SOURCE]
        if heading:
            yield "\t".join(cells)
            heading = False
        yield "\t".join(cells.values())


class JobTable:
    """A table for a terminal. The first jobs determine its columns."""

    def __init__(self, width: int) -> None:
        """Take the terminal's width."""
        self._width = width
        self._columns: dict[str, int] = {}

    def lines(self, jobs: Sequence[Job], now: datetime, *, heading: bool) -> list["Text"]:
        """Return a line for each job, at most as wide as the terminal."""
        from rich.cells import cell_len

        rows = [_cells(job, now) for job in jobs]
        length = unique_length([row["ID"] for row in rows])
        for row in rows:
            row["ID"] = row["ID"][:length]
        if not self._columns:
            longest = max([len("NAME"), *(cell_len(row["NAME"]) for row in rows)])
            messages = any(row["MESSAGE"] for row in rows)
            source = max((cell_len(row[SOURCE]) for row in rows), default=0)
            self._columns = _fitted(self._width, longest, length, source, messages=messages)
        lines = [self._line(row) for row in rows]
        if heading:
            lines.insert(0, self._line({name: name for name in (*COLUMNS, SOURCE)}))
            lines[0].stylize("bold")
        return lines

    def _line(self, row: dict[str, str]) -> "Text":
        from rich.text import Text

        line = Text()
        for name, width in self._columns.items():
            style = COLOURS.get(row[name], "") if name == "STATUS" else ""
            cell = Text(row[name], style or ("dim" if name == "MESSAGE" else ""))
            cell.truncate(width, overflow="crop" if name == "ID" else "ellipsis", pad=True)
            line.append_text(cell).append(" " * _GAP)
        line.rstrip()
        return line


def _cells(job: Job, now: datetime) -> dict[str, str]:
    texts = {
        "NAME": job.get("JobName", NO_VALUE),
        "STATUS": job.get("JobStatus", NO_VALUE),
        "TOOK": duration_text(seconds_of(job, now)),
        "SUBMITTED": time_text(job.get("SubmitTime")),
        "FAMILY": job.get("Family", NO_VALUE),
        "ID": job.get("JobId", NO_VALUE),
        "MESSAGE": job.get("Message", ""),
        SOURCE: source_text(job),
    }
    return {name: printable(text) for name, text in texts.items()}


def _with_source(layout: dict[str, int], width: int) -> dict[str, int]:
    """Return a layout with the column of sources, if there are any, before the ids."""
    if not width or "FAMILY" not in layout:
        return layout
    names = [*layout]
    names.insert(names.index("ID"), SOURCE)
    return {name: layout.get(name, width) for name in names}


def unique_length(ids: Sequence[str]) -> int:
    """Return how many characters tell each id from the others, at least as many as a person reads."""
    length = _LEAST_ID
    while len({job_id[:length] for job_id in ids}) < len(set(ids)):
        length += 1
    return length


def _fitted(
    width: int, longest: int, id_length: int, source: int, *, messages: bool
) -> dict[str, int]:
    """Return the widths of the columns that fit on a terminal, names and statuses first."""
    for enough, layout in _LAYOUTS if messages else _LAYOUTS[1:]:
        columns = _with_source(layout | {"ID": id_length}, source)
        left = width - sum(columns.values()) - _GAP * len(columns)
        if left >= min(longest, enough):
            break
    if "MESSAGE" not in columns:
        return {"NAME": max(_LEAST_NAME, min(longest, left)), **columns}
    # Names and messages share what is left.
    both = left + columns["MESSAGE"]
    name = min(longest, max(enough, both // 2))
    return {"NAME": name, **columns, "MESSAGE": both - name}
