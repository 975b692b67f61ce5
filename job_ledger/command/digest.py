"""`jobledger digest`: publishes a digest, or shows the last one."""

from typing import get_args

import click

from job_ledger.command.options import Time, connection_options, format_option, ledger
from job_ledger.command.output import console, print_json, printable, time_text
from job_ledger.types import DigestAnswer, JobStatus, SourceDigest


@click.command()
@click.option("--last", is_flag=True, help="Show the last digest instead of publishing one.")
@click.option("--start", type=Time(), help="Start of the window: 24h (ago) or a time. Needs --end.")
@click.option("--end", type=Time(), help="End of the window, at least two minutes ago.")
@click.option(
    "--idempotency-key",
    help="The same key publishes once, and shows the same digest again for a day.",
)
@format_option("table", "json")
@connection_options
@click.pass_context
def digest(
    ctx: click.Context,
    /,
    last: bool,
    start: str | None,
    end: str | None,
    idempotency_key: str | None,
    form: str,
) -> None:
    """Publish a digest to its subscribers and show what it counts, or show the last one.

    Without a window, it covers the time since the last digest.

    \b
    Examples:
      jobledger digest
      jobledger digest --last
      jobledger digest --start 24h --end 5m
    """
    if last and (start or end or idempotency_key):
        raise click.UsageError("--last shows a digest and publishes none: use it alone.")
    client = ledger(ctx)
    published = client.last_digest() if last else client.publish_digest(start, end, idempotency_key)
    if form == "json":
        print_json(published)
        return
    if "Digests" not in published:
        _print(published)
    for of_source in published.get("Digests", []):
        click.echo(f"{printable(of_source['Account'])}/{printable(of_source['Region'])}")
        _print(of_source)


def _print(published: DigestAnswer | SourceDigest) -> None:
    from rich.text import Text  # importing it would slow down a shell's completion

    out, window = console(), published["Window"]
    out.print(Text(f"digest {printable(published['DigestId'])}", "bold"))
    out.print(Text(f"{time_text(window['Start'])} to {time_text(window['End'])} UTC"))
    counts = published["Counts"]
    # A repeated answer has its statuses in another order, and a newer API can have more statuses.
    for status in sorted(counts, key=_place):
        out.print(Text(f"{printable(status):16} {counts[status]:>9,}"))


def _place(status: str) -> tuple[int, str]:
    known = get_args(JobStatus)
    return (known.index(status) if status in known else len(known), status)
