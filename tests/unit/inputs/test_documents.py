"""The documents state each input as it is declared."""

import re
from pathlib import Path

import pytest

from jobledger.inputs.filters import IDEMPOTENCY_KEY
from jobledger.inputs.payloads import DIGEST_ON_DEMAND, DIGEST_SCHEDULED, OUTPUTS, sync_payload
from jobledger.lookup.request import PROPERTIES
from jobledger.service import Family
from testing.builders import SCOPE

DOCS = Path(__file__).parents[3] / "docs"
BOUNDS = ("minimum", "maximum", "minLength", "maxLength")


SYNC = sync_payload(tuple(Family), [SCOPE])


@pytest.mark.parametrize("payload", [SYNC, DIGEST_ON_DEMAND, DIGEST_SCHEDULED, OUTPUTS])
def test_the_payloads_have_their_tables(payload):
    values = re.compile(f": ({', '.join(Family)}|{SCOPE})$")  # docs/settings.md has them
    members = [(m.name, values.sub("", m.allowed), m.description) for m in payload.members.values()]
    rows = [f"| `{name}` | {allowed} | {meaning} |" for name, allowed, meaning in members]
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


def test_the_families_and_the_rule_of_the_idempotency_key_are_those_of_the_documents():
    rows = (DOCS / "settings.md").read_text().split("\n")
    (row,) = [row for row in rows if row.startswith("| `families` ")]
    assert f"`{','.join(Family)}`" in row
    assert IDEMPOTENCY_KEY.allowed in (DOCS / "api.md").read_text()
