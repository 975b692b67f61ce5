"""Everything that is installed is pinned with hashes, as wheels, in a lock for each purpose."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from local import environments, toolchain

ROOT = Path(__file__).resolve().parents[2]
AUDIT = ROOT / ".venv-audit" / "bin"
FUNCTIONS = ROOT / "lambda" / "requirements.txt"
LOCKS = sorted(
    path
    for folder in (ROOT, ROOT / "lambda", ROOT / "local")
    for path in folder.glob("*requirements*.txt")
)


def requirements(lock: Path) -> list[str]:
    """Return the logical lines of a lock, without comments."""
    text = re.sub(r"^\s*#.*$", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.row(25, count="10 lock files")
@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_requirement_has_one_version_and_hashes(lock):
    assert requirements(lock)
    for line in requirements(lock):
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==\S+ ", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", line), line


@pytest.mark.row(25, count="all lock files")
def test_make_installs_the_locks_and_nothing_else():
    installed = [
        file
        for environment in (toolchain.MAIN, *toolchain.OTHERS.values())
        for files in environment.parts.values()
        for file in files
    ]
    assert sorted(installed) == LOCKS


def test_pip_checks_hashes_and_runs_no_build():
    for environment in (toolchain.MAIN, *toolchain.OTHERS.values()):
        assert {"--require-hashes", "--only-binary=:all:"} <= set(environments.pip(environment))
    recipe = (ROOT / "stacks/packaging/bundle.py").read_text(encoding="utf-8")
    assert '"--require-hashes"' in recipe
    assert '"--only-binary=:all:"' in recipe


@pytest.mark.row(25, count="all lock files")
def test_the_audit_reads_every_lock():
    dry = subprocess.run(
        ["make", "--dry-run", "audit"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (line,) = (line for line in dry.stdout.splitlines() if line.lstrip().startswith("for lock in"))
    named = line.partition(" in ")[2].partition(";")[0].split()
    assert sorted(ROOT / name for name in named) == LOCKS


def test_the_bill_of_materials_names_each_package_of_the_functions_with_its_hashes(tmp_path):
    file = tmp_path / "sbom.json"
    command = [
        AUDIT / "cyclonedx-py",
        "requirements",
        FUNCTIONS,
        "--output-reproducible",
        "-o",
        file,
    ]
    subprocess.run(command, capture_output=True, check=True)
    sbom = json.loads(file.read_text(encoding="utf-8"))
    assert sbom["bomFormat"] == "CycloneDX"
    found = {f"{each['name']}=={each['version']}" for each in sbom["components"]}
    locked = {re.sub(r"\[.*\]", "", line.split()[0]) for line in requirements(FUNCTIONS)}
    assert found == locked
    for component in sbom["components"]:
        assert component["externalReferences"][0]["hashes"]
