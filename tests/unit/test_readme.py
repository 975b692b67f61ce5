"""The README and the docs are true: commands, settings, outputs, links, paths, recipes and examples."""

import json
import re
from pathlib import Path

import pytest

from job_ledger.command.table import COLUMNS
from jobledger.events.eventbridge import detail_of
from jobledger.ledger.rows import Change
from jobledger.service import Family
from stacks.settings import Settings, setting_keys
from testing.builders import SCOPE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COST = (ROOT / "docs" / "cost.md").read_text()
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text()
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What make writes, and the local deployment.
MADE = (".venv/", ".venv-", ".local/", "cdk.out")
FOLDERS = "lambda|stacks|local|testing|tests|docs|bench|soak|examples|job_ledger|job_ledger_lookup|openapi"
PATH = re.compile(
    rf"`((?:{FOLDERS})(?:/[\w.-]+)+/?"  # from the root
    r"|\w[\w/-]*\.(?:py|md|toml|json|txt|sh))(?:::\w+)?`"  # a file, from the root or the functions' package
)
PLACES = (ROOT, ROOT / "lambda" / "jobledger", ROOT / "docs", ROOT / "lambda")


def rows(document: str) -> dict[str, str]:
    """The first and the last column of the first table of a document."""
    text = (ROOT / "docs" / document).read_text()
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip().strip("`"): row[-1].strip().strip("`") for row in cells}


def test_the_readme_has_120_lines_at_most_and_the_table_of_jobs_of_the_command():
    assert len(README.splitlines()) <= 120
    heading = README.split("$ jobledger jobs", 1)[1].splitlines()[1].split()
    assert heading == list(COLUMNS[: len(heading)])


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_make_target_link_and_path_that_is_named_exists(document):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = document.read_text()
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", text)) <= set(targets)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("http") or (document.parent / link).exists(), link
    paths = paths_in(text)
    assert {path for path in paths if not any((place / path).exists() for place in PLACES)} == set()


def test_the_settings_and_the_variables_of_make_local_have_the_documented_defaults():
    table = rows("settings.md")
    assert set(setting_keys()) == set(table)
    for key in (
        *("digestSchedule", "digestTimezone", "digestWhen", "includeJobDetails", "chatDigests"),
        *("alertOn", "syncMinutes", "retainLedger", "keepWarm", "bundleFor"),
    ):
        default = getattr(Settings(), re.sub("([A-Z])", r"_\1", key).lower())
        shown = ",".join(default) if isinstance(default, tuple | list) else str(default)
        assert table[key] == (shown.lower() if isinstance(default, bool) else shown), key
    table = rows("local.md")
    options = (ROOT / "local" / "options.py").read_text()
    for name in ("AWS_PORT", "COMPREHEND_PORT"):
        assert f'("{name}", "{table[name]}"' in options


def test_the_sum_of_what_it_costs_is_right():
    table = COST.split("## ", 1)[0].splitlines()
    costs = [line.split("|")[-2].strip() for line in table if line.startswith("| ")]
    *parts, total = [float(cost.strip("*")) for cost in costs if re.fullmatch(r"[*\d.]+", cost)]
    assert round(sum(parts), 2) == total
    assert f"[about {total:.0f} dollars](docs/cost.md) at 1,000 jobs a day" in README


def test_measured_ratios_and_computed_months_are_in_one_place():
    months = re.findall(r"\d+\.\d\d(?= dollars|\.\s|\*\* \|)", COST.split("## ", 1)[0])
    assert len(months) == 3
    for document in DOCS:
        text = document.read_text().split("## What pays", 1)[0]  # a history of changes
        if document.name != "cost.md":
            assert not re.search(r"\d ×|\d times (?:that|as long)", text), document.name
            assert not any(month in text for month in months), document.name


def test_the_event_in_the_docs_is_what_is_sent():
    text = (ROOT / "docs" / "events.md").read_text()
    shown = json.loads(text.split("```json\n", 1)[1].split("```", 1)[0])["detail"]
    change = Change(Family.SNOMEDCT, "j", "COMPLETED", "IN_PROGRESS", "s", "e", "o")
    assert list(shown) == list(detail_of(change, SCOPE, None))


def paths_in(text: str) -> list[str]:
    return [path for path in PATH.findall(text) if not path.startswith(MADE)]


# A thing that was added before, by its names in the code; every file that knows it has to be in the recipe.
# Files that have it for a reason of their own are listed with it.
KNOWN: dict[str, tuple[str, set[str]]] = {
    "Add a family": ("ENTITIES_V2|EntitiesDetectionV2|entities_detection_v2|entities-detection-v2",
                     {"docs/digests.md", "docs/operations.md", "local/comprehend_medical/sample.py"}),  # examples
    "Add a filter": ("JobNamePrefix|name_prefix",  # examples, costs
                     {"docs/api.md", "docs/cookbook.md", "docs/runbook.md", "openapi/document.py"}),
    "Add a section to digests": ("long_running|LongRunning", set()),
}  # fmt: skip
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
    section = CONTRIBUTING.split(f"\n## {recipe}\n", 1)[1].split("\n## ", 1)[0]
    assert files_with(pattern) - others == files_with(pattern) & set(paths_in(section))


def test_github_clones_the_history_that_a_test_needs():
    """The test that updates an earlier release takes it from there, and fails in CI without it."""
    for workflow in ("ci.yml", "nightly.yml"):
        text = (ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
        checkouts = re.findall(r"- uses: actions/checkout@.*\n((?: {8,}.*\n)*)", text)
        assert ["fetch-depth: 0" in options for options in checkouts] == [True] * len(checkouts)
        assert checkouts
