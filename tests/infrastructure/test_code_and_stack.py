"""What the functions' code assumes of the stack, and the stack of the code: both sides agree."""

import ast
import re

import pytest

from jobledger import invoke, sns, times
from jobledger.digest import run as digest_run
from jobledger.events import batch
from jobledger.sync import run as sync_run
from tests.infrastructure.template_reading import by_path
from tests.unit.test_imports import MODULES, own_modules

# How the code names an environment variable.
READS = re.compile(r"""(?:\brequired|\benviron\.get|\bfunction)\(\s*"([A-Z_]+)\"""")
SETTINGS = "jobledger.settings"
FUNCTIONS = {
    "JobAlerts/Function": "alerts",
    "Api/Function": "api",
    "Changes/Function": "changes",
    "Digest/Function": "digest",
    "Outputs/Function": "outputs",
    "Sync/Function": "sync",
    "Widget/Function": "widget",
    "Lookup/IsComplete": "lookup",
}


def closure(module: str) -> set[str]:
    """Return a module and all modules that it imports, directly or not."""
    found, pending = set(), {module}
    while pending:
        found |= pending
        pending = {name for one in pending for name in own_modules(MODULES[one])} - found
    return found


def text_of(module: str) -> str:
    return MODULES[module].read_text(encoding="utf-8")


def variables_read(modules: set[str]) -> set[str]:
    """Return the variables that modules read: of settings.py, those whose function another of them calls."""
    others = "".join(text_of(each) for each in modules - {SETTINGS})
    functions = [
        ast.get_source_segment(text_of(SETTINGS), node) or ""
        for node in ast.parse(text_of(SETTINGS)).body
        if isinstance(node, ast.FunctionDef) and re.search(rf"\b{node.name}\b", others)
    ]
    return {name for text in (others, *functions) for name in READS.findall(text)}


@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_function_has_the_environment_that_its_code_reads(full, path):
    variables = by_path(full)[path]["Properties"]["Environment"]["Variables"]
    configured = {name for name in variables if not name.startswith("POWERTOOLS_")}
    modules = closure(f"jobledger.handlers.{FUNCTIONS[path]}")
    assert configured == variables_read(modules)


def test_no_module_reads_the_environment_in_another_way():
    # Lambda's own variables are there without the stack.
    known = r"""\benviron\.get\(|"AWS_[A-Z_]+" in os\.environ\b|for name in os\.environ\b"""
    for module in MODULES:
        uses, readable = (
            len(re.findall(each, text_of(module))) for each in (r"\benviron\b|\bgetenv\b", known)
        )
        assert uses == readable, module


def test_functions_have_the_time_that_their_code_counts_on(resources):
    def seconds(path):
        return by_path(resources)[path]["Properties"]["Timeout"]

    # Half a batch at least: no send begins when less than this time is left.
    assert seconds("Changes/Function") >= 3 * batch._LONGEST_SEND_MILLISECONDS / 1000
    assert seconds("Sync/Function") >= 10 * sync_run._MARGIN_SECONDS
    # A digest waits for another run and publishes twice.
    patience = digest_run._PATIENCE + times.SETTLING.total_seconds()
    assert seconds("Digest/Function") >= patience + 2 * sns.PUBLISH_SECONDS
    # These invoke another function and wait for it.
    for path in ("Api/Function", "Lookup/IsComplete"):
        assert seconds(path) > invoke.WAIT_SECONDS + 5
    run = by_path(resources)["Sync/FirstSync/Run/Default"]["Properties"]
    waits = (seconds("Sync/FirstSync/Function"), int(run["ServiceTimeout"]))
    assert seconds("Sync/Function") < waits[0] < waits[1]


def test_the_key_lets_look_ups_encrypt_with_their_context_only():
    from stacks.encryption import LOOKUP_CONTEXT

    text = text_of("jobledger.lookup.encryption")
    (names,) = re.findall(r"event\[name\] for name in \(([^)]*)\)", text)
    assert tuple(re.findall(r'"(\w+)"', names)) == LOOKUP_CONTEXT
