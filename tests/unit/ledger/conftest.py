"""Pauses that take no time."""

import pytest


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """The pauses between attempts, each the longest that it can be."""
    seconds: list[float] = []
    monkeypatch.setattr("jobledger.ledger.table.random.random", lambda: 1.0)
    monkeypatch.setattr("jobledger.ledger.table.time.sleep", seconds.append)
    return seconds
