"""What the build leaves out of the packages: nothing that the functions reach needs it.

A test that fails after an upgrade says what refers to it now. Look whether the functions can reach that; then either
add it to the table here, or keep it in `stacks/packaging/cuts.py`.
"""

import ast
import hashlib
import json
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import botocore
import pytest

from jobledger import roots
from stacks.packaging.cuts import EDITED, WRITTEN, cut
from stacks.packaging.slim import ROOTS_FILE, amazon_roots
from testing.processes import ROOT, run
from tests.infrastructure.packaging.conftest import run_alone

pytestmark = pytest.mark.xdist_group("bundle")

HANDLERS = ("alerts", "api", "changes", "digest", "lookup", "outputs", "sync", "widget")
_OPENAPI = "aws_lambda_powertools.event_handler.openapi"
_MIDDLEWARES = "aws_lambda_powertools.event_handler.middlewares"

# Modules that are not in the bundle, and the only code in it that imports them: inside functions that need
# Powertools' validation, OpenAPI documents or async handlers, pydantic models, aiohttp, or a browser.
REFERENCES = {
    "aws_lambda_powertools/event_handler/api_gateway.py": {
        *(f"{_MIDDLEWARES}.{name}" for name in ("async_utils", "openapi_validation")),
        *(f"{_OPENAPI}.{name}" for name in ("compat", "dependant", "merge", "models")),
        *(f"{_OPENAPI}.{name}" for name in ("schema_generator", "swagger_ui")),
    },
    "aws_lambda_powertools/shared/functions.py": {f"{_OPENAPI}.compat"},
    "aws_lambda_powertools/tracing/extensions.py": {"aws_xray_sdk.ext.aiohttp.client"},
    "aws_lambda_powertools/tracing/tracer.py": {"aws_xray_sdk.ext.httplib"},
    "botocore/useragent.py": {"botocore.customizations.useragent"},  # not in the package either
    "urllib3/__init__.py": {"urllib3.contrib.emscripten"},
}
# How often a name whose import is left out is used, each time inside a function that is not reached.
USES = {
    ("wrapt/synchronization.py", "asyncio"): 3,
    ("wrapt/importer.py", "importlib"): 3,
    ("urllib3/http2/__init__.py", "version"): 1,
    ("boto3/__init__.py", "Session"): 1,
    ("boto3/__init__.py", "_warn_deprecated_python"): 1,
    ("boto3/compat.py", "PythonDeprecationWarning"): 2,
}
# What no function imports, though a package that it uses did.
ABSENT = {
    *("asyncio", "boto3.session", "html.parser", "importlib.metadata", "multiprocessing"),
    *("aws_lambda_powertools.event_handler.appsync", "aws_lambda_powertools.utilities.parameters"),
    "aws_lambda_powertools.utilities.data_classes.kinesis_firehose_event",
    *("s3transfer", "zipfile"),
}
# SHA-256 of the five certificates, from https://www.amazontrust.com/repository/
FINGERPRINTS = {
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
}


def test_no_code_that_the_functions_reach_imports_what_is_left_out(unpacked):
    expected = {(file, module) for file, modules in REFERENCES.items() for module in modules}
    assert set(reached_but_absent(unpacked)) == expected


def test_a_name_whose_import_is_left_out_is_used_as_often_as_when_it_was_looked_at(unpacked):
    undefined = ("check", "--isolated", "--ignore-noqa", "--select=F821", "--output-format=json")
    said = json.loads(run(ROOT / ".venv/bin/ruff", *undefined, *EDITED, cwd=unpacked).stdout)
    files = (Path(each["filename"]).relative_to(unpacked).as_posix() for each in said)
    names = (each["message"].split("`")[1] for each in said)
    assert Counter(zip(files, names, strict=True)) == USES


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_function_starts_without_the_modules_that_are_left_out(unpacked, handler):
    program = f"import jobledger.handlers.{handler}, json; print(json.dumps(sorted(sys.modules)))"
    imported = json.loads(run_alone(unpacked, program))
    assert ABSENT & set(imported) == set()
    assert len(imported) < 600  # there were 800


def test_a_package_that_is_not_as_it_was_is_not_cut(tmp_path):
    (tmp_path / "wrapt").mkdir()
    (tmp_path / "wrapt" / "synchronization.py").write_text("import asyncio as a\n")
    with pytest.raises(RuntimeError, match=r"synchronization\.py: does not have the line"):
        cut(tmp_path)


def test_the_bundle_has_amazons_five_roots_as_botocore_ships_them(unpacked):
    five = certificates(unpacked / "botocore" / ROOTS_FILE)
    assert {hashlib.sha256(root).hexdigest() for root in five} == FINGERPRINTS
    shipped = Path(botocore.__file__).with_name("cacert.pem")
    assert len(five) == 5
    assert five <= certificates(shipped)
    assert certificates(unpacked / "botocore" / "cacert.pem") == certificates(shipped)
    assert roots.AMAZON_ROOTS.name == ROOTS_FILE


def test_a_root_that_botocore_no_longer_ships_ends_the_build():
    with pytest.raises(ValueError, match="Amazon Root CA 1, Amazon Root CA 2"):
        amazon_roots("")


def certificates(file: Path) -> set[bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    return set(context.get_ca_certs(binary_form=True))


def reached_but_absent(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each file that a handler reaches with a module or name of the bundle's packages that it lacks."""
    packages = {path.name for path in root.iterdir() if path.is_dir()} | {"s3transfer"}
    seen: set[Path] = set()
    pending = [f"jobledger.handlers.{name}" for name in HANDLERS]
    pending.append("aws_xray_sdk.ext.botocore.patch")  # X-Ray's SDK imports it by name
    while pending:
        module = pending.pop()
        file = file_of(root, module)
        if file is None or file in seen:
            continue
        seen.add(file)
        pending.append(module.rpartition(".")[0])
        relative = file.relative_to(root).as_posix()
        inside = module if file.name == "__init__.py" else module.rpartition(".")[0]
        for base, name in imports(ast.parse(file.read_text(encoding="utf-8")), inside):
            if base.partition(".")[0] not in packages:
                continue
            whole, source = f"{base}.{name}", file_of(root, base)
            pending += [base, whole]
            if source is None and not list((root / base.replace(".", "/")).parent.glob("*.so")):
                yield relative, base
            elif file_of(root, whole) is None and not _may_have(root, source, name):
                yield relative, whole


def _may_have(root: Path, source: Path | None, name: str) -> bool:
    """Whether a module can have a name; only the text of those that the build writes tells."""
    written = source and source.relative_to(root).as_posix() in WRITTEN
    return not written or bool(source and name in source.read_text(encoding="utf-8"))


def file_of(root: Path, module: str) -> Path | None:
    path = root / module.replace(".", "/")
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in files if module and file.is_file()), None)


def imports(node: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import, inside functions as well, except those for type checkers."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Import):
            yield from ((alias.name, "") for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - inner.level + 1]
            base = ".".join([*(above if inner.level else []), *filter(None, [inner.module])])
            yield from ((base, alias.name) for alias in inner.names)
        elif isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test):
            for other in inner.orelse:
                yield from imports(other, package)
        else:
            yield from imports(inner, package)
