"""The paths that the documents name exist, and the recipes of docs/contributing.md name all there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What make writes, and the local deployment.
MADE = (".venv/", ".venv-", ".local/", "cdk.out")
FOLDERS = "lambda|stacks|local|testing|tests|docs|bench|soak|examples|job_ledger|job_ledger_lookup|openapi"
PATH = re.compile(
    rf"`((?:{FOLDERS})(?:/[\w.-]+)+/?"  # from the root
    r"|\w[\w/-]*\.(?:py|md|toml|json|txt|sh))(?:::\w+)?`"  # a file, from the root or the functions' package
)
PLACES = (ROOT, ROOT / "lambda" / "jobledger", ROOT / "docs", ROOT / "lambda")


def paths_in(text: str) -> list[str]:
    return [path for path in PATH.findall(text) if not path.startswith(MADE)]


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_path_that_is_named_exists(document):
    paths = paths_in(document.read_text(encoding="utf-8"))
    absent = {path for path in paths if not any((place / path).exists() for place in PLACES)}
    assert absent == set()


def test_the_first_thing_shown_is_one_file_of_tests_which_needs_one_environment():
    text = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    setup, run = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0].splitlines()
    assert text.index(run) < text.index("make test")
    assert setup == "make setup"
    assert "\nsetup:  ##" in (makefile := (ROOT / "Makefile").read_text())
    assert makefile.split("\nsetup:", 1)[1].split("\n")[1].strip() == "$(SETUP) app dev"
    assert (ROOT / run.split()[-1]).exists()


# A thing that was added before, by its names in the code; every file that knows it has to be in the recipe.
# Files that have it for a reason of their own are listed with it.
KNOWN: dict[str, tuple[str, set[str]]] = {
    "Add a family": (
        "ENTITIES_V2|EntitiesDetectionV2|entities_detection_v2|entities-detection-v2",
        # examples
        {"docs/digests.md", "docs/operations.md", "local/comprehend_medical/sample.py"},
    ),
    "Add a filter": (
        "JobNamePrefix|name_prefix",
        # examples, costs
        {"docs/api.md", "docs/cookbook.md", "docs/runbook.md", "openapi/document.py"},
    ),
    "Add a section to digests": ("long_running|LongRunning", set()),
}
SOURCES = ("lambda", "openapi", "stacks", "local", "job_ledger", "docs", "README.md")
GENERATED = {"docs/openapi.json", "lambda/jobledger/api/static/openapi.json"}


def files_with(pattern: str) -> set[str]:
    """Return the files of the product and its documents that contain a pattern."""
    found = {
        str(file.relative_to(ROOT))
        for source in SOURCES
        for file in [ROOT / source, *(ROOT / source).rglob("*")]
        if file.suffix in (".py", ".md", ".json")
        and re.search(pattern, file.read_text(encoding="utf-8"))
    }
    return found - GENERATED - {"docs/contributing.md"}


@pytest.mark.parametrize("recipe", KNOWN)
def test_a_recipe_names_every_file_that_knows_such_a_thing(recipe):
    pattern, others = KNOWN[recipe]
    text = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {recipe}\n", 1)[1].split("\n## ", 1)[0]
    assert files_with(pattern) - others == files_with(pattern) & set(paths_in(section))


def test_github_clones_the_history_that_a_test_needs():
    """The test that updates an earlier release takes it from there, and fails in CI without it."""
    for workflow in ("ci.yml", "nightly.yml"):
        text = (ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
        checkouts = re.findall(r"- uses: actions/checkout@.*\n((?: {8,}.*\n)*)", text)
        assert ["fetch-depth: 0" in options for options in checkouts] == [True] * len(checkouts)
        assert checkouts
