"""The README and the docs are true: commands, settings, outputs, links and examples."""

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
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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
def test_every_make_target_and_file_that_is_named_exists(document):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = document.read_text()
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", text)) <= set(targets)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("http") or (document.parent / link).exists(), link


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
    costs = [line.split("|")[-2].strip() for line in COST.splitlines() if line.startswith("| ")]
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
