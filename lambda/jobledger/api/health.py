"""GET /health: for each family, the age of the ledger and the last error."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.times import parse
from jobledger.totals.rules import is_stale


class Health(msgspec.Struct, frozen=True):
    """Whether every family is recent enough, and the state of each."""

    healthy: bool
    families: dict[str, dict[str, Any]]


def read_health(
    ledger: Ledger, families: Iterable[Family], sync_minutes: int, now: datetime
) -> Health:
    """Return the ledger's health at `now`. Raises LedgerUnavailable."""
    states = ledger.states()
    result = {family.value: _status_of(states.get(family, SyncState()), now) for family in families}
    stale = any(is_stale(family["AsOf"], sync_minutes, now) for family in result.values())
    return Health(not stale, result)


def _status_of(state: SyncState, now: datetime) -> dict[str, Any]:
    age = state.as_of and max(0.0, round((now - parse(state.as_of)).total_seconds(), 3))
    error = state.last_error and {"Name": state.last_error.name, "At": state.last_error.at}
    return {"AsOf": state.as_of, "AgeSeconds": age, "LastError": error}
