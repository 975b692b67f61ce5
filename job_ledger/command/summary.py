"""`jobledger summary`: counts as bars, durations, and what needs attention."""

from typing import Any

import click
from rich.console import Console
from rich.text import Text

from job_ledger.command.options import (
    connection_options,
    filter_options,
    format_option,
    ledger,
    set_filters,
)
from job_ledger.command.output import COLOURS, console, duration_text, print_json, time_text
from job_ledger.types import Summary

_BAR = 40


@click.command()
@filter_options
@format_option("table", "json")
@connection_options
@click.pass_context
def summary(ctx: click.Context, /, form: str, **filters: Any) -> None:
    """Count the jobs that match, by status and family.

    \b
    Examples:
      jobledger summary --family ALL --after 30d
      jobledger summary --name-prefix nightly- --format json
    """
    found = ledger(ctx).summary(**set_filters(**filters))
    if form == "json":
        print_json(found)
        return
    out = console()
    out.print(
        Text(f"{found['Total']:,} jobs", "bold").append(f"  as of {time_text(found['AsOf'])} UTC")
    )
    _print_counts(out, "BY STATUS", found["ByStatus"], found["Total"])
    _print_counts(out, "BY FAMILY", found["ByFamily"], found["Total"])
    for name, text in _facts(found):
        out.print(Text(f"{name:18} ", "dim").append(text, "default"))


def _print_counts(out: Console, title: str, counts: dict[str, int], total: int) -> None:
    out.print()
    out.print(Text(title, "bold"))
    for name, count in counts.items():
        line = Text(f"{name:16} {count:>9,}")
        if out.is_terminal and total:
            line.append(f"  {'█' * round(_BAR * count / total)}", COLOURS.get(name, "blue"))
        out.print(line)
    out.print() if title == "BY FAMILY" else None


def _facts(found: Summary) -> list[tuple[str, str]]:
    durations, oldest, rate = found["Durations"], found["OldestActive"], found["FailureRate"]
    half, most, longest = (duration_text(durations[key]) for key in ("p50", "p90", "max"))
    active = "none"
    if oldest:
        active = (
            f"{oldest['JobId']} {oldest['JobStatus']}, {duration_text(oldest.get('AgeSeconds'))}"
        )
    return [
        ("Durations", f"half within {half}, 90% within {most}, longest {longest}"),
        ("Oldest active job", active),
        ("Expire in 7 days", f"{found['ExpiringSoon']:,}"),
        ("Failure rate", "-" if rate is None else f"{rate:.1%}"),
    ]
