"""`jobledger health`: the age of the ledger."""

from typing import Any

import click

from job_ledger.answers import AGES, fits
from job_ledger.command.options import connection_options, format_option, ledger
from job_ledger.command.output import (
    console,
    duration_text,
    print_json,
    printable,
    source_text,
    time_text,
)
from job_ledger.errors import ApiError

UNHEALTHY = 1


@click.command()
@format_option("table", "json")
@connection_options
@click.pass_context
def health(ctx: click.Context, /, form: str) -> int:
    """Show how old the ledger is. Exit code 1 when it has missed ten syncs.

    \b
    Example:
      jobledger health || echo "the ledger is stale"
    """
    healthy = True
    answer: Any
    try:
        answer = ledger(ctx).health()
    except ApiError as error:
        if not fits(error.problem, AGES):
            raise
        healthy, answer = False, error.problem
    if form == "json":
        print_json(answer)
    else:
        _print_table(healthy, answer)
    return 0 if healthy else UNHEALTHY


def _print_table(healthy: bool, answer: dict[str, Any]) -> None:
    """Print the age of each family, and those of each source that is too old or has an error."""
    from rich.text import Text  # importing it would slow down a shell's completion

    out = console()
    word, colour = ("ok", "green") if healthy else ("stale", "bold red")
    out.print(Text(word, colour))
    out.print(Text(f"{'FAMILY':12} {'AS OF (UTC)':20} {'AGE':>8}  LAST ERROR", "bold"))
    for family, state in answer["Families"].items():
        out.print(Text(_line(family, state)))
    sources = answer.get("Sources", ())
    if sources:
        recent = sum(source["Healthy"] for source in sources)
        out.print(Text(f"\n{recent:,} of {len(sources):,} sources are recent enough", "bold"))
    for source in sources:
        errors = [state.get("LastError") for state in source["Families"].values()]
        if source["Healthy"] and not any(errors):
            continue
        out.print(Text(source_text(source), "yellow" if source["Healthy"] else "red"))
        for family, state in source["Families"].items():
            out.print(Text(_line(family, state)))


def _line(family: str, state: dict[str, Any]) -> str:
    error = state.get("LastError")
    age = duration_text(state.get("AgeSeconds"))
    failed = f"{printable(error.get('Name'))} at {time_text(error.get('At'))}" if error else "-"
    return f"{printable(family):12} {time_text(state.get('AsOf')):20} {age:>8}  {failed}"
