"""The header Idempotency-Key, for every route that supports it."""

from jobledger.errors import BadParameter, InvalidParameters
from jobledger.inputs.filters import IDEMPOTENCY_KEY
from jobledger.inputs.validation import value_of


def parse_key(sent: str | None, wrong: list[BadParameter]) -> str | None:
    """Return the key without quotes: a quoted and an unquoted key are the same key. None: no header.

    Appends to `wrong` when the key is not valid.
    """
    if sent is None:
        return None
    try:
        key: str = value_of(IDEMPOTENCY_KEY, sent.strip())
    except InvalidParameters as invalid:
        wrong += invalid.parameters
        return None
    quoted = len(key) > 2 and key.startswith('"') and key.endswith('"')
    return key[1:-1] if quoted else key
