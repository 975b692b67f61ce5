"""The query of a link to the API, in the only form that no signer changes."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote


def query_string(parameters: Mapping[str, Sequence[str]]) -> str:
    """Return parameters as Signature Version 4 has them: percent-encoded, sorted by name, then value.

    Some signers sign a query as it is given. In this form, that is also what AWS computes (docs/signing.md).
    """
    encoded = [
        (_encoded(name), _encoded(text)) for name, texts in parameters.items() for text in texts
    ]
    return "&".join(f"{name}={text}" for name, text in sorted(encoded))


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="replace")
