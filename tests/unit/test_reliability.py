"""docs/reliability.md: every row is shown by tests, and those that `make soak` runs more often are selected by it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\| `(tests/[\w/.]+)::(\w+)` \| (.+) \|$", TEXT, re.MULTILINE)


def marks_of(file: str, test: str) -> list[str]:
    """The decorators of a test; none for a test that does not exist."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == test]
    assert named, f"{file}::{test}"
    return [ast.unparse(decorator) for decorator in named[0].decorator_list]


def test_each_row_is_shown_by_a_test():
    _, *rows = re.split(r"^\*\*(\d+)\. ", TEXT, flags=re.MULTILINE)
    assert [*map(int, rows[::2])] == [*range(1, 38)]
    assert [text for text in rows[1::2] if "::" not in text] == []


def test_make_soak_selects_every_test_that_runs_more_there():
    for file, test, runs in SHOWN:
        assert ("pytest.mark.full" in marks_of(file, test)) == ("; `make soak`: " in runs), test
