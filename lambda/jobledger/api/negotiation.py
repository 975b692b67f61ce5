"""Content negotiation: the response's format and encoding (RFC 9110, 12.4 and 12.5)."""

import gzip
import re
from collections.abc import Mapping

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    # By the parameter only: a header that names text/csv chooses the first.
    "csv-bom": "text/csv",
}
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.ASCII | re.IGNORECASE)
# A smaller response fits into one packet with or without gzip.
_WORTH_COMPRESSING = 1_024
# Level 6 takes three times as long and saves a tenth more.
_GZIP_LEVEL = 3


def chosen_format(accept: str | None, asked: str | None) -> str:
    """Return a name of MEDIA_TYPES: the `Format` parameter, or the Accept header's preference.

    A header that excludes all of them gets JSON, as RFC 9110 (12.5.1) allows: `awscurl` asks for XML.
    """
    if asked:
        return asked
    if not accept or not accept.strip():
        return "json"
    ranges = _weighted(accept)
    qualities = {name: _quality_of(media, ranges) for name, media in MEDIA_TYPES.items()}
    return max(qualities, key=lambda name: qualities[name])  # with equal quality the first, JSON


def _quality_of(media: str, ranges: Mapping[str, float]) -> float:
    """Return the quality of a media type; the most specific range in the header decides."""
    for candidate in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether the Accept-Encoding header names gzip without q=0."""
    return _weighted(accept_encoding or "").get("gzip", 0.0) > 0


def compressed(body: bytes) -> bytes | None:
    """Return the body compressed with gzip; None when it is too short to benefit."""
    if len(body) < _WORTH_COMPRESSING:
        return None
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)


def _weighted(header: str) -> dict[str, float]:
    """Return a header's entries with their q values; other parameters do not affect these formats."""
    entries: dict[str, float] = {}
    for entry in header.lower().split(","):
        name, *parameters = entry.split(";")
        matches = (_QUALITY.fullmatch(parameter) for parameter in parameters)
        quality = next((float(match[1]) for match in matches if match), 1.0)
        entries[name.strip()] = max(quality, entries.get(name.strip(), 0.0))
    return entries
