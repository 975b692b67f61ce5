"""What the subcommands print: columns, times, colours. Pipes get plain text."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from job_ledger.types import Job

COLOURS = {
    "SUBMITTED": "cyan",
    "IN_PROGRESS": "cyan",
    "STOP_REQUESTED": "yellow",
    "COMPLETED": "green",
    "PARTIAL_SUCCESS": "yellow",
    "FAILED": "bold red",
    "STOPPED": "magenta",
}
_STATUS_WIDTH = max(map(len, COLOURS))
_NO_VALUE = "-"


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """Return a console that does not restyle what it prints. Colours are for terminals."""
    return Console(
        file=file, stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True
    )


def printable(text: str) -> str:
    """Return text of a job as one line that cannot control the terminal."""
    return "".join(c if _is_shown(c) else c.encode("unicode-escape").decode() for c in text)


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def print_json(value: Any) -> None:
    """Print a value as indented JSON, in UTF-8 whatever the terminal's encoding."""
    # The backslash form of a lone surrogate, which UTF-8 cannot carry, is JSON's as well.
    text = json.dumps(value, indent=2, ensure_ascii=False).encode(errors="backslashreplace")
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def time_text(time: str | None) -> str:
    """Return a time of the API to the second: 2026-11-24 08:00:00."""
    return time[:19].replace("T", " ") if time else _NO_VALUE


def duration_text(seconds: float | None) -> str:
    """Return seconds as the two largest units: 2h 05m."""
    if seconds is None:
        return _NO_VALUE
    whole = int(seconds)
    for unit, size, below, part in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part:02}{below}"
    return f"{whole}s"


def seconds_of(job: Job, now: datetime) -> float | None:
    """Return how long a job took, or has been running."""
    if "SubmitTime" not in job:
        return None
    start = datetime.fromisoformat(job["SubmitTime"])
    end = datetime.fromisoformat(job["EndTime"]) if job.get("EndTime") else now
    return max(0.0, (end - start).total_seconds())


def job_lines(jobs: Iterable[Job], now: datetime, *, families: bool, heading: bool) -> list[Text]:
    """Return a line for each job; names and messages, of any width, are last."""
    listed = list(jobs)
    names = [printable(job.get("JobName", _NO_VALUE)) for job in listed]
    width = max([4, *map(cell_len, names)])
    lines = []
    if heading:
        messages = any("Message" in job for job in listed)
        lines.append(
            _line("SUBMITTED (UTC)", "STATUS", "TOOK", "FAMILY" if families else None, "JOB ID")
            .append("NAME".ljust(width + 2) if messages else "NAME")
            .append("MESSAGE" if messages else "")
        )
        lines[0].stylize("bold")
    for job, name in zip(listed, names, strict=True):
        took = duration_text(seconds_of(job, now))
        status = printable(job.get("JobStatus", _NO_VALUE))
        family = job["Family"] if families else None
        job_id = printable(job.get("JobId", _NO_VALUE))
        line = _line(time_text(job.get("SubmitTime")), status, took, family, job_id)
        message = printable(job.get("Message", ""))
        lines.append(line.append(name))
        if message:
            line.append(" " * (width - cell_len(name) + 2)).append(message, "dim")
    return lines


def _line(submitted: str, status: str, took: str, family: str | None, job_id: str) -> Text:
    line = Text(f"{submitted:19}  ").append(f"{status:{_STATUS_WIDTH}}", COLOURS.get(status, ""))
    line.append(f"  {took:>7}  ")
    if family is not None:
        line.append(f"{family:11}  ")
    return line.append(f"{job_id:32}  ")


def properties(job: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a job's properties as names and text, nested ones as S3 addresses."""
    rows = []
    for name, value in job.items():
        if isinstance(value, Mapping) and "S3Bucket" in value:
            text = f"s3://{value['S3Bucket']}/{value.get('S3Key', '')}"
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append((name, printable(text)))
    return rows
