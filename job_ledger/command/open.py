"""`jobledger open`: the API's pages in a browser, through a signing proxy."""

import threading
from typing import Any
from urllib.parse import quote, urlencode

import click

from job_ledger.answers import JOB
from job_ledger.command.ids import find_job
from job_ledger.command.options import (
    connection_options,
    ledger,
    set_filters,
    source_options,
)

PAGES = ("board", "docs")


@click.command(name="open")
@click.argument("page", metavar="[board|docs|ID]", default="board")
@source_options
@connection_options
@click.pass_context
def open_page(ctx: click.Context, /, page: str, **source: Any) -> None:
    """Open the board, its page of a job, or the API's documentation in a browser, until Ctrl-C.

    A browser cannot sign requests. A proxy on this machine does, with your credentials, for the browser's
    user only. Keep the address to yourself: it ends with the command.

    \b
    Examples:
      jobledger open
      jobledger open docs
      jobledger open 7c9d2cd0
    """
    import webbrowser  # importing it would slow down a shell's completion

    with ledger(ctx) as client, client.proxy() as proxy:
        if page not in PAGES:
            filters = set_filters(**source)
            del filters["family"]
            job = find_job(client, page, filters)[JOB]
            # Another source can have a job of this id.
            page = f"board/jobs/{quote(job['JobId'], safe='')}"
            if "Account" in job:
                page += f"?{urlencode({'Account': job['Account'], 'Region': job['Region']})}"
        # A browser in the terminal returns only at its end, so another thread serves it.
        serving = threading.Thread(target=proxy.serve_forever, daemon=True)
        serving.start()
        address = proxy.address(page)
        click.echo(address)
        if not webbrowser.open(address):
            click.echo("No browser was found: open the address in one.", err=True)
        click.echo("Ctrl-C ends it.", err=True)
        serving.join()
