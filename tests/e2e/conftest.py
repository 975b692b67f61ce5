"""One deployment for all end-to-end tests; they talk to it over HTTP and SNS to SQS only."""

from collections.abc import Iterator

import pytest

from tests.e2e.account import made_up_jobs
from tests.e2e.deployment import ROOT, Deployment, deployed


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with deployed(ROOT / ".local" / "e2e", made_up_jobs()) as deployment:
        yield deployment
