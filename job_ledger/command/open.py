"""`jobledger open`: the API's pages in a browser, through a signing proxy."""

import threading
import webbrowser
from typing import Literal

import click

from job_ledger.command.options import connection_options, ledger


@click.command(name="open")
@click.argument("page", type=click.Choice(("board", "docs")), default="board")
@connection_options
@click.pass_context
def open_page(ctx: click.Context, /, page: Literal["board", "docs"]) -> None:
    """Open the board or the API's documentation in a browser, until Ctrl-C.

    A browser cannot sign requests. A proxy on this machine does, with your credentials, for the browser's
    user only. Keep the address to yourself: it ends with the command.

    \b
    Examples:
      jobledger open
      jobledger open docs
    """
    with ledger(ctx) as client, client.proxy() as proxy:
        # A browser in the terminal returns only at its end, so another thread serves it.
        serving = threading.Thread(target=proxy.serve_forever, daemon=True)
        serving.start()
        address = proxy.address(page)
        click.echo(address)
        try:
            if not webbrowser.open(address):
                click.echo("No browser was found: open the address in one.", err=True)
            click.echo("Ctrl-C ends it.", err=True)
            serving.join()
        except KeyboardInterrupt:
            return
