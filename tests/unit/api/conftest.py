"""An API on a small ledger: seven SNOMED CT jobs, a failed PHI job and a published digest."""

import pytest

from jobledger.service import Family
from testing.api import running_api
from testing.builders import full_job
from tests.unit.api.last_digest import A_DIGEST, put_last_digest


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(*(full_job(number) for number in range(1, 8)))
        running.fill(full_job(8, JobStatus="FAILED", Message="no"), family=Family.PHI)
        running.mark_synced()
        running.answer_of_function = A_DIGEST
        put_last_digest(running)
        yield running
