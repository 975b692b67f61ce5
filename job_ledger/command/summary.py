"""`jobledger summary`: counts as bars, durations, and what needs attention."""

import sys
from typing import TYPE_CHECKING, Any

import click

from job_ledger.answers import SUMMARY_IN_FULL, required
from job_ledger.command.looked_at import options_text
from job_ledger.command.options import (
    connection_options,
    filter_options,
    format_option,
    ledger,
    set_filters,
)
from job_ledger.command.output import (
    COLOURS,
    console,
    duration_text,
    print_json,
    printable,
    time_text,
)
from job_ledger.types import OutputTotals, Summary

if TYPE_CHECKING:
    from rich.console import Console

_BAR = 40


@click.command()
@filter_options
@format_option("table", "json")
@connection_options
@click.pass_context
def summary(ctx: click.Context, /, form: str, **filters: Any) -> None:
    """Count the jobs that match, by status and family; of every family unless --family names some.

    \b
    Examples:
      jobledger summary --after 30d
      jobledger summary --name-prefix nightly- --format json
    """
    chosen = set_filters(**filters)
    found = required(ledger(ctx).summary(**chosen), SUMMARY_IN_FULL)
    if form == "json":
        print_json(found)
        return
    from rich.text import Text  # importing it would slow down a shell's completion

    out = console()
    matching = f" match {text}" if (text := options_text(chosen)) else ""
    heading = Text(f"{found['Total']:,} jobs{matching}", "bold")
    out.print(heading.append(f"  as of {time_text(found.get('AsOf'))} UTC"))
    _print_counts(out, "BY STATUS", found["ByStatus"], found["Total"])
    _print_counts(out, "BY FAMILY", found["ByFamily"], found["Total"])
    out.print()
    for name, fact in _facts(found):
        out.print(Text(f"{name:18} ", "dim").append(fact, "default"))
    if (processed := found.get("Output")) and processed["ByFamily"]:
        _print_processed(out, processed)


def _print_processed(out: "Console", processed: OutputTotals) -> None:
    """Print the files of each family, and what the bill is made of: characters by month and family."""
    from rich.text import Text

    out.print()
    out.print(Text("PROCESSED, of jobs whose manifest was read", "bold"))
    for family, statuses in processed["ByFamily"].items():
        counted = list(statuses.values())
        files = sum(counts["InputFileCount"] for counts in counted)
        left = sum(counts["UnprocessedFilesCount"] for counts in counted)
        characters = sum(counts["TotalMeteredCharacters"] for counts in counted)
        out.print(
            f"{printable(family):16} {files:>9,} files, {left:,} not processed, {characters:,} characters",
            highlight=False,
        )
    if processed["Characters"]:
        out.print()
        out.print(Text("CHARACTERS by month of submission", "bold"))
    costs = processed.get("Cost", {})
    for month, families in sorted(processed["Characters"].items()):
        for family, characters in families.items():
            cost = costs.get(month, {}).get(family)
            price = f"  {printable(cost)}" if cost else ""
            out.print(
                f"{printable(month)} {printable(family):12} {characters:>13,}{price}",
                highlight=False,
            )


def _print_counts(out: "Console", title: str, counts: dict[str, int], total: int) -> None:
    from rich.text import Text

    out.print()
    out.print(Text(title, "bold"))
    # As wide as the terminal lets it be.
    most = min(_BAR, max(0, out.width - 28))
    for name, count in counts.items():
        line = Text(f"{printable(name):16} {count:>9,}")
        if sys.stdout.isatty() and total:
            line.append(f"  {'█' * round(most * count / total)}", COLOURS.get(name, "blue"))
        out.print(line)


def _facts(found: Summary) -> list[tuple[str, str]]:
    durations, oldest, rate = found["Durations"], found["OldestActive"], found["FailureRate"]
    half, most, longest = (duration_text(durations[key]) for key in ("p50", "p90", "max"))
    active = "none"
    if oldest:
        names = f"{printable(oldest.get('JobId'))} {printable(oldest.get('JobStatus'))}"
        active = f"{names}, {duration_text(oldest.get('AgeSeconds'))}"
    return [
        ("Durations", f"half within {half}, 90% within {most}, longest {longest}"),
        ("Oldest active job", active),
        ("Expire in 7 days", f"{found['ExpiringSoon']:,}"),
        ("Failure rate", "-" if rate is None else f"{rate:.1%}"),
    ]
