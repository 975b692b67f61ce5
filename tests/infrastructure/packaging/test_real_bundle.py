"""The bundle with its dependencies from the package index: installed once, and found by later runs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stacks.packaging import target as targets
from stacks.packaging.bundle import make_bundle
from stacks.packaging.slim import SERVICES
from stacks.packaging.target import Target
from tests.infrastructure.packaging.bundles import HOST, names

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("bundle_for", ["lambda", "host"])
@pytest.mark.xdist_group("bundle")
def test_the_real_bundle_is_complete_and_slim(bundle_for, tmp_path):
    target = Target.of(bundle_for)
    bundle = make_bundle(ROOT / "lambda", ROOT / ".local" / "build", target)
    found = names(bundle.path)
    services = {
        name.split("/")[2]
        for name in found
        if name.startswith("botocore/data/") and name.count("/") > 2
    }
    assert set(SERVICES) == services
    assert not [
        name
        for name in found
        if ".dist-info/" in name or "/tests/" in name or name.endswith(".json.gz")
    ]
    assert {
        "boto3/__init__.py",
        "msgspec/__init__.py",
        "aws_xray_sdk/__init__.py",
        "tzdata/zones",
    } <= set(found)
    with zipfile.ZipFile(bundle.path) as zipped:
        assert sum(entry.file_size for entry in zipped.infolist()) < 32 * 2**20
    if targets.interpreter_for(target.python):
        tag = "cpython-" + target.python.replace(".", "")
        sources = [name for name in found if name.endswith(".py")]
        compiled = [name for name in found if name.endswith(f".{tag}.pyc")]
        assert len(sources) == len(compiled)
    if bundle_for == "lambda":
        assert bundle.path.stat().st_size < 5.0 * 2**20
        libraries = [name for name in found if name.endswith(".so")]
        assert libraries
        assert [
            name for name in libraries if "x86_64" in name or "cpython-313-aarch64" not in name
        ] == []


@pytest.mark.xdist_group("bundle")
def test_the_real_bundle_runs_with_nothing_beside_it(tmp_path):
    bundle = make_bundle(ROOT / "lambda", ROOT / ".local" / "build", HOST)
    with zipfile.ZipFile(bundle.path) as zipped:
        zipped.extractall(tmp_path)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import botocore.session, msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
Tracer(service="x"), Logger(service="x"), Metrics(namespace="x"), APIGatewayRestResolver()
from zoneinfo import ZoneInfo
ZoneInfo("Europe/Zurich")
for service in {SERVICES!r}:
    botocore.session.Session().create_client(service, region_name="us-east-1")
assert botocore.__file__.startswith({str(tmp_path)!r})
"""
    command = [sys.executable, "-I", "-S", "-c", program]
    # Outside Lambda the X-Ray SDK would make a client of its own, of a service that is left out.
    inside = {"LAMBDA_TASK_ROOT": str(tmp_path)}
    done = subprocess.run(command, env=inside, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


ELF_MACHINE = slice(18, 20)


AARCH64 = (183).to_bytes(2, "little")
"""`e_machine` of an ELF header, EM_AARCH64: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html"""


@pytest.mark.xdist_group("bundle")
def test_every_binary_of_the_bundle_for_lambda_is_built_for_arm64():
    bundle = make_bundle(ROOT / "lambda", ROOT / ".local" / "build", Target.of("lambda"))
    with zipfile.ZipFile(bundle.path) as zipped:
        starts = {name: zipped.read(name)[:20] for name in zipped.namelist()}
    binaries = {name: start for name, start in starts.items() if start.startswith(b"\x7fELF")}
    assert {name for name in starts if name.endswith(".so")} == set(binaries)
    assert {start[ELF_MACHINE] for start in binaries.values()} == {AARCH64}


def modules(path):
    """Return the bundle's importable files: sources by name, binaries by the name of their module."""
    return {
        name.partition(".")[0] if name.endswith(".so") else name
        for name in names(path)
        if name.endswith((".py", ".so"))
    }


@pytest.mark.xdist_group("bundle")
def test_each_module_of_the_bundle_for_lambda_imports_in_its_twin_for_this_machine(tmp_path):
    """The bundle for arm64 runs nowhere here; the twin has the same modules, and binaries of this machine."""
    builds = ROOT / ".local" / "build"
    arm = make_bundle(ROOT / "lambda", builds, Target.of("lambda"))
    twin = make_bundle(ROOT / "lambda", builds, HOST)
    missing = modules(arm.path) - modules(twin.path)
    assert missing == set()
    code = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in modules(arm.path)
        if name.startswith("jobledger/")
    ]
    assert "jobledger.handlers.api" in code
    with zipfile.ZipFile(twin.path) as zipped:
        zipped.extractall(tmp_path)
    program = f"""
import importlib, sys
sys.path.insert(0, {str(tmp_path)!r})
for name in {code!r}:
    importlib.import_module(name)
outside = [
    file for module in list(sys.modules.values())
    if "site-packages" in (file := getattr(module, "__file__", None) or "")
]
assert not outside, outside
"""
    # Outside Lambda the X-Ray SDK would make a client of its own, of a service that is left out.
    inside = {"LAMBDA_TASK_ROOT": str(tmp_path)}
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, env=inside, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
