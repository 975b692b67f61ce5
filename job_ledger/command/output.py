"""What the subcommands print: times, colours, properties. Colours are for terminals."""

import json
import os
import sys
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from job_ledger.types import Job

if TYPE_CHECKING:  # importing it would slow down a shell's completion
    from rich.console import Console

COLOURS = {
    "SUBMITTED": "cyan",
    "IN_PROGRESS": "cyan",
    "STOP_REQUESTED": "yellow",
    "COMPLETED": "green",
    "PARTIAL_SUCCESS": "yellow",
    "FAILED": "bold red",
    "STOPPED": "magenta",
}
NO_VALUE = "-"
# Syncs are a minute apart, unless a deployment has chosen otherwise, and a sync that fails is no longer recent.
_OLD = timedelta(minutes=2)
_NO_COLOUR = ("0", "false")


def console(file: IO[str] | None = None, *, stderr: bool = False) -> "Console":
    """Return a console that does not restyle what it prints.

    It has colours on a terminal, unless NO_COLOR is set or FORCE_COLOR is 0, and where FORCE_COLOR asks for them.
    """
    from rich.console import Console

    stream = file or (sys.stderr if stderr else sys.stdout)
    forced = os.environ.get("FORCE_COLOR", "").lower()
    colours = not os.environ.get("NO_COLOR") and forced not in _NO_COLOUR
    return Console(
        file=file,
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        force_terminal=stream.isatty() or bool(forced and colours),
        color_system="auto" if colours else None,
    )


def printable(text: object) -> str:
    """Return text of a job as one line that cannot control the terminal."""
    if not isinstance(text, str):
        return NO_VALUE if text is None else printable(json.dumps(text))
    return "".join(c if _is_shown(c) else c.encode("unicode-escape").decode() for c in text)


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def print_json(value: Any) -> None:
    """Print a value as indented JSON, in UTF-8 whatever the terminal's encoding."""
    # UTF-8 cannot carry a lone surrogate; its backslash form is valid JSON.
    text = json.dumps(value, indent=2, ensure_ascii=False).encode(errors="backslashreplace")
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def source_text(job: Mapping[str, Any]) -> str:
    """Return the account and region of a job or source as one text; an empty one when it has none."""
    if not job.get("Account"):
        return ""
    removed = " (removed)" if job.get("SourceRemoved") else ""
    return printable(f"{job['Account']}/{job.get('Region')}{removed}")


def source_of(job: Mapping[str, Any]) -> dict[str, str]:
    """Return the filters that select the source of a job; none when it shows no source."""
    filters = {"account": job.get("Account"), "region": job.get("Region")}
    return {name: str(value) for name, value in filters.items() if value}


def time_text(time: object) -> str:
    """Return a time of the API to the second: 2026-11-24 08:00:00."""
    return printable(time)[:19].replace("T", " ") if time else NO_VALUE


def age_text(as_of: str | None, now: datetime) -> str:
    """Return what a reader must know when the ledger is older than what is shown; empty when it is recent."""
    if as_of is None:
        return "The ledger has not synced everything yet: jobs may be missing."
    if datetime.fromisoformat(as_of) < now - _OLD:
        return f"The ledger is as of {time_text(as_of)} UTC: changes since may be missing."
    return ""


def duration_text(seconds: float | None) -> str:
    """Return seconds as the two largest units: 2h 05m."""
    if seconds is None:
        return NO_VALUE
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
    """Return how long a job took, or has been running; None when its times do not say."""
    try:
        start = datetime.fromisoformat(job["SubmitTime"])
        end = datetime.fromisoformat(job["EndTime"]) if job.get("EndTime") else now
        return max(0.0, (end - start).total_seconds())
    except (LookupError, ValueError, TypeError):
        return None


def properties(job: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a job's properties as names and text, nested ones as S3 addresses."""
    rows = []
    for name, value in job.items():
        if isinstance(value, Mapping) and "S3Bucket" in value:
            text = f"s3://{value['S3Bucket']}/{value.get('S3Key', '')}"
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append((printable(name), printable(text)))
    return rows
