"""`jobledger jobs`: lists jobs, or writes them to a file."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from job_ledger.client import ExportedPage, JobLedger
from job_ledger.command.files import whole_file
from job_ledger.command.options import connection_options, filter_options, ledger, set_filters
from job_ledger.command.output import console, job_lines
from job_ledger.errors import JobLedgerError
from job_ledger.filters import JOB_FILTERS
from job_ledger.types import Job, JobList

FORMATS = ("table", "json", "csv", "ndjson")
Count = Callable[[int], None]
_NEXT = b",\n"


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
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; it appears when it is complete.",
)
@connection_options
@click.pass_context
def jobs(
    ctx: click.Context, /, everything: bool, form: str | None, output: Path | None, **filters: Any
) -> None:
    """List jobs by any mix of filters.

    \b
    Examples:
      jobledger jobs --status FAILED --after 7d
      jobledger jobs --family ALL --name-prefix nightly- --format json | jq .
      jobledger jobs --family ALL --after 2026-01-01 --all --output jobs.csv
    """
    client, chosen = ledger(ctx), set_filters(**filters)
    if output is None:
        listing = Listing(client, chosen, everything, form or "table")
        more = listing.write(sys.stdout.buffer, lambda _: None)
    else:
        ending = output.suffix.removeprefix(".").lower()
        form = form or (ending if ending in FORMATS else "table")
        listing = Listing(client, chosen, everything, form)
        with whole_file(output) as file, _progress(client, chosen, everything) as count:
            more = listing.write(file, count)
    if more and form != "json":
        click.echo(f"There are more jobs: use --all, or --next-token {more}", err=True)


class Listing:
    """One page or all pages of a list, in one of the formats."""

    def __init__(
        self, client: JobLedger, filters: dict[str, Any], everything: bool, form: str
    ) -> None:
        """Take what to list."""
        self._client = client
        self._filters = filters
        self._everything = everything
        self._form = form

    def write(self, stream: BinaryIO, count: Count) -> str | None:
        """Write the list page by page; return the token of the page after the last written."""
        write = {"table": self._write_table, "json": self._write_json}
        more = write.get(self._form, self._write_exported)(stream, count)
        stream.flush()
        return more

    def _pages(self) -> Iterator[JobList]:
        if self._everything:
            return self._client.pages(**self._filters)
        return iter([self._client.page(**self._filters)])

    def _write_table(self, stream: BinaryIO, count: Count) -> str | None:
        to_terminal = stream is sys.stdout.buffer
        text = sys.stdout if to_terminal else io.TextIOWrapper(stream, "utf-8", "backslashreplace")
        out = console(text)
        families = set(self._filters.get("family", ()))
        several = len(families) > 1 or "ALL" in families
        page: JobList | None = None
        for number, page in enumerate(self._pages()):
            found = page["ComprehendMedicalAsyncJobPropertiesList"]
            lines = job_lines(found, datetime.now(UTC), families=several, heading=number == 0)
            for line in lines:
                out.print(line)
            count(len(found))
        if not to_terminal:
            text.detach()  # type: ignore[union-attr] # it is the wrapper, whose stream stays open
        return page.get("NextToken") if page else None

    def _write_json(self, stream: BinaryIO, count: Count) -> str | None:
        """Write the API's document with one job a line; several pages become one."""
        separator = b'{"ComprehendMedicalAsyncJobPropertiesList": [\n'
        rest: dict[str, Any] = {}
        for page in self._pages():
            listed = page["ComprehendMedicalAsyncJobPropertiesList"]
            for job in listed:
                stream.write(separator + _line_of(job))
                separator = _NEXT
            # As old as its oldest page.
            rest = {"AsOf": page["AsOf"]} | rest if self._everything else dict(page)
            rest |= {"Stale": True} if page.get("Stale") else {}
            count(len(listed))
        rest.pop("ComprehendMedicalAsyncJobPropertiesList", None)
        begin = b"" if separator == _NEXT else separator
        stream.write(begin + f"\n],\n{json.dumps(rest)[1:]}\n".encode())
        return rest.get("NextToken")

    def _write_exported(self, stream: BinaryIO, count: Count) -> str | None:
        form = cast(Literal["csv", "ndjson"], self._form)
        pages: Iterator[ExportedPage] = (
            self._client.exported(form, **self._filters)
            if self._everything
            else iter([self._client.exported_page(form, **self._filters)])
        )
        page: ExportedPage | None = None
        for number, page in enumerate(pages):
            body = page.body
            if form == "csv" and number:
                body = body.partition(b"\r\n")[2]  # the header again
            stream.write(body)
            count(_rows(form, page.body))
        return page.next_token if page else None


def _line_of(job: Job) -> bytes:
    # The backslash form of a lone surrogate, which UTF-8 cannot carry, is JSON's as well.
    return json.dumps(job, ensure_ascii=False).encode(errors="backslashreplace")


def _rows(form: str, body: bytes) -> int:
    if form == "ndjson":
        return body.count(b"\n")
    return sum(1 for _ in csv.reader(io.StringIO(body.decode(), newline=""))) - 1


@contextmanager
def _progress(client: JobLedger, filters: dict[str, Any], everything: bool) -> Iterator[Count]:
    """Show a bar on a terminal while a file is written."""
    err = console(stderr=True)
    if not err.is_terminal:
        yield lambda _: None
        return
    columns = (BarColumn(), MofNCompleteColumn(), "jobs", TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("", total=_total(client, filters, everything))
        yield lambda number: progress.advance(task, number)


def _total(client: JobLedger, filters: dict[str, Any], everything: bool) -> int | None:
    """Return how many jobs there are to write; None if that takes too long to count."""
    if not everything or "next_token" in filters:
        return None
    try:
        counted = {name: value for name, value in filters.items() if name in JOB_FILTERS}
        return client.summary(**cast(Any, counted))["Total"]
    except JobLedgerError:
        return None
