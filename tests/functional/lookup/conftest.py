"""A stack with one look-up in it."""

import pytest

from jobledger.handlers import lookup as handlers
from jobledger.lookup.encryption import PropertyCipher
from testing.world import World
from tests.functional.lookup.lookups import JOBS, MINUTE, Stack


@pytest.fixture
def stack(monkeypatch):
    with World(JOBS, hostile=False) as world:
        world.sync()
        world.clock.forward(MINUTE)
        stack = Stack(world)
        monkeypatch.setenv("FAMILIES", "SNOMEDCT")
        monkeypatch.setattr(handlers, "_connect", lambda: (world.ledger, stack.sync))
        monkeypatch.setattr(handlers, "_cipher", lambda: PropertyCipher(stack.kms, "key"))
        monkeypatch.setattr(handlers, "_now", world.clock.now)
        yield stack
