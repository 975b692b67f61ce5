"""What AWS does with a signed request: Signature Version 4, recomputed from the request as it arrived.

Written from AWS's documentation ("Create a signed AWS API request"), not with a signer's code: a signer cannot
show that it is right. The payload is part of it, and every `x-amz-` header and the host must be signed.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from posixpath import normpath
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^/]+)/(\d{{8}})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_MOST_APART = timedelta(minutes=5)


def canonical_query(query: str) -> str:
    """Return the canonical form of a query: decoded, encoded once, sorted by encoded name, then value.

    A `+` is a plus: RFC 3986 has no other meaning for it, though many servers, API Gateway among them, then
    hand a space to the application. So a `+` in a query is never what its sender meant.
    """
    pairs = (part.partition("=")[::2] for part in query.split("&") if part)
    encoded = [tuple(quote(unquote_to_bytes(text), safe="-_.~") for text in pair) for pair in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def canonical_request(
    method: str, target: str, headers: Mapping[str, str], signed: list[str], body: bytes
) -> str:
    """Return the canonical request. `target` is that of the request line, names of headers are in lower case."""
    path, _, query = target.partition("?")
    # All services but S3: dot segments are resolved, and the path of the wire is encoded again.
    plain = normpath(f"/{path.strip('/')}")
    plain += "/" if path.endswith("/") and plain != "/" else ""
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in signed]
    return "\n".join(
        (
            method,
            quote(plain, safe="/-_.~"),
            canonical_query(query),
            "".join(lines),
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        )
    )


def signature(canonical: str, secret: str, time: str, region: str, service: str) -> str:
    """Return the signature of a canonical request."""
    key = f"AWS4{secret}".encode()
    for part in (time[:8], region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    return hmac.digest(key, "\n".join((ALGORITHM, time, scope, hashed)).encode(), "sha256").hex()


def is_right(
    method: str, target: str, headers: Mapping[str, str], body: bytes, secret: str = "test"
) -> bool:
    """Return whether `execute-api` in us-east-1 accepts a request that the key `test` has signed."""
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not match:
        return False
    key, day, *scope, names, given = match.groups()
    time, signed = headers.get("x-amz-date", ""), names.split(";")
    if (key, day, *scope) != ("test", time[:8], "us-east-1", "execute-api"):
        return False
    sent = datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - sent) > _MOST_APART or signed != sorted(signed):
        return False
    if not {"host", "x-amz-date"} <= set(signed) <= headers.keys():
        return False
    canonical = canonical_request(method, target, headers, signed, body)
    return signature(canonical, secret, time, *scope) == given
