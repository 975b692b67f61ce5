"""`jobledger jobs`: lists jobs, or writes them to a file."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import click

from job_ledger.answers import JOBS
from job_ledger.command.files import whole_file
from job_ledger.command.looked_at import none_matches
from job_ledger.command.options import connection_options, filter_options, ledger, set_filters
from job_ledger.command.output import age_text, console, time_text
from job_ledger.command.table import JobTable, tab_separated
from job_ledger.errors import JobLedgerError
from job_ledger.filters import JOB_FILTERS
from job_ledger.types import Job, JobList

if TYPE_CHECKING:
    from job_ledger.client import ExportedPage, JobLedger

FORMATS = ("table", "json", "csv", "ndjson")
_ENDINGS = {
    "": "table",
    ".txt": "table",
    ".tsv": "table",
    ".json": "json",
    ".csv": "csv",
    ".ndjson": "ndjson",
}
Count = Callable[[int], None]
_NEXT = b",\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# For one page the API's default size, not the size with which the client goes through all pages.
_DEFAULT_SIZE = {"max_results": None}
_STANDARD_OUTPUT = Path("-")


@click.command()
@filter_options
@click.option(
    "--order",
    type=click.Choice(("ascending", "descending")),
    help="By submit time.  [default: newest first; oldest first with --before alone]",
)
@click.option(
    "--max-results",
    type=click.IntRange(1, 500),
    help="Jobs on a page.  [default: 100; with --all 500]",
)
@click.option("--next-token", help="Token of the page before, with the same filters.")
@click.option("--consistent-read", is_flag=True, help="Sync with the service first.")
@click.option("--all", "everything", is_flag=True, help="All pages instead of one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How to print.  [default: by the ending of --output, otherwise table]",
)
@click.option("--bom", is_flag=True, help="Begin CSV with a byte order mark, for Excel.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; it appears when it is complete. - is standard output.",
)
@connection_options
@click.pass_context
def jobs(
    ctx: click.Context,
    /,
    everything: bool,
    form: str | None,
    bom: bool,
    output: Path | None,
    **filters: Any,
) -> None:
    """List jobs by any mix of filters, of every family unless --family names some.

    A table has the columns that fit on a terminal. In a pipe it has all, whole, with tabs between them.

    \b
    Examples:
      jobledger jobs --status FAILED --after 7d
      jobledger jobs --name-prefix nightly- --format json | jq .
      jobledger jobs --after 2026-01-01 --all --output jobs.csv
    """
    to_file = output not in (None, _STANDARD_OUTPUT)
    form = form or (_format_of(cast(Path, output)) if to_file else "table")
    if bom and form != "csv":
        raise click.UsageError("--bom is for --format csv.")
    client, chosen = ledger(ctx), set_filters(**filters)
    listing = Listing(client, chosen, everything, form, _BYTE_ORDER_MARK if bom else b"")
    if to_file:
        with (
            whole_file(cast(Path, output)) as file,
            _progress(client, chosen, everything) as count,
        ):
            more = listing.write(file, count)
    else:
        more = listing.write(sys.stdout.buffer, lambda _: None)
    if note := listing.age():
        click.echo(note, err=True)
    if not listing.written:
        click.echo(none_matches(client, chosen), err=True)
    elif more and sys.stderr.isatty():
        click.echo("There are more jobs: use --all.", err=True)
    elif more and form != "json":
        click.echo(f"There are more jobs: use --all, or --next-token {more}", err=True)


def _format_of(path: Path) -> str:
    """Return the format for a file's ending. Raises UsageError when no format has this ending."""
    if form := _ENDINGS.get(path.suffix.lower()):
        return form
    hint = " Excel opens --output jobs.csv --bom." if path.suffix.lower().startswith(".xls") else ""
    raise click.UsageError(
        f"No format has the ending {path.suffix}: use .csv, .json, .ndjson or .txt, or add --format.{hint}"
    )


class Listing:
    """One page or all pages of a list, in one of the formats. Pages without jobs are skipped."""

    def __init__(
        self,
        client: "JobLedger",
        filters: dict[str, Any],
        everything: bool,
        form: str,
        mark: bytes = b"",
    ) -> None:
        """List these jobs; `mark` is written first."""
        self._client = client
        self._filters = filters
        self._everything = everything
        self._form = form
        self._mark = mark
        self.written = 0
        self._stale = False
        self._ages: list[str | None] = []

    def write(self, stream: BinaryIO, count: Count) -> str | None:
        """Write the list page by page; return the token of the page after the last written."""

        def counted(number: int) -> None:
            self.written += number
            count(number)

        write = {"table": self._write_table, "json": self._write_json}
        more = write.get(self._form, self._write_exported)(stream, counted)
        stream.flush()
        return more

    def _pages(self) -> Iterator[JobList]:
        # A page can be empty and have more after it: the API searches a part of the ledger at a time.
        size = {} if self._everything else _DEFAULT_SIZE
        for page in self._client.pages(**cast(Any, size | self._filters)):
            self._stale |= bool(page.get("Stale"))
            if "AsOf" in page:
                self._ages.append(page["AsOf"])
            yield page
            if page[JOBS] and not self._everything:
                return

    def age(self) -> str:
        """Return what a reader must know of the list's age; only a person learns that it is minutes old."""
        unsynced = None in self._ages
        oldest = None if unsynced else min(map(str, self._ages), default=None)
        if self._stale:
            age = f"the jobs are as of {time_text(oldest)} UTC" if oldest else "jobs may be missing"
            return f"The ledger could not be brought up to date: {age}. See jobledger health."
        if self.written and (unsynced or (oldest and sys.stderr.isatty())):
            return age_text(oldest, datetime.now(UTC))
        return ""

    def _write_table(self, stream: BinaryIO, count: Count) -> str | None:
        terminal = stream is sys.stdout.buffer and stream.isatty()
        out = console() if terminal else None
        table = JobTable(out.width) if out else None
        page: JobList | None = None
        for page in self._pages():
            found, now = page[JOBS], datetime.now(UTC)
            heading = bool(found) and not self.written
            if out and table:
                for row in table.lines(found, now, heading=heading):
                    out.print(row)
            else:
                lines = tab_separated(found, now, heading=heading)
                stream.writelines(f"{line}\n".encode(errors="backslashreplace") for line in lines)
            count(len(found))
        return page.get("NextToken") if page else None

    def _write_json(self, stream: BinaryIO, count: Count) -> str | None:
        """Write the API's document with one job a line; several pages become one."""
        separator = b'{"ComprehendMedicalAsyncJobPropertiesList": [\n'
        rest: dict[str, Any] = {}
        for page in self._pages():
            listed = page[JOBS]
            for job in listed:
                stream.write(separator + _line_of(job))
                separator = _NEXT
            # Several pages are as old as the oldest, which is the first.
            rest = {"AsOf": page.get("AsOf")} | rest if self._everything else dict(page)
            rest |= {"Stale": True} if page.get("Stale") else {}
            count(len(listed))
        rest.pop(JOBS, None)
        begin = b"" if separator == _NEXT else separator
        stream.write(begin + f"\n],\n{json.dumps(rest)[1:]}\n".encode())
        return rest.get("NextToken")

    def _write_exported(self, stream: BinaryIO, count: Count) -> str | None:
        form = cast(Literal["csv", "ndjson"], self._form)
        size = {} if self._everything else _DEFAULT_SIZE
        page: ExportedPage | None = None
        stream.write(self._mark)
        for number, page in enumerate(
            self._client.exported(form, **cast(Any, size | self._filters))
        ):
            self._stale |= page.stale
            self._ages.append(page.as_of)
            body = page.body
            if form == "csv" and number:
                body = body.partition(b"\r\n")[2]  # without the header, which each page has
            stream.write(body)
            count(page.jobs)
            if page.jobs and not self._everything:
                break
        return page.next_token if page else None


def _line_of(job: Job) -> bytes:
    # UTF-8 cannot carry a lone surrogate; its backslash form is valid JSON.
    return json.dumps(job, ensure_ascii=False).encode(errors="backslashreplace")


@contextmanager
def _progress(client: "JobLedger", filters: dict[str, Any], everything: bool) -> Iterator[Count]:
    """Show a bar on a terminal while a file is written."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), "jobs", TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task("", total=_total(client, filters, everything))
        yield lambda number: progress.advance(task, number)


def _total(client: "JobLedger", filters: dict[str, Any], everything: bool) -> int | None:
    """Return how many jobs there are to write; None if counting them fails or takes too long."""
    if not everything or "next_token" in filters:
        return None
    try:
        counted = {name: value for name, value in filters.items() if name in JOB_FILTERS}
        return client.summary(**cast(Any, counted))["Total"]
    except JobLedgerError:
        return None
