"""The digest that was published last."""

from typing import Any

from jobledger.digest.claims import DigestState, DigestStateRow, Sent

A_DIGEST: dict[str, Any] = {
    "DigestId": "144db3b116a52a1dd65327e810103fe3",
    "MessageId": "m",
    "Window": {"Start": "2026-11-22T08:00:00.000Z", "End": "2026-11-23T08:00:00.000Z"},
    "Counts": {"COMPLETED": 1},
}


def put_last_digest(api):
    """Store the row that a run of the digest function leaves."""
    window = A_DIGEST["Window"]
    sent = Sent(
        A_DIGEST["DigestId"],
        window["Start"],
        window["End"],
        A_DIGEST["Counts"],
        A_DIGEST["MessageId"],
    )
    rows = DigestStateRow(api.ledger.table, api.ledger.scope)
    assert rows.save(DigestState(last=sent))
