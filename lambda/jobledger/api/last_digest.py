"""GET /digests: the last published digest, of the schedule or of a request without a window."""

from typing import Any

import msgspec

from jobledger.errors import DigestNotFound
from jobledger.ledger.ledger import Ledger


class _Sent(msgspec.Struct, rename="pascal"):
    """The parts of a published digest that the answer has, as `digest.claims` writes them."""

    digest_id: str
    start: str
    end: str
    counts: dict[str, int]
    message_id: str


class _State(msgspec.Struct, rename="pascal"):
    last: _Sent | None = None


def read_last_digest(ledger: Ledger) -> dict[str, Any]:
    """Return the last digest in the form of the answer to POST /digests. Raises DigestNotFound."""
    row = ledger.table.get({"PK": "digest", "SK": ledger.scope})
    sent = msgspec.json.decode(str(row["Digest"]), type=_State).last if row else None
    if sent is None:
        raise DigestNotFound
    return {
        "DigestId": sent.digest_id,
        "MessageId": sent.message_id,
        "Window": {"Start": sent.start, "End": sent.end},
        "Counts": sent.counts,
    }
