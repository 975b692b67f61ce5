"""The bundle with its dependencies: complete, slim, for arm64, and running with nothing beside it."""

import zipfile

import pytest

from stacks.packaging import target as targets
from stacks.packaging.slim import SERVICES
from stacks.packaging.target import Target
from tests.infrastructure.packaging.conftest import HOST, names, real_bundle, run_alone

pytestmark = pytest.mark.xdist_group("bundle")

# `e_machine` of an ELF header, EM_AARCH64: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
ELF_MACHINE, AARCH64 = slice(18, 20), (183).to_bytes(2, "little")
LAMBDA = Target.of("lambda")


@pytest.mark.parametrize("target", [LAMBDA, HOST], ids=["lambda", "host"])
def test_the_real_bundle_is_complete_and_slim(target):
    bundle = real_bundle(target)
    found = names(bundle.path)
    data = [name.split("/") for name in found if name.startswith("botocore/data/")]
    assert set(SERVICES) == {parts[2] for parts in data if len(parts) > 3}
    useless = (".dist-info/", "/tests/", ".json.gz")
    assert not [name for name in found if any(part in name for part in useless)]
    packages = ("boto3", "msgspec", "aws_xray_sdk")
    assert {"tzdata/zones", *(f"{name}/__init__.py" for name in packages)} <= set(found)
    with zipfile.ZipFile(bundle.path) as zipped:
        assert sum(entry.file_size for entry in zipped.infolist()) < 32 * 2**20
    if targets.interpreter_for(target.python):
        compiled = f".cpython-{target.python.replace('.', '')}.pyc"
        sources = [name for name in found if name.endswith(".py")]
        assert len(sources) == len([name for name in found if name.endswith(compiled)])


def test_the_bundle_for_lambda_is_small_and_each_binary_of_it_is_built_for_arm64():
    bundle = real_bundle(LAMBDA)
    assert bundle.path.stat().st_size < 5.0 * 2**20
    with zipfile.ZipFile(bundle.path) as zipped:
        starts = {name: zipped.read(name)[:20] for name in zipped.namelist()}
    binaries = {name: start for name, start in starts.items() if start.startswith(b"\x7fELF")}
    assert {name for name in starts if name.endswith(".so")} == set(binaries)
    assert {start[ELF_MACHINE] for start in binaries.values()} == {AARCH64}
    assert all("cpython-313-aarch64" in name for name in binaries)


def test_each_module_of_the_bundle_for_lambda_imports_in_its_twin_for_this_machine(unpacked):
    """The bundle for arm64 runs nowhere here; the twin has the same modules, and binaries of this machine."""
    modules, twins = (
        {name.partition(".")[0] for name in names(each.path) if name.endswith((".py", ".so"))}
        for each in (real_bundle(LAMBDA), real_bundle())
    )
    assert modules - twins == set()
    found = (name.removesuffix("/__init__").replace("/", ".") for name in modules)
    code = [name for name in found if name.startswith("jobledger")]
    assert "jobledger.handlers.api" in code
    # With nothing beside it.
    run_alone(unpacked, f"import importlib\nfor name in {code!r}: importlib.import_module(name)")
