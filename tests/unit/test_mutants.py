"""What `make mutants` says about scores, survivors and their reasons."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import mutants
from tests.mutants import PACKAGES, REASONS, ROOT, Score, report, write_results

SURVIVOR = "lookup.lookup._text: a → b"
NOTES = tomllib.loads(REASONS.read_text(encoding="utf-8"))


def scores(survivors: int, of: int = 100) -> dict[str, Score]:
    return {"lookup": Score("lookup", of, tuple([SURVIVOR] * survivors))}


@pytest.mark.parametrize(
    "survivors,explained,good,said",
    [
        (0, [], True, "100.0% of 100 mutants"),
        (10, [SURVIVOR], True, "90.0% of 100 mutants"),
        (11, [SURVIVOR], False, "89.0% of 100 mutants"),
        (1, [], False, "survived, without a reason"),
        (0, [SURVIVOR], False, "no longer a survivor"),
        (0, ["sync.walk.Sync.run: a → b"], True, "100.0% of 100 mutants"),
    ],
)
def test_every_survivor_has_a_reason_and_every_reason_a_survivor(
    survivors, explained, good, said, capsys
):
    assert report(scores(survivors), dict.fromkeys(explained, "because")) is good
    assert said in capsys.readouterr().out


def test_the_results_of_a_package_replace_its_row_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "RESULTS", tmp_path / "MUTANTS.md")
    write_results({"sync": Score("sync", 1000, ()), **scores(5)})
    write_results(scores(2))
    rows = (tmp_path / "MUTANTS.md").read_text().splitlines()[-len(PACKAGES) :]
    assert rows == [
        "| `lookup` | 100 | 98 | 2 | 98.0% |",
        "| `parameters` | | | | not run |",
        "| `sync` | 1,000 | 1,000 | 0 | 100.0% |",
        "| `digest` | | | | not run |",
        "| `ledger` | | | | not run |",
        "| `events` | | | | not run |",
    ]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, and a mutmut that does nothing."""
    for folder in ("lambda/jobledger", "tests", "testing", "local", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\nfilterwarnings = []\nmarkers = []\n"
    )
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "WORK", tmp_path / "work")
    done = SimpleNamespace(stdout="", returncode=0)
    monkeypatch.setattr("subprocess.run", lambda command, **_: done)
    return tmp_path


def write_results_of_mutmut(folder: Path) -> Path:
    """Write an exit code of each kind, as mutmut does."""
    codes = {"killed": 1, "endless": -24, "survived": 0, "untested": 33, "interrupted": 2}
    folder.mkdir()
    (folder / "mutmut-stats.json").write_text("{}")
    file = folder / "request.py.meta"
    file.write_text(json.dumps({"exit_code_by_key": codes, "durations_by_key": {"killed": 0.5}}))
    return file


@pytest.mark.parametrize(
    "changed,kept",
    [
        (None, {"killed": 1, "endless": -24, "survived": 0, "untested": 33}),
        ("tests/test_request.py", {"killed": 1, "endless": -24}),
        ("local/deploy.py", {"killed": 1, "endless": -24}),
        ("docs/api.md", {"killed": 1, "endless": -24}),
    ],
)
def test_after_a_change_of_the_tests_only_survivors_run_again(project, changed, kept):
    mutants.run("lookup", {})
    file = write_results_of_mutmut(project / "work/lookup/mutants")
    if changed:
        (project / changed).touch()
    mutants.run("lookup", {})
    results = json.loads(file.read_text())
    codes = results["exit_code_by_key"]
    assert kept == {name: code for name, code in codes.items() if code is not None}
    assert len(codes) == 5
    assert results["durations_by_key"] == {"killed": 0.5}


def test_survivors_run_again_with_the_tests_as_they_are_now(project):
    mutants.run("lookup", {})
    work = project / "work/lookup"
    write_results_of_mutmut(work / "mutants")
    (work / "mutants/tests").mkdir()
    (project / "tests/test_request.py").touch()
    mutants.run("lookup", {})
    assert (work / "tests/test_request.py").exists()
    # Mutmut copies what is not there, and finds out which functions the tests run.
    assert not (work / "mutants/tests").exists()
    assert not (work / "mutants/mutmut-stats.json").exists()


@pytest.mark.parametrize("ignored", [{}, {"logger": "wording"}])
def test_a_change_of_the_code_or_the_ignore_list_runs_all_mutants_again(project, ignored):
    mutants.run("lookup", {})
    file = write_results_of_mutmut(project / "work/lookup/mutants")
    if not ignored:
        (project / "lambda/jobledger/request.py").touch()
    mutants.run("lookup", ignored)
    assert not file.exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_modules_and_tests(package):
    for modules in PACKAGES[package].modules:
        assert list((ROOT / "lambda/jobledger").glob(modules))
    assert all((ROOT / path).exists() for path in PACKAGES[package].tests)


@pytest.mark.parametrize("survivor", NOTES["survivors"])
def test_what_a_reason_is_about_is_in_the_code(survivor):
    function, _, change = survivor.partition(": ")
    module = "/".join(part for part in function.split(".") if part.islower())
    files = [
        file
        for file in (ROOT / "lambda/jobledger").rglob("*.py")
        if module.startswith(str(file.relative_to(ROOT / "lambda/jobledger").with_suffix("")))
    ]
    code = " ".join(line.strip() for file in files for line in file.read_text("utf-8").splitlines())
    assert change.partition(" → ")[0] in code
