"""What most handlers are made of: the clock, and the ledger of the deployment."""

from collections.abc import Callable
from datetime import UTC, datetime

from jobledger.ledger.ledger import Ledger
from jobledger.ledger.table import Table
from jobledger.settings import Settings


def utc_now() -> datetime:
    """Return the current time. Only handlers read the clock; below them, `now` is a parameter."""
    return datetime.now(UTC)


def connect_ledger(configured: Settings, now: Callable[[], datetime] = utc_now) -> Ledger:
    """Return the ledger with a client of its own."""
    return Ledger(Table.connect(configured.ledger_table_name), configured.scope, now)
