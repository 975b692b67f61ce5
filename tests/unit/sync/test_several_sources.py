"""Syncs of several sources of one ledger: no source touches another one's rows, and the counters of each are right."""

import pytest

from testing.full import in_full
from testing.several_sources import SeveralSources


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", lambda seconds: None)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(in_full(12, 200)))
def test_whatever_syncs_of_several_sources_meet_the_counters_of_each_are_those_of_its_rows(seed):
    world = SeveralSources(seed)
    for _ in range(60):
        world.act()
    world.converge()
