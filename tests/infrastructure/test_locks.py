"""Everything that is installed is pinned with hashes, as wheels, in a lock for each purpose."""

import json
import re
import zipfile
from importlib import metadata

import pytest
from hatchling import build
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local import environments, toolchain
from testing.processes import ROOT, run

AUDIT = ROOT / ".venv-audit" / "bin"
FUNCTIONS = ROOT / "lambda" / "requirements.txt"
FOLDERS = (ROOT, ROOT / "lambda", ROOT / "local")
LOCKS = sorted(path for folder in FOLDERS for path in folder.glob("*requirements*.txt"))
ENVIRONMENTS = (toolchain.MAIN, *toolchain.OTHERS.values())


def requirements(lock):
    """Return the logical lines of a lock, without comments."""
    text = re.sub(r"^\s*#.*$", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_requirement_has_one_version_and_hashes(lock):
    assert requirements(lock)
    for line in requirements(lock):
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==\S+ ", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", line), line


@pytest.mark.parametrize(
    "environment", [e for e in ENVIRONMENTS if e.python.exists()], ids=lambda one: one.path.name
)
def test_a_lock_names_the_extras_that_its_packages_require(environment):
    """Otherwise pip before 23.1, as in Debian 12, refuses the lock once a newer version is published."""
    (site,) = environment.path.glob("lib/python*/site-packages")
    files = [file for files in environment.parts.values() for file in files]
    locked = [Requirement(line.split("--hash")[0]) for lock in files for line in requirements(lock)]
    extras = {(canonicalize_name(each.name), extra) for each in locked for extra in each.extras}
    required = {
        (canonicalize_name(each.name), extra)
        for package in metadata.distributions(path=[str(site)])
        for each in map(Requirement, package.requires or ())
        for extra in each.extras
        if each.marker is None or each.marker.evaluate({"extra": ""})
    }
    assert required <= extras


@pytest.mark.parametrize("folder", [ROOT, ROOT / "local" / "clients-node"])
def test_every_package_of_npm_has_a_hash(folder):
    packages = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, package in packages.items():
        assert not name or package["integrity"].startswith("sha512-"), name


def test_make_installs_the_locks_and_nothing_else():
    parts = [*(environment.parts for environment in ENVIRONMENTS), toolchain.RUNTIME]
    installed = {file for named in parts for files in named.values() for file in files}
    assert sorted(installed) == LOCKS


def test_pip_checks_hashes_and_runs_no_build():
    recipe = (ROOT / "stacks/packaging/bundle.py").read_text(encoding="utf-8")
    for option in ("--require-hashes", "--only-binary=:all:"):
        assert all(option in environments.pip(environment) for environment in ENVIRONMENTS)
        assert f'"{option}"' in recipe


def test_the_audit_reads_every_lock():
    lines = run("make", "--dry-run", "audit", cwd=ROOT).stdout.splitlines()
    (line,) = (line for line in lines if line.lstrip().startswith("for lock in"))
    named = line.partition(" in ")[2].partition(";")[0].split()
    assert sorted(ROOT / name for name in named) == LOCKS


def test_the_bill_of_materials_names_each_package_of_the_functions_with_its_hashes(tmp_path):
    file = tmp_path / "sbom.json"
    program = (AUDIT / "cyclonedx-py", "requirements", FUNCTIONS)
    assert run(*program, "--output-reproducible", "-o", file).returncode == 0
    sbom = json.loads(file.read_text(encoding="utf-8"))
    assert sbom["bomFormat"] == "CycloneDX"
    found = {f"{each['name']}=={each['version']}" for each in sbom["components"]}
    locked = {re.sub(r"\[.*\]", "", line.split()[0]) for line in requirements(FUNCTIONS)}
    assert found == locked
    for component in sbom["components"]:
        assert component["externalReferences"][0]["hashes"]


def test_the_wheel_of_the_client_says_what_it_is_and_has_its_licence(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    name = build.build_wheel(str(tmp_path))
    with zipfile.ZipFile(tmp_path / name) as wheel:
        folder = name.removesuffix("-py3-none-any.whl") + ".dist-info"
        metadata = wheel.read(f"{folder}/METADATA").decode()
        text = wheel.read(f"{folder}/licenses/LICENSE")
    # Raises for metadata that an index refuses.
    described = Metadata.from_email(metadata, validate=True)
    assert described.metadata_version in ("2.3", "2.4")  # what twine 6.2 accepts
    assert described.description_content_type == "text/markdown"
    assert described.description == (ROOT / "job_ledger" / "README.md").read_text()
    assert all((described.summary, described.project_urls))
    assert described.author or described.author_email
    supported = [f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)]
    assert set(supported) < set(described.classifiers or [])
    assert (described.license_expression, described.license_files) == ("Apache-2.0", ["LICENSE"])
    assert text == (ROOT / "LICENSE").read_bytes()
