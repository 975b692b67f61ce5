"""`jobledger job ID`: a job's properties, and its history as a timeline."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from job_ledger.answers import JOB
from job_ledger.command.ids import find_job
from job_ledger.command.options import connection_options, format_option, ledger
from job_ledger.command.output import (
    COLOURS,
    console,
    duration_text,
    print_json,
    printable,
    properties,
    time_text,
)
from job_ledger.types import JobDescription, Observation

if TYPE_CHECKING:
    from rich.text import Text


@click.command()
@click.argument("job_id", metavar="ID")
@format_option("table", "json")
@connection_options
@click.pass_context
def job(ctx: click.Context, /, job_id: str, form: str) -> None:
    """Show a job of any family with its history. The start of an ID is enough, if only one of the newest 5,000 jobs
    has it.

    \b
    Examples:
      jobledger job 7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b
      jobledger job 7c9d2cd0
    """
    described = find_job(ledger(ctx), job_id)
    if form == "json":
        print_json(described)
    else:
        _print_job(described)


def _print_job(described: JobDescription) -> None:
    from rich.text import Text

    out = console()
    rows = properties(described[JOB])
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        style = COLOURS.get(text, "") if name == "JobStatus" else ""
        out.print(Text(f"{name:{width}}  ", "dim").append(text, style or "default"))
    out.print()
    out.print(Text("HISTORY (UTC, as the ledger observed it)", "bold"))
    for line in timeline(described["History"]):
        out.print(line)
    if described.get("ExpiredUpstream"):
        out.print(Text("The service has deleted this job; the ledger keeps it.", "yellow"))


def timeline(history: list[Observation]) -> "list[Text]":
    """Return a line for each status, with the time since the one before."""
    from rich.text import Text

    lines = []
    before: datetime | None = None
    for entry in history:
        status = printable(entry.get("JobStatus", "-"))
        at = datetime.fromisoformat(entry["ObservedAt"])
        since = "" if before is None else f"  +{duration_text((at - before).total_seconds())}"
        line = Text(f"* {time_text(entry['ObservedAt'])}  ").append(status, COLOURS.get(status, ""))
        lines.append(line.append(since, "dim"))
        before = at
    return lines
