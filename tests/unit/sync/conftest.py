"""The scripted service of the tests of walks."""

import pytest

from testing.builders import MINUTE, NOW
from tests.unit.sync.scripted_service import Service, a_job, page


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def synced(service):
    """A service whose first fill had one page with one job; a minute has passed."""
    service.sync(page(a_job("old")))
    service.now = NOW + MINUTE
    return service
