"""GET /digests: the last published digest, of the schedule or of a request without a window."""

from typing import Any

import msgspec

from jobledger.digest_answers import together
from jobledger.errors import DigestNotFound
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Row
from jobledger.sources import series_key


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
    """Return the last digest in the form of the answer to POST /digests. Raises DigestNotFound.

    Where each source has digests of its own, these are the last ones, unless one of the whole ledger is later.
    """
    last = _last(ledger.table.get({"PK": "digest", "SK": ledger.scope}))
    by_source = _by_source(ledger) if ledger.is_shared else {}
    if by_source and max(each.end for each in by_source.values()) > (last.end if last else ""):
        return together({source: _answer(each) for source, each in by_source.items()})
    if last is None:
        raise DigestNotFound
    return _answer(last)


def _by_source(ledger: Ledger) -> dict[str, _Sent]:
    keys = {series_key(ledger.scope, source): source for source in ledger.sources}
    rows = ledger.table.batch_get([{"PK": "digest", "SK": key} for key in keys])
    found = dict(readable(rows, lambda row: (keys[str(row["SK"])], _last(row))))
    return {source: last for source in ledger.sources if (last := found.get(source))}


def _last(row: Row | None) -> _Sent | None:
    return msgspec.json.decode(str(row["Digest"]), type=_State).last if row else None


def _answer(sent: _Sent) -> dict[str, Any]:
    return {
        "DigestId": sent.digest_id,
        "MessageId": sent.message_id,
        "Window": {"Start": sent.start, "End": sent.end},
        "Counts": sent.counts,
    }
