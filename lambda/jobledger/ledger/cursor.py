"""NextToken: the position where a page ended, sealed and bound to its query.

A token is `version | seal | position` in URL-safe base64. The seal is a keyed hash of the version, the
query and the position. An altered byte, another query or another deployment's token is rejected. The
position is the submit time and id of the last job of a page; it is not secret. A token does not expire.

The seal's key is the table's name, which a caller may know: a token gives no access. It is there for mistakes, not
for attackers: a caller who seals a position of their own gets a page that they could read anyway, or 400.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import json

import msgspec
from msgspec.structs import asdict

from jobledger.errors import InvalidToken
from jobledger.ledger.job_query import JobQuery
from jobledger.service import Family
from jobledger.times import is_time

_VERSION = b"\x01"
_SEAL_BYTES = 16
_LONGEST_KEY = 1_024  # of a sort key of DynamoDB


class Position(msgspec.Struct, frozen=True):
    """The last job on a page, and the time when the traversal over the pages began.

    `as_of` limits the traversal to jobs that the ledger knew then: one time, or one for each family of the query,
    in its order and separated by commas.
    """

    sort_key: str
    family: Family
    as_of: str


def beginning(as_of: str, query: JobQuery, family: Family) -> str:
    """Return the time of `Position.as_of` for a family of the query."""
    times = as_of.split(",")
    return times[query.families.index(family)] if times[1:] else as_of


def seal(position: Position, query: JobQuery, key: str) -> str:
    """Return the token for a position in a query's results, under 512 characters."""
    body = f"{position.as_of};{position.family};{position.sort_key}".encode()
    return _to_text(_VERSION + _seal_of(body, query, key) + body)


def unseal(token: str, query: JobQuery, key: str) -> Position:
    """Return the position in a token of this query. Raises InvalidToken for any other text."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidToken from error
    version, sealed, body = raw[:1], raw[1 : 1 + _SEAL_BYTES], raw[1 + _SEAL_BYTES :]
    # Several base64 texts decode to the same bytes. Only the issued text is valid.
    if version != _VERSION or _to_text(raw) != token:
        raise InvalidToken
    if not hmac.compare_digest(sealed, _seal_of(body, query, key)):
        raise InvalidToken
    return _position(body, query)


def _position(body: bytes, query: JobQuery) -> Position:
    """Return the position in a sealed body. Raises InvalidToken unless it belongs to the query."""
    try:
        as_of, family, sort_key = body.decode().split(";", 2)
        position = Position(sort_key, Family(family), as_of)
    except ValueError as error:
        raise InvalidToken from error
    times = as_of.split(",")
    low, high = query.key_range
    if (
        len(times) not in (1, len(query.families))
        or not all(map(is_time, times))
        or not low <= sort_key <= high
        or len(sort_key.encode()) > _LONGEST_KEY
    ):
        raise InvalidToken
    return position


def _seal_of(body: bytes, query: JobQuery, key: str) -> bytes:
    message = b"\x00".join((_VERSION, canonical(query), body))
    return hmac.digest(key.encode(), message, hashlib.sha256)[:_SEAL_BYTES]


@functools.lru_cache(maxsize=16)
def canonical(query: JobQuery) -> bytes:
    """Return the bytes that identify a query: what tokens and idempotency keys are bound to."""
    named = asdict(query)
    del named["sources"]  # the filters say what a caller asked for; what they select can change
    for name in ("active", "accounts", "regions"):
        if not named[name]:
            del named[name]  # tokens that were issued before this filter existed stay valid
    return json.dumps(named, sort_keys=True).encode()


def _to_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
