"""The table of docs/cost.md is what `bench/cost.py` computes from counted requests."""

import pytest

from bench.cost import DOCUMENT, GOALS, bill, shown
from bench.month import month

# A month is counted once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cost")]


def test_the_document_shows_the_computed_bill():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == shown(text)


def test_the_counts_grow_with_the_jobs():
    months = [month(jobs) for jobs in GOALS]
    assert [counted.jobs for counted in months] == [0, 30_000, 300_000]
    # Three changes of each job: submitted, in progress, completed.
    assert [round(counted.changes / 30_000, 1) for counted in months] == pytest.approx(
        [0, 3, 30], rel=0.1
    )
    assert months[0].writes < months[1].writes < months[2].writes
    assert months[0].stored_bytes < 1_000_000 < months[1].stored_bytes


def test_every_part_of_the_bill_is_counted_once():
    names = [item.name for item in bill(1_000).items]
    assert len(names) == len(set(names))
    assert bill(0).total < bill(1_000).total < bill(10_000).total
