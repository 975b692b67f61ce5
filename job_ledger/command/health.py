"""`jobledger health`: the age of the ledger."""

from typing import Any

import click
from rich.text import Text

from job_ledger.command.options import connection_options, format_option, ledger
from job_ledger.command.output import console, duration_text, print_json, time_text
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
        if "Families" not in error.problem:
            raise
        healthy, answer = False, error.problem
    if form == "json":
        print_json(answer)
    else:
        _print_table(healthy, answer["Families"])
    return 0 if healthy else UNHEALTHY


def _print_table(healthy: bool, families: dict[str, Any]) -> None:
    out = console()
    word, colour = ("ok", "green") if healthy else ("stale", "bold red")
    out.print(Text(word, colour))
    out.print(Text(f"{'FAMILY':12} {'AS OF (UTC)':20} {'AGE':>8}  LAST ERROR", "bold"))
    for family, state in families.items():
        error = state["LastError"]
        line = (
            f"{family:12} {time_text(state['AsOf']):20} {duration_text(state['AgeSeconds']):>8}  "
        )
        out.print(Text(line + (f"{error['Name']} at {time_text(error['At'])}" if error else "-")))
