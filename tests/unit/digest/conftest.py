"""The environment of the digest function, and a world to run it in."""

import pytest

from testing.digests import ENVIRONMENT, DigestWorld


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def world() -> DigestWorld:
    return DigestWorld()
