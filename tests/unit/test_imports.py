"""The direction of imports: handlers → (board → api), digest, lookup, events, sync → totals → ledger → jobs → service."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "lambda"
PACKAGE = SOURCE / "jobledger"

LAYERS: tuple[dict[str, str], ...] = (
    {
        "handlers": "alerts api board digest events lookup sync totals inputs invoke ledger sqs observability settings errors init_phase service",
    },
    {
        "alerts": "digest ledger sns sqs observability settings errors metrics times",
        "api": "idempotency inputs ledger clients jobs observability settings errors service times",
        "board": "api totals inputs ledger errors service times",
        "digest": "totals idempotency inputs ledger sns clients jobs observability settings errors metrics service times",
        "events": "ledger sqs clients jobs observability errors metrics service times",
        "lookup": "totals inputs invoke ledger clients observability settings errors metrics service times",
        "sync": "totals inputs ledger clients fitting jobs observability settings errors metrics service times",
    },
    {
        "totals": "ledger jobs errors service times",
    },
    {
        "idempotency": "errors",
        "inputs": "errors service times",
        "invoke": "clients observability errors",
        "ledger": "clients jobs observability errors metrics service times",
        "sns": "clients errors",
        "sqs": "clients errors",
    },
    {
        "clients": "service",
        "fitting": "times",
        "jobs": "fitting service",
        "observability": "errors metrics",
        "settings": "service",
    },
    {
        "errors": "",
        "init_phase": "",
        "metrics": "",
        "service": "",
        "times": "",
    },
)
"""What each package or module of `jobledger` imports from the others: only of layers below its own."""
SAME_LAYER = {("board", "api"), ("alerts", "digest"), ("jobs", "fitting")}
ROWS = {name: set(row.split()) for layer in LAYERS for name, row in layer.items()}

# The same for the folders of the project: `lambda` is what runs in AWS, and nothing else may.
MAY_NOT_IMPORT = {
    "lambda/jobledger": {
        "aws_cdk",
        "constructs",
        "stacks",
        "local",
        "testing",
        "tests",
        "boto3",
        "job_ledger",
    },
    "stacks": {"jobledger", "local", "testing", "tests", "job_ledger", "job_ledger_lookup"},
    "openapi": {"stacks", "local", "testing", "tests", "job_ledger", "job_ledger_lookup"},
    "local": {"jobledger", "stacks", "testing", "tests", "aws_cdk", "job_ledger"},
    "job_ledger": {"jobledger", "stacks", "local", "testing", "tests", "boto3"},
    "job_ledger_lookup": {"jobledger", "stacks", "local", "testing", "tests"},
    "testing": {"tests"},
}
# They need the standard library only: facts of the service and the metrics, and the interpreter of the bundle.
ALSO = {
    "local": {"stacks.packaging.target"},
    "stacks": {"jobledger.service", "jobledger.metrics"},
}


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


MODULES = {module_name(file): file for file in PACKAGE.rglob("*.py") if file.parent != SOURCE}


def own_modules(file: Path) -> set[str]:
    """Return the modules of `jobledger` that a file imports."""
    names = {name for name in imported_modules(file) if name.startswith("jobledger.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def package_of(module: str) -> str:
    return module.split(".")[1]


def test_each_package_imports_what_the_table_says():
    arrows: dict[str, set[str]] = {package_of(name): set() for name in MODULES if "." in name}
    for name, file in MODULES.items():
        for other in map(package_of, own_modules(file)):
            if other != package_of(name):
                arrows[package_of(name)].add(other)
    assert arrows == ROWS


def test_the_table_has_six_layers_each_of_which_imports_those_below_it():
    layer = {name: number for number, rows in enumerate(LAYERS) for name in rows}
    sideways = {
        (name, other) for name, row in ROWS.items() for other in row if layer[name] >= layer[other]
    }
    assert sideways == SAME_LAYER
    assert len(LAYERS) == 6


def test_no_module_imports_itself_through_others():
    graph = {name: own_modules(file) - {name} for name, file in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("folder", MAY_NOT_IMPORT)
def test_a_folder_of_the_project_imports_none_that_runs_elsewhere(folder):
    roots = {
        (file.name, name.split(".")[0])
        for file in (ROOT / folder).rglob("*.py")
        for name in imported_modules(file)
        if not {name, name.rpartition(".")[0]} & ALSO.get(folder, set())
    }
    assert not {found for found in roots if found[1] in MAY_NOT_IMPORT[folder]}


@pytest.mark.parametrize("module", sorted(ALSO["stacks"]))
def test_what_the_stack_imports_of_the_functions_needs_only_the_standard_library(module):
    found = {name.split(".")[0] for name in imported_modules(MODULES[module])}
    assert found <= sys.stdlib_module_names
