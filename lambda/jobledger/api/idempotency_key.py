"""The header Idempotency-Key, for every route that supports it."""

import re

from jobledger.errors import BadParameter

KEY_RULE = "1 to 255 printable ASCII characters, quoted or not"
# An RFC 8941 string, as in the IETF draft, or a bare key, as most clients send it.
_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII)


def parse_key(sent: str | None, wrong: list[BadParameter]) -> str | None:
    """Return the key without quotes: a quoted and an unquoted key are the same key. None: no header.

    Appends to `wrong` when the key is not valid.
    """
    if sent is None:
        return None
    key = sent.strip()
    if not _KEY.fullmatch(key):
        wrong.append(BadParameter("Idempotency-Key", KEY_RULE))
    quoted = len(key) > 2 and key.startswith('"') and key.endswith('"')
    return key[1:-1] if quoted else key
