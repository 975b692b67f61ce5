"""A stack with one look-up in it."""

import pytest

from tests.functional.lookup.lookups import deployed


@pytest.fixture
def stack():
    with deployed() as stack:
        yield stack
