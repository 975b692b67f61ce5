"""What `make mutants` says about scores, survivors and their reasons."""

import tomllib

import pytest

from tests.mutants import PACKAGES, REASONS, ROOT, Score, report

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


def test_each_package_has_modules_and_tests():
    for package in PACKAGES.values():
        assert all(list((ROOT / "lambda/jobledger").glob(modules)) for modules in package.modules)
        assert all((ROOT / path).exists() for path in package.tests)


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
