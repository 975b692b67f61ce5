"""The code asset: whole, slim, with bytecode, the same from the same inputs, and never half made."""

import os
import shutil
import zipfile
from pathlib import Path
from unittest import mock

import botocore
import pytest

from stacks.packaging import bundle as bundling
from stacks.packaging import target as targets
from stacks.packaging.bundle import BundleError, make_bundle
from stacks.packaging.cuts import EDITED, KEPT, LEFT_OUT, WRITTEN
from stacks.packaging.slim import ROOTS_FILE, slim
from stacks.packaging.target import Target
from tests.infrastructure.packaging.conftest import HOST, names


@pytest.fixture
def source(tmp_path):
    """A lambda folder without dependencies: pip has nothing to fetch."""
    code = tmp_path / "lambda" / "jobledger"
    code.mkdir(parents=True)
    (code / "__init__.py").write_text('"""Code."""\nX = 1\n')
    (tmp_path / "lambda" / "requirements.txt").write_text("")
    return tmp_path / "lambda"


@pytest.fixture
def builds(tmp_path):
    return tmp_path / "build"


@pytest.fixture
def build(source, builds):
    """Make the bundle; the arguments are those of `make_bundle` after its folders."""

    def build(target=HOST, *more):
        return make_bundle(source, builds, target, *more)

    return build


@pytest.fixture
def installs(monkeypatch):
    """Stand in for pip: count the runs, install one small package."""
    runs = []

    def install(locked, packages, target, say):
        runs.append(target)
        (packages / "some").mkdir()
        (packages / "some" / "__init__.py").write_text("")

    monkeypatch.setattr(bundling, "install_packages", install)
    return runs


def test_a_second_build_of_the_same_runs_nothing_whatever_stray_files_there_are(
    source, installs, build, monkeypatch
):
    first = build()
    for stray in ("__pycache__/a.cpython-313.pyc", ".cache/x.py", ".DS_Store", "jobs.py~"):
        (source / "jobledger" / stray).parent.mkdir(exist_ok=True)
        (source / "jobledger" / stray).write_text("stray")
    monkeypatch.setattr(bundling, "compile_folder", lambda *_: pytest.fail("compiled again"))
    assert first == build()
    assert len(installs) == 1


def test_other_code_dependencies_or_target_are_another_bundle_and_only_code_needs_no_installation(
    source, installs, build
):
    bundles = [build()]
    (source / "jobledger" / "jobs.py").write_text("Y = 2\n")
    bundles.append(build())
    assert "jobledger/jobs.py" in names(bundles[-1].path)
    assert len(installs) == 1
    bundles.append(build(Target.of("lambda")))
    (source / "requirements.txt").write_text("# other\n")
    bundles.append(build())
    assert len(installs) == 3
    assert len({bundle.digest for bundle in bundles}) == 4


def test_the_same_inputs_give_the_same_bytes_with_bytecode_that_needs_no_look_at_the_source(
    source, installs, build, tmp_path
):
    one, two = build(), make_bundle(source, tmp_path / "two", HOST)
    assert one.digest == two.digest
    assert one.path.read_bytes() == two.path.read_bytes()
    (compiled,) = (n for n in names(one.path) if n.startswith("jobledger/") and n.endswith(".pyc"))
    with zipfile.ZipFile(one.path) as zipped:
        flags = int.from_bytes(zipped.read(compiled)[4:8], "little")
    assert flags == 0b01  # PEP 552: hash-based, unchecked


def test_without_an_interpreter_of_the_target_one_line_says_so(installs, build, monkeypatch):
    monkeypatch.setattr(bundling, "interpreter_for", lambda python: None)
    said: list[str] = []
    bundle = build(Target.of("lambda"), said.append)
    assert said == [
        "python3.13 is not installed: the bundle has no bytecode and starts about 400 ms slower"
    ]
    assert [name for name in names(bundle.path) if name.endswith(".pyc")] == []


def test_a_shim_that_fails_is_no_interpreter(tmp_path, monkeypatch):
    shim = tmp_path / "python3.77"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert targets.interpreter_for("3.77") is None


def test_an_interrupted_build_leaves_nothing_that_looks_finished(build, builds, monkeypatch):
    def interrupted(locked, packages, target, say):
        (packages / "half").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(bundling, "install_packages", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build()
    assert list(builds.iterdir()) == []


def test_of_two_builds_of_the_same_at_once_the_first_to_finish_stays(
    installs, build, builds, monkeypatch
):
    zip_now = bundling._zip

    def overtaken(folders, to):
        zip_now(folders, to)
        (builds / to.name).mkdir()  # a directory, onto which no file can be renamed

    monkeypatch.setattr(bundling, "_zip", overtaken)
    assert build().path.is_dir()
    assert not list(builds.glob("tmp-*"))
    # Any other failure to put a build in its place is an error.
    monkeypatch.setattr(Path, "rename", mock.Mock(side_effect=OSError("read-only")))
    with pytest.raises(OSError, match="read-only"):
        build(Target.of("lambda"), lambda line: None)


def test_what_interrupted_builds_left_is_removed_after_an_hour(installs, build, builds):
    left = [builds / name for name in ("tmp-folder", "tmp-file", "tmp-of-now")]
    left[0].mkdir(parents=True)
    left[1].touch()
    for old in left[:2]:
        os.utime(old, (0, 0))
    left[2].mkdir()
    # Another build has removed it meanwhile: there is nothing to ask for its time.
    (builds / "tmp-of-another").symlink_to(builds / "gone")
    assert build().path.exists()
    assert [path.exists() for path in left] == [False, False, True]


def test_code_that_does_not_compile_is_refused_with_the_compiler_s_words(source, installs, build):
    (source / "jobledger" / "__init__.py").write_text("def broken(:\n")
    with pytest.raises(BundleError, match="could not compile the bundle"):
        build()


def test_old_builds_go_and_the_newest_stay(source, installs, build, builds):
    for number in range(10):
        (source / "jobledger" / "__init__.py").write_text(f"X = {number}\n")
        newest = build()
    left = list(builds.iterdir())
    assert newest.path in left
    assert len(left) <= 7


def test_a_failure_of_pip_is_reported_with_what_to_do(source, build, tmp_path, monkeypatch):
    (source / "requirements.txt").write_text("no-such-package==1.0 --hash=sha256:" + "0" * 64)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BundleError) as failed:
        build(HOST, lambda line: None)
    assert "No matching distribution found for no-such-package==1.0" in str(failed.value)
    assert "Check that a package index is reachable" in str(failed.value)


def test_what_no_function_needs_goes_and_what_imports_it_is_edited(tmp_path):
    """A folder with a file of each kind: packages that are installed are cut once, when the bundle is made."""
    ours = [f"{folder}/{name}" for folder, names in KEPT.items() for name in names if "." in name]
    left_out = [name if Path(name).suffix else f"{name}/a.py" for name in LEFT_OUT]
    strays = [f"{folder}/stray.py" for folder in KEPT]
    useless = ["boto3.dist-info/METADATA", "wrapt/tests/a.py", "types-stubs/a.py", "wrapt/a.pyi"]
    files = dict.fromkeys((*ours, *left_out, *strays, *useless, *WRITTEN), "")
    files |= {name: "\n" + "".join(changes) for name, changes in EDITED.items()}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy(Path(botocore.__file__).parent / "cacert.pem", tmp_path / "botocore")
    slim(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*ours, *EDITED, *WRITTEN, "botocore/cacert.pem", f"botocore/{ROOTS_FILE}"}
    assert all((tmp_path / name).read_text() == text for name, text in WRITTEN.items())
    for name, changes in EDITED.items():
        assert (tmp_path / name).read_text() == "\n" + "".join(changes.values())
