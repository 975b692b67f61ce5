"""An API on a small ledger: seven SNOMED CT jobs, a failed PHI job and a published digest."""

from typing import Any

import pytest

from jobledger.digest.claims import DigestState, DigestStateRow, Sent
from jobledger.service import Family
from testing.api import running_api
from testing.builders import full_job

WINDOW = {"Start": "2026-11-22T08:00:00.000Z", "End": "2026-11-23T08:00:00.000Z"}
A_DIGEST: dict[str, Any] = {
    "DigestId": "144db3b116a52a1dd65327e810103fe3", "MessageId": "m", "Window": WINDOW, "Counts": {"COMPLETED": 1},
}  # fmt: skip


@pytest.fixture
def api():
    with running_api() as running:
        running.fill(*(full_job(number) for number in range(1, 8)))
        running.fill(full_job(8, JobStatus="FAILED", Message="no"), family=Family.PHI)
        running.mark_synced()
        running.answer_of_function = A_DIGEST
        # As a run of the digest function leaves it.
        window = WINDOW["Start"], WINDOW["End"]
        sent = Sent(A_DIGEST["DigestId"], *window, A_DIGEST["Counts"], "m")
        rows = DigestStateRow(running.ledger.table, running.ledger.scope)
        assert rows.save(DigestState(last=sent))
        yield running
