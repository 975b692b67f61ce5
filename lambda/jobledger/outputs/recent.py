"""The outcomes of the last jobs whose manifest was looked for: whether most of them fail."""

from collections.abc import Sequence

from jobledger.errors import LedgerUnavailable
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import put_over
from jobledger.observability import logger

_KEPT, _FEWEST = 20, 5


def keep_outcomes(ledger: Ledger, outcomes: Sequence[bool]) -> bool | None:
    """Add the outcomes of jobs to the last ones, and return whether most of these are failures.

    None when most are not, and were not before: an alarm need not know that. A run that another one overtakes, or that
    the ledger refuses, adds nothing.
    """
    key = {"PK": f"{ledger.scope}#outputs", "SK": "recent"}
    try:
        row = ledger.table.get(key)
        before = str(row.get("Outcomes", "")) if row else ""
        now = (before + "".join("+" if each else "-" for each in outcomes))[-_KEPT:]
        if now != before:  # in good times it is full of the same
            ledger.table.put_alone(put_over(row, {**key, "Outcomes": now}))
    except LedgerUnavailable as error:
        logger.error("outcomes not kept", extra={"error": error.name})
        return None
    return True if _fail(now) else (False if _fail(before) else None)


def _fail(outcomes: str) -> bool:
    return len(outcomes) >= _FEWEST and 2 * outcomes.count("-") > len(outcomes)
