"""The documents state each input as it is declared."""

import re
from pathlib import Path

import pytest

from jobledger.inputs.filters import IDEMPOTENCY_KEY
from jobledger.inputs.payloads import DIGEST_ON_DEMAND, DIGEST_SCHEDULED, OUTPUTS, sync_payload
from jobledger.lookup.request import PROPERTIES
from jobledger.service import Family

DOCS = Path(__file__).parents[3] / "docs"
BOUNDS = ("minimum", "maximum", "minLength", "maxLength")


@pytest.mark.parametrize(
    "payload", [sync_payload(tuple(Family)), DIGEST_ON_DEMAND, DIGEST_SCHEDULED, OUTPUTS]
)
def test_the_payloads_have_their_tables(payload):
    rows = [f"| `{m.name}` | {m.allowed} | {m.description} |" for m in payload.members.values()]
    rows = [
        row.replace(f": {', '.join(Family)} |", " |") for row in rows
    ]  # docs/settings.md has them
    table = "\n".join(["| member | value | meaning |", "|---|---|---|", *rows])
    assert f"\n\n{table}\n" in (DOCS / "operations.md").read_text()


def test_the_properties_of_the_custom_resource_have_their_bounds_in_the_table():
    section = (DOCS / "lookup.md").read_text().split("## Properties")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))
    assert list(rows) == list(PROPERTIES)
    for name, declared in PROPERTIES.items():
        bounds = [declared.schema[bound] for bound in BOUNDS if bound in declared.schema]
        listed = [word for word in declared.schema.get("enum", ()) if word not in [*Family]]
        for word in [*listed, *bounds]:
            assert re.search(rf"\b{word}\b", rows[name]), (name, word)


def test_the_settings_name_the_families():
    row = next(
        line for line in (DOCS / "settings.md").read_text().split("\n") if "`families`" in line
    )
    assert f"`{','.join(Family)}`" in row


def test_the_rule_of_the_idempotency_key_is_that_of_the_document():
    assert IDEMPOTENCY_KEY.allowed in (DOCS / "api.md").read_text()
