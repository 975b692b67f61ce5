"""docs/reliability.md is the document that the tests' markers make."""

import ast

import pytest

from tests import reliability_document
from tests.reliability_document import DOCUMENT, LIMITS, ROOT, ROWS, SECTIONS, document, shown_in


def test_the_document_is_current():
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "run: .venv/bin/python -m tests.reliability_document"
    )


def test_every_marker_is_read():
    marked = sum(
        file.read_text(encoding="utf-8").count("@pytest.mark.row(")
        for file in (ROOT / "tests").rglob("*.py")
        if file.name not in ("test_reliability.py", "reliability_document.py")
    )
    assert marked == sum(1 for file in (ROOT / "tests").rglob("test_*.py") for _ in shown_in(file))


def test_a_row_without_a_test_says_so(monkeypatch):
    monkeypatch.setitem(reliability_document.ROWS, 99, "Nothing shows this")
    monkeypatch.setitem(reliability_document.SECTIONS, "More", range(99, 100))
    assert document().endswith("**99. Nothing shows this.**\n\nNo test shows this row.\n")


def test_a_marker_of_an_unknown_row_is_an_error(monkeypatch):
    monkeypatch.delitem(reliability_document.ROWS, 28)
    with pytest.raises(ValueError, match="28"):
        document()


def test_every_row_is_in_one_section():
    assert [number for numbers in SECTIONS.values() for number in numbers] == [*ROWS]
    assert LIMITS.keys() <= ROWS.keys()


def test_a_constant_is_the_default_of_its_environment_variable():
    source = 'WALKS = int(os.environ.get("JOB_LEDGER_WALKS", "10000"))\nROWS = 5\nNAME = "a"'
    constants = dict(reliability_document._constants(ast.parse(source)))
    assert constants == {"WALKS": "10,000", "ROWS": "5"}
