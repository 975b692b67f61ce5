"""Which format and which encoding a caller gets, from what its headers accept (RFC 9110, 12.4 and 12.5)."""

import gzip
import re
from collections.abc import Mapping

from jobledger.errors import NotAcceptable

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.ASCII | re.IGNORECASE)
# Below this the answer fits one packet either way.
_WORTH_COMPRESSING = 1_024
# Level 6 takes three times as long for a tenth less.
_GZIP_LEVEL = 3


def chosen_format(accept: str | None, asked: str | None) -> str:
    """Return json, csv or ndjson: what `Format` asks for, or what the Accept header likes best.

    Raises NotAcceptable when the header excludes all three.
    """
    if asked:
        return asked
    if not accept or not accept.strip():
        return "json"
    ranges = _weighted(accept)
    qualities = {name: _quality_of(media, ranges) for name, media in MEDIA_TYPES.items()}
    best = max(qualities, key=lambda name: qualities[name])  # the first, JSON, among equals
    if not qualities[best]:
        raise NotAcceptable
    return best


def _quality_of(media: str, ranges: Mapping[str, float]) -> float:
    """Return how well a media type is liked; the most specific range of the header decides."""
    for candidate in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is among the codings that a caller names, and not with q=0."""
    return _weighted(accept_encoding or "").get("gzip", 0.0) > 0


def compressed(body: bytes) -> bytes | None:
    """Return the body in gzip; None when it is too short to gain by it."""
    if len(body) < _WORTH_COMPRESSING:
        return None
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)


def _weighted(header: str) -> dict[str, float]:
    """Return a header's entries with their q; other parameters are of no account to our formats."""
    entries: dict[str, float] = {}
    for entry in header.lower().split(","):
        name, *parameters = entry.split(";")
        matches = (_QUALITY.fullmatch(parameter) for parameter in parameters)
        quality = next((float(match[1]) for match in matches if match), 1.0)
        entries[name.strip()] = max(quality, entries.get(name.strip(), 0.0))
    return entries
