"""docs/reliability.md is the document that the tests' markers make."""

import ast
from pathlib import Path

import pytest

from testing.full import in_full
from tests import reliability_document
from tests.reliability_document import DOCUMENT, LIMITS, ROOT, ROWS, SECTIONS, document, shown_in


def test_the_document_is_current():
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "run: .venv/bin/python -m tests.reliability_document"
    )


def test_every_marker_is_read_and_make_soak_selects_every_test_that_runs_more_there():
    files = list((ROOT / "tests").rglob("test_*.py"))
    shown = [one for file in files for one in shown_in(file)]
    texts = [file.read_text(encoding="utf-8") for file in files if file != Path(__file__)]
    assert len(shown) == sum(text.count("@pytest.mark.row(") for text in texts)
    assert [one.full for one in shown] == ["`make soak`" in one.count for one in shown]
    assert {one.row for one in shown if one.full} == {6, 7, 10, 14, 15, 20, *range(26, 36)}


def test_a_row_without_a_test_says_so(monkeypatch):
    monkeypatch.setitem(reliability_document.ROWS, 99, "Nothing shows this")
    monkeypatch.setitem(reliability_document.SECTIONS, "More", range(99, 100))
    assert document().endswith("**99. Nothing shows this.**\n\nNo test shows this row.\n")


def test_a_marker_of_an_unknown_row_is_an_error(monkeypatch):
    monkeypatch.delitem(reliability_document.ROWS, 28)
    with pytest.raises(ValueError, match="28"):
        document()


def test_every_row_is_in_one_section():
    assert [number for numbers in SECTIONS.values() for number in numbers] == sorted(ROWS)
    assert LIMITS.keys() <= ROWS.keys()


def test_a_constant_has_what_make_test_runs_and_what_make_soak_runs():
    module = ast.parse('WALKS = in_full(1_000, 10_000)\nROWS = 5\nNAME = "a"')
    assert reliability_document._constants(module, 0) == {"WALKS": "1,000", "ROWS": "5"}
    assert reliability_document._constants(module, -1) == {"WALKS": "10,000", "ROWS": "5"}


def test_make_soak_sets_all_numbers_at_once(monkeypatch):
    assert in_full(5, 50) == 5
    monkeypatch.setenv("JOB_LEDGER_FULL", "1")
    assert in_full(5, 50) == 50
