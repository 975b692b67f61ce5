"""A deployment for end-to-end tests, which talk to it over HTTP and SNS to SQS only, and one with IAM enforced.

Tests that start jobs do so in the family PHI; those that compare all jobs with the file do so in the others.
"""

import os
from collections.abc import Iterator

import pytest

from local.options import ROOT
from tests.e2e.account import COUNTS, FEW, made_up_jobs
from tests.e2e.deployment import Deployment, deployed
from tests.e2e.enforced import ALLOWED_ACCOUNT, OUTPUT_KEY, Enforced
from tests.e2e.local_aws import own_aws


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with deployed(ROOT / ".local" / f"e2e-{worker}", made_up_jobs(COUNTS)) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def enforced() -> Iterator[Enforced]:
    with own_aws(ROOT / ".local" / "enforced", made_up_jobs(FEW), enforce_iam=True) as own:
        accounts = f"allowedAccounts={ALLOWED_ACCOUNT}"
        settings = (
            "chatDigests=true",
            "includeJobDetails=true",
            "outputBuckets=codes/out/",
            accounts,
        )
        outputs = own.deploy(*settings, f"outputKeyArns={OUTPUT_KEY}")
        own.control("settings", submitted_seconds=3, in_progress_seconds=3, late_jobs=False)
        yield Enforced(*own.places(outputs), own)


@pytest.fixture(autouse=True)
def first_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Reset the stand-in of the shared deployment after each test that may have changed it."""
    yield
    if "deployment" in request.fixturenames:
        request.getfixturevalue("deployment").control("reset")
