"""`jobledger doctor`: whether a deployment works, and how to fix what does not."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from job_ledger.command.options import CONNECTION, connection_options
from job_ledger.command.output import console, print_json, printable
from job_ledger.location import STACK

if TYPE_CHECKING:
    from rich.text import Text

    from job_ledger.doctor.deployment import Deployment
    from job_ledger.doctor.findings import Finding
    from job_ledger.doctor.run import Result

_COLUMNS = 80
_STATUS = 7
_NAME = 20
_INDENT = " " * (_STATUS + _NAME + 4)
_COLOURS = {"ok": "green", "problem": "bold red", "unknown": "yellow", "local": "dim"}
_WORDS = {"unknown": "no look"}
_COMMANDS = ("aws ", "cdk ", "sudo ", "jobledger ", "make ", "pip ")


@click.command()
@click.option("--name", default=STACK, show_default=True, help="Name of the stack.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option(
    "--send-test",
    is_flag=True,
    help="Send a message marked as a test to the topics and the event bus, and say what arrived.",
)
@connection_options
@click.pass_context
def doctor(ctx: click.Context, /, name: str, as_json: bool, send_test: bool) -> int:
    """Check a deployment, with your credentials; say what is wrong and how to fix it.

    Without --send-test it changes nothing. Exit code 0: all is well. 1: there is a problem. 2: no problem
    was found, but a check could not look.

    \b
    Examples:
      jobledger doctor
      jobledger doctor --json | jq '.Checks[] | select(.Status == "problem")'
      jobledger doctor --send-test
    """
    from job_ledger.doctor.findings import exit_code

    given: dict[str, Any] = ctx.find_root().ensure_object(dict)
    deployment, results = _examine(name, send_test, *(given.get(option) for option in CONNECTION))
    if as_json:
        print_json(_document(name, deployment, results))
    else:
        _print_table(_heading(name, deployment), results)
    return exit_code(result.finding.status for result in results)


def _examine(
    name: str, send_test: bool, *connection: str | None
) -> "tuple[Deployment | None, list[Result]]":
    from job_ledger.doctor.deployment import find_deployment
    from job_ledger.doctor.findings import CouldNotLook
    from job_ledger.doctor.run import Result, checks_of, run_checks
    from job_ledger.doctor.send_test import send_tests

    with console(stderr=True).status("Looking for the stack") as progress:
        try:
            deployment = find_deployment(name, *connection)
        except CouldNotLook as error:
            return None, [Result("stack", error.finding)]
        if send_test:
            return deployment, send_tests(deployment, progress.update)
        checks = checks_of(deployment)
        most = len(checks)
        results = run_checks(
            deployment,
            checks,
            progress=lambda done: progress.update(f"{done} of {most} checks are done"),
        )
        return deployment, results


def _heading(name: str, deployment: "Deployment | None") -> str:
    if deployment is None:
        return f"stack {name}"
    where = " (a local AWS)" if deployment.is_local else ""
    return f"stack {name}, account {deployment.account}, {deployment.region}{where}"


def _document(
    name: str, deployment: "Deployment | None", results: "Sequence[Result]"
) -> dict[str, Any]:
    where = {"Account": deployment.account, "Region": deployment.region} if deployment else {}
    checks = [{"Check": result.check, **_members(result.finding)} for result in results]
    return {"Stack": name, **where, "Checks": checks}


def _members(finding: "Finding") -> dict[str, str]:
    found = {
        "Status": finding.status.value,
        "Meaning": finding.meaning,
        "Mend": finding.mend,
        "Permission": finding.permission,
    }
    return {name: value for name, value in found.items() if value}


def _print_table(heading: str, results: "Sequence[Result]") -> None:
    from rich.text import Text

    out = console()
    for line in textwrap.wrap(heading, _COLUMNS):
        out.print(Text(line, "bold"))
    for result in results:
        for text in table_lines(result):
            out.print(text)
    out.print(Text(_summary(results), "bold"))


def table_lines(result: "Result") -> "Iterator[Text]":
    """Yield the lines of one check, of 80 columns at most."""
    from rich.text import Text

    finding = result.finding
    status = finding.status.value
    first, *rest = textwrap.wrap(
        printable(finding.meaning), _COLUMNS - len(_INDENT), break_on_hyphens=False
    )
    line = Text().append(f"{_WORDS.get(status, status):{_STATUS}}  ", _COLOURS[status])
    yield line.append(f"{result.check:{_NAME}}  {first}")
    for text in rest:
        yield Text(f"{_INDENT}{text}")
    for text in _mend_lines(printable(finding.mend)):
        yield Text(text, "cyan")


def _summary(results: "Sequence[Result]") -> str:
    statuses = [result.finding.status.value for result in results]
    problems = statuses.count("problem")
    counts = {
        "ok": statuses.count("ok"),
        "not on a local AWS": statuses.count("local"),
        "problem" if problems == 1 else "problems": problems,
        "could not look": statuses.count("unknown"),
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)


def _mend_lines(mend: str) -> Iterator[str]:
    """Yield the lines of a command or of a document's address. A shell accepts a long command as it is printed."""
    line = first = " " * (_STATUS + 2) + "-> "
    is_command = mend.startswith(_COMMANDS)
    for word in mend.split(" ") if mend else ():
        if len(line) + len(word) > _COLUMNS - 2 and line.strip(" ->"):
            yield line.rstrip() + (" \\" if is_command else "")
            line = " " * len(first)
        while len(line) + len(word) > _COLUMNS - 1:
            # A shell continues a broken word at the very beginning of the next line.
            room = _COLUMNS - 1 - len(line)
            yield f"{line}{word[:room]}\\"
            line, word = "", word[room:]  # noqa: PLW2901 - the rest of the word
        line += f"{word} "
    if mend:
        yield line.rstrip()
