"""`jobledger job ID`: a job's properties, and its history as a timeline."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from job_ledger.answers import JOB
from job_ledger.command.ids import find_job
from job_ledger.command.options import (
    connection_options,
    format_option,
    ledger,
    session,
    set_filters,
    source_options,
)
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
from job_ledger.unprocessed import UNPROCESSED, UnprocessedFile, unprocessed_files

if TYPE_CHECKING:
    from rich.text import Text


@click.command()
@click.argument("job_id", metavar="ID")
@click.option(
    "--files",
    is_flag=True,
    help="List the files that the job did not process, from its manifest in S3, with your own credentials.",
)
@source_options
@format_option("table", "json")
@connection_options
@click.pass_context
def job(ctx: click.Context, /, job_id: str, form: str, *, files: bool, **source: Any) -> None:
    """Show a job of any family with its history. The start of an ID is enough, if only one of the newest 5,000 jobs
    has it.

    \b
    Examples:
      jobledger job 7c9d2cd0a1f54c0f9d3b7f6a1e2d3c4b
      jobledger job 7c9d2cd0
      jobledger job 7c9d2cd0 --files
    """
    filters = set_filters(**source)
    del filters["family"]
    described = find_job(ledger(ctx), job_id, filters)
    if files:
        _print_files(unprocessed_files(described[JOB], session(ctx)), form)
    elif form == "json":
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


def _print_files(files: list[UnprocessedFile], form: str) -> None:
    """Print the files that a job did not process, each with the service's reason."""
    if form == "json":
        print_json(files)
        return
    out = console()
    for file in files:
        name, code, why = (printable(file.get(key, "")) for key in UNPROCESSED)
        out.print(f"{name}  {code}  {why}", highlight=False, markup=False, soft_wrap=True)
    if not files:
        out.print("The job processed all of its files.")


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
