"""One deployment for all end-to-end tests, which talk to it over HTTP and SNS to SQS only, and one with IAM enforced."""

from collections.abc import Iterator

import pytest

from tests.e2e.account import made_up_jobs
from tests.e2e.deployment import ROOT, Deployment, deployed
from tests.e2e.enforced import ALLOWED_ACCOUNT, Enforced
from tests.e2e.local_aws import own_aws


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with deployed(ROOT / ".local" / "e2e", made_up_jobs()) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def enforced() -> Iterator[Enforced]:
    with own_aws(ROOT / ".local" / "enforced", made_up_jobs(), enforce_iam=True) as own:
        accounts = f"allowedAccounts={ALLOWED_ACCOUNT}"
        yield Enforced(own, own.deploy("chatDigests=true", "includeJobDetails=true", accounts))


@pytest.fixture(autouse=True)
def first_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Reset the stand-in of the shared deployment after each test that may have changed it."""
    yield
    if "deployment" in request.fixturenames:
        request.getfixturevalue("deployment").control("reset")
