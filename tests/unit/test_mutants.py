"""What `make mutants` says about scores, survivors and their reasons."""

import tomllib

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
    ]


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
