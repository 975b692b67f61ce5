"""The direction of imports: handlers → (board → api), digest, lookup, events, outputs, sync → stream, totals → ledger → jobs → service."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "lambda"
PACKAGE = SOURCE / "jobledger"

# A package or module imports only from the layers below its own.
LAYERS = (
    {"handlers"},
    {"alerts", "api", "board", "digest", "events", "lookup", "outputs", "sync"},
    {"stream", "totals"},
    {"idempotency", "inputs", "invoke", "ledger", "sns", "sqs"},
    {"clients", "digest_answers", "fitting", "jobs", "observability", "settings"},
    {"errors", "init_phase", "metrics", "roots", "service", "sources", "times", "wording"},
)
WITHIN_A_LAYER = {("board", "api"), ("jobs", "fitting")}

# The same for the folders of the project: `lambda` is what runs in AWS, and nothing else may.
NOT_DEPLOYED = {"stacks", "local", "testing", "tests"}
MAY_NOT_IMPORT = {
    "lambda/jobledger": {"aws_cdk", "constructs", "boto3", "job_ledger", *NOT_DEPLOYED},
    "stacks": {"jobledger", "local", "testing", "tests", "job_ledger", "job_ledger_lookup"},
    "openapi": {"job_ledger", "job_ledger_lookup", *NOT_DEPLOYED},
    "local": {"jobledger", "stacks", "testing", "tests", "aws_cdk", "job_ledger"},
    "job_ledger": {"jobledger", "boto3", *NOT_DEPLOYED},
    "job_ledger_lookup": {"jobledger", *NOT_DEPLOYED},
    "testing": {"tests"},
}
# They need the standard library only: facts of the service, the metrics and the runs of a schedule, and the
# interpreter of the bundle.
ALSO = {
    "local": {"stacks.packaging.target"},
    "stacks": {"job_ledger.schedules", "jobledger.metrics", "jobledger.service"},
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


def test_a_package_is_in_one_of_the_six_layers_and_imports_only_from_those_below_its_own():
    packages = {package_of(name) for name in MODULES if "." in name}
    assert sorted(name for layer in LAYERS for name in layer) == sorted(packages)
    assert len(LAYERS) == 6
    layer = {name: number for number, names in enumerate(LAYERS) for name in names}
    imports = ((name, other) for name, file in MODULES.items() for other in own_modules(file))
    arrows = {(package_of(name), package_of(other)) for name, other in imports}
    others = {(above, below) for above, below in arrows if layer[above] >= layer[below]}
    assert {arrow for arrow in others if arrow[0] != arrow[1]} == WITHIN_A_LAYER


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


def test_what_the_stack_imports_of_other_folders_needs_only_the_standard_library():
    for module in ALSO["stacks"]:
        file = MODULES.get(module, ROOT / f"{module.replace('.', '/')}.py")
        found = {name.split(".")[0] for name in imported_modules(file)}
        assert found <= sys.stdlib_module_names
