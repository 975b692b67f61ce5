"""The direction of imports: handlers → capabilities → totals → ledger → the plain modules below them."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "lambda"
PACKAGE = SOURCE / "jobledger"

_BASICS = {"clients", "errors", "fitting", "jobs", "times"}
_SHARED = _BASICS | {
    "init_phase",
    "inputs",
    "invoke",
    "metrics",
    "observability",
    "settings",
}

# What each package or module of `jobledger` may import from the others. A new one needs a row here.
MAY_IMPORT = {
    "handlers": _SHARED
    | {"alerts", "api", "board", "lookup", "digest", "events", "sqs", "sync", "totals", "ledger"},
    "board": _SHARED | {"api", "totals", "ledger"},
    "api": _SHARED | {"idempotency", "ledger"},
    "lookup": _SHARED | {"totals", "ledger"},
    "alerts": _SHARED | {"digest", "ledger", "sns", "sqs"},
    "digest": _SHARED | {"idempotency", "totals", "ledger", "sns"},
    "events": _SHARED | {"ledger", "sqs"},
    "sync": _SHARED | {"totals", "ledger"},
    "totals": _BASICS | {"ledger"},
    "ledger": _BASICS | {"metrics", "observability"},
    "clients": {"roots"},
    "init_phase": set[str](),
    "idempotency": {"errors"},
    "invoke": {"clients", "errors", "observability"},
    "inputs": {"errors", "jobs", "times"},
    "settings": {"jobs"},
    "sns": {"clients", "errors"},
    "sqs": {"clients", "errors"},
    "jobs": {"fitting"},
    "fitting": {"times"},
    "errors": set[str](),
    "metrics": set[str](),
    "observability": {"errors", "metrics"},
    "roots": set[str](),
    "times": set[str](),
}

# The same for the folders of the project: `lambda` is what runs in AWS, and nothing else may.
MAY_NOT_IMPORT = {
    "lambda/jobledger": {
        "aws_cdk",
        "constructs",
        "stacks",
        "local",
        "tests",
        "boto3",
        "job_ledger",
    },
    "stacks": {"jobledger", "local", "tests", "job_ledger", "job_ledger_lookup"},
    "local": {"jobledger", "stacks", "tests", "aws_cdk", "job_ledger"},
    "job_ledger": {"jobledger", "stacks", "local", "tests", "boto3"},
    "job_ledger_lookup": {"jobledger", "stacks", "local", "tests"},
}
# It needs the standard library only, and finds an interpreter for the setup as for the bundle.
ALSO = {"local": "stacks.packaging.target"}


def imported_modules(file: Path) -> Iterator[str]:
    """Yield the full name of each module that a file imports, inside functions as well."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import"
            # `from jobledger import settings` imports a module, `from jobledger.jobs import Job` a name.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(file): file for file in PACKAGE.rglob("*.py")}


def own_modules(file: Path) -> set[str]:
    """Return the modules of `jobledger` that a file imports."""
    names = {name for name in imported_modules(file) if name.startswith("jobledger.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"jobledger"}))
def test_a_module_imports_only_what_its_package_may_import(module):
    package = module.split(".")[1]
    imported = {name.split(".")[1] for name in own_modules(MODULES[module])} - {package}
    assert imported <= MAY_IMPORT[package]


def test_the_table_of_imports_has_each_package_once():
    assert MAY_IMPORT.keys() == {name.split(".")[1] for name in MODULES if name != "jobledger"}


def test_no_module_imports_itself_through_others():
    graph = {name: own_modules(file) - {name} for name, file in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("folder", MAY_NOT_IMPORT)
def test_a_folder_of_the_project_imports_none_that_runs_elsewhere(folder):
    roots = {
        (file.name, name.split(".")[0])
        for file in (ROOT / folder).rglob("*.py")
        for name in imported_modules(file)
        if name.rpartition(".")[0] != ALSO.get(folder)
    }
    assert not {found for found in roots if found[1] in MAY_NOT_IMPORT[folder]}
