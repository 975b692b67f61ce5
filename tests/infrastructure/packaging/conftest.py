"""Bundles with their dependencies from the package index: made once, and found by later runs."""

import sys
import zipfile
from pathlib import Path

import pytest

from stacks.packaging.bundle import Bundle, make_bundle
from stacks.packaging.target import Target
from testing.processes import ROOT, run

HOST = Target.of("host")


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as zipped:
        return zipped.namelist()


def real_bundle(target: Target = HOST) -> Bundle:
    return make_bundle(ROOT / "lambda", ROOT / ".local" / "build", target)


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """The bundle for this machine, unpacked."""
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(real_bundle().path) as zipped:
        zipped.extractall(folder)
    return folder


def run_alone(folder: Path, program: str) -> str:
    """Return what a program prints that has the bundle and no other package."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{program}"
    # Outside Lambda the X-Ray SDK would make a client of its own, of a service that is left out.
    inside = {"LAMBDA_TASK_ROOT": str(folder), "POWERTOOLS_METRICS_NAMESPACE": "n"}
    done = run(sys.executable, "-I", "-S", "-c", code, env=inside)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
