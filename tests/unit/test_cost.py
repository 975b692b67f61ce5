"""The table of docs/cost.md is what `bench/cost.py` computes from counted requests."""

import pytest

from bench.cost import DOCUMENT, OUTPUTS_GOAL, SHOWN, outputs_cost, shown

# A month is counted once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cost")]


def test_the_document_shows_the_computed_bill():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == shown(text)


def test_outputs_cost_no_more_than_their_goal():
    assert sum(outputs_cost(SHOWN).values()) <= OUTPUTS_GOAL
