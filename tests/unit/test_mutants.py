"""What `make mutants` says about scores, survivors and their reasons."""

import json
import tomllib
from types import SimpleNamespace

import pytest

from tests import mutants
from tests.mutants import PACKAGES, REASONS, ROOT, Score, report, write_results

SURVIVOR = "lookup.lookup._text: a → b"


def scores(survivors: int, of: int = 100) -> dict[str, Score]:
    return {"lookup": Score("lookup", of, tuple([SURVIVOR] * survivors))}


@pytest.mark.parametrize(
    "survivors, explained, good, said",
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
    run = {"lookup": "100 | 98 | 2 | 98.0%", "sync": "1,000 | 1,000 | 0 | 100.0%"}
    assert rows == [f"| `{name}` | {run.get(name, '| | | not run')} |" for name in PACKAGES]


@pytest.mark.parametrize(
    "changed, kept",
    [
        (None, {"killed": 1, "endless": -24, "survived": 0, "untested": 33}),
        # After a change of the tests alone, only survivors run again.
        ("tests/test_request.py", {"killed": 1, "endless": -24}),
        ("docs/api.md", {"killed": 1, "endless": -24}),
        ("lambda/jobledger/request.py", {}),
    ],
)
def test_what_a_change_can_have_changed_is_run_again(tmp_path, monkeypatch, changed, kept):
    for folder in mutants._CODE | mutants._TESTS:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\nfilterwarnings = []\nmarkers = []\n"
    )
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "WORK", tmp_path / "work")
    done = SimpleNamespace(stdout="", returncode=0)
    monkeypatch.setattr("subprocess.run", lambda command, **_: done)
    mutants.run("lookup", {})
    # An exit code of each kind, as mutmut writes it.
    codes = {"killed": 1, "endless": -24, "survived": 0, "untested": 33, "interrupted": 2}
    folder = tmp_path / "work/lookup/mutants"
    (folder / "tests").mkdir(parents=True)
    (folder / "mutmut-stats.json").write_text("{}")
    file = folder / "request.py.meta"
    file.write_text(json.dumps({"exit_code_by_key": codes, "durations_by_key": {"killed": 0.5}}))
    if changed:
        (tmp_path / changed).touch()
    mutants.run("lookup", {})
    results = json.loads(file.read_text()) if kept else {"exit_code_by_key": {}}
    left = {name: code for name, code in results["exit_code_by_key"].items() if code is not None}
    assert left == kept
    assert file.exists() is bool(kept)
    # Mutmut copies what is not there, and finds out which functions the tests run.
    assert (folder / "tests").exists() is (changed is None)
    assert (folder / "mutmut-stats.json").exists() is (changed is None)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_modules_and_tests(package):
    for modules in PACKAGES[package].modules:
        assert list((ROOT / "lambda/jobledger").glob(modules))
    assert all((ROOT / path).exists() for path in PACKAGES[package].tests)


def test_what_a_reason_is_about_is_in_the_code():
    package = ROOT / "lambda/jobledger"
    code = {
        ".".join(file.relative_to(package).with_suffix("").parts): " ".join(
            line.strip() for line in file.read_text("utf-8").splitlines()
        )
        for file in package.rglob("*.py")
    }
    for survivor in tomllib.loads(REASONS.read_text(encoding="utf-8"))["survivors"]:
        function, _, change = survivor.partition(": ")
        found = [text for module, text in code.items() if function.startswith(f"{module}.")]
        assert any(change.partition(" → ")[0] in text for text in found), survivor
