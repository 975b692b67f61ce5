"""Writes docs/reliability.md from the markers `row` of the tests: `python -m tests.reliability_document`.

The tests are parsed, not imported. A name in braces in a marker's `count` is a constant of the test's module. With
`in_full(some, every)` as its value, `make test` runs some, and `make soak` every.
"""

import ast
import functools
import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "reliability.md"

SECTIONS: dict[str, Sequence[int]] = {
    "Failures": range(1, 14),
    "Input": range(14, 21),
    "Secrecy and access": range(21, 26),
    "Load": range(26, 29),
    "One failure stops nothing else, and only what is known is claimed": range(29, 37),
}
ROWS = {
    1: "Comprehend Medical throttles: the sync retries a bounded number of times; readers get the ledger with its `AsOf`",
    2: "It throttles for minutes: calls stay bounded, and the sync recovers by itself",
    3: "It answers 500 or 503, resets the connection, or hangs: the sync ends in time, and the next one completes the walk",
    4: "Its tokens are refused, form a cycle, or lead through 1,000 empty pages: one restart, then an error; `AsOf` stays",
    5: "Lambda runs out of time during a walk: the sync stops before, loses nothing, and the next run continues",
    6: "The schedule delivers twice, late, or 50 times at once: one message for each window",
    7: "A sync or digest is killed at any step: the next run completes it; the same id and content; no job or change lost",
    8: "SNS refuses, does not answer, or the digest is too large: not recorded as sent, alarmed, sent again, shortened",
    9: "DynamoDB throttles or fails: readers get 503 with `Retry-After`; a sync leaves no half-written job",
    10: "Two syncs run at once, or end out of order: no job moves backwards",
    11: "The service deletes a job, adds a status or property, omits properties, repeats a job: kept, passed on, listed once",
    12: "Daylight saving, leap days and late deliveries: the windows of digests have no gap and no overlap",
    13: "Two kinds of idempotent operations, and a killed run: each keeps its own settings; a killed run blocks nothing for long",
    14: "Requests generated from the OpenAPI document: no 5xx, no response outside the document",
    15: "A token that was altered, or issued for another query, version or deployment: 400, and nothing is read",
    16: "Unknown, repeated, empty and misspelled parameters, and values out of bounds: 400 with the name and what is allowed",
    17: "Every legal job name: unchanged in the ledger, JSON, CSV, NDJSON and digests",
    18: "Formulas in CSV cells: inert in a spreadsheet",
    19: "Line breaks and commands in headers, log lines and e-mail: inert",
    20: "Pages of random sizes while jobs are added: together the list as of the first page",
    21: "Job names, keys, roles and messages are in no log, trace, metric, error, idempotency record or default digest",
    22: "Each role may do exactly what it needs",
    23: "A call without the right signature or permission gets nothing",
    24: "cdk-nag's rules (AwsSolutions, HIPAA Security, NIST 800-53, Serverless) hold, or the exception has a reason",
    25: "Dependencies are pinned with hashes and audited",
    26: "The first fill of 100,000 jobs: nothing lost or repeated, less than 50 MB of memory more",
    27: "1,000 API calls, 50 at a time, while syncs run: no error",
    28: "A page of a ledger of 100,000 rows: one query, as many rows read as returned; the exceptions are bounded",
    29: "Very many jobs are active at once: each end is recorded, and no row grows with their number",
    30: "A record of the table's stream is not understood, such as that of a row that an operator deletes: it is put aside alone, and those after it are sent in order",
    31: 'An answer is not what was asked for (a redirect, a sign-in page, an empty body, `{}`, `null`, a failed checksum): an error with a name; no file, no mark, no "nothing there"',
    32: "A job cannot be stored as it is (too large, a time beyond the calendar, other types): it is stored as far as it fits, marked and counted, and its page goes on",
    33: "Describe is refused, hangs, or does not know a job once: `AsOf` stays, other jobs go on, work is bounded and shared",
    34: "A clock was ahead for one run: its times count as unknown to every reader, and the next sync corrects them",
    35: "A job's submit time appears or changes: one job, one row, right counters",
    36: "Alarms over time (first deployment, missing data, incident, recovery, second incident): each rings once an incident and says when it ends, none at a good first deployment",
}
LIMITS = {
    17: "Log lines have no job names (row 21), so names are not tested there.",
    22: "Permissions that no use needs on the local AWS are shown on the template only: `tests/e2e/permissions.py` names each with the reason.",
    23: "The local AWS checks signatures and policies. That AWS gives its refusals the same form is shown on the template.",
    25: "`make audit` asks pypi.org for known vulnerabilities; it is not part of `make test`.",
}

_INTRODUCTION = """
# Reliability

What Job Ledger survives, and the tests that show it. `python -m tests.reliability_document` writes this document from
the markers `row` of the tests, and a test compares the two. *Runs* is what `make test` runs; where `make soak` runs
more, it says so.

`make soak` also runs the local deployment under 50 readers for 20 minutes, with faults, odd answers
and jobs, deleted rows, redeployments and restarts, and judges what is left: [its results](../soak/RESULTS.md).
"""


@dataclass(frozen=True, order=True)
class Shown:
    """One test of one row, and how much of it is run. `full`: `make soak` selects it."""

    row: int
    test: str
    count: str
    full: bool = False


@functools.cache
def shown_in(file: Path) -> tuple[Shown, ...]:
    """Return what the markers of a test module say."""
    return tuple(_shown_in(file))


def _shown_in(file: Path) -> Iterator[Shown]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    some, every = _constants(tree, 0), _constants(tree, -1)
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [ast.unparse(decorator) for decorator in function.decorator_list]
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.row":
                (number,) = (ast.literal_eval(value) for value in decorator.args)
                (count,) = (ast.literal_eval(keyword.value) for keyword in decorator.keywords)
                test = f"{file.relative_to(ROOT)}::{function.name}"
                runs = count.format(**some)
                if every != some:
                    in_soak = count.format(**every)
                    runs += f"; `make soak`: {in_soak}" if in_soak != runs else ""
                yield Shown(number, test, runs, "pytest.mark.full" in names)


def _constants(tree: ast.Module, which: int) -> dict[str, str]:
    """Return whole-number constants: `N = 5`, or of `N = in_full(5, 50)` the argument at `which`."""
    constants = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "in_full":
                value = value.args[which]
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                constants[node.targets[0].id] = f"{value.value:,}"
    return constants


def document() -> str:
    """Return the document."""
    rows: dict[int, list[Shown]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for shown in shown_in(file):
            rows[shown.row].append(shown)
    unknown = rows.keys() - ROWS.keys()
    if unknown:
        raise ValueError(f"tests are marked with rows that do not exist: {sorted(unknown)}")
    parts = [inspect.cleandoc(_INTRODUCTION)]
    for title, numbers in SECTIONS.items():
        parts.append(f"## {title}")
        parts += [_row(number, sorted(rows[number])) for number in numbers]
    return "\n\n".join(parts) + "\n"


def _row(number: int, shown: list[Shown]) -> str:
    lines = [f"**{number}. {ROWS[number]}.**", ""]
    if shown:
        lines += ["| test | runs |", "|---|---|"]
        lines += [f"| `{one.test}` | {one.count} |" for one in shown]
    else:
        lines.append("No test shows this row.")
    if number in LIMITS:
        lines += ["", LIMITS[number]]
    return "\n".join(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
