"""A world to run the digest function in."""

import pytest

from testing.digests import DigestWorld


@pytest.fixture
def world() -> DigestWorld:
    return DigestWorld()
