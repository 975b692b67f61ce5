"""GET /health: the age of the ledger for each family, and the reason."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from jobledger.jobs import Family
from jobledger.ledger.writing import Ledger, SyncState
from jobledger.times import parse

# A few failed syncs are harmless: the next one recovers.
TOO_OLD_AFTER_SYNCS = 10


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
    limit = TOO_OLD_AFTER_SYNCS * sync_minutes * 60
    ages = [family["AgeSeconds"] for family in result.values()]
    return Health(all(age is not None and age <= limit for age in ages), result)


def _status_of(state: SyncState, now: datetime) -> dict[str, Any]:
    age = state.as_of and max(0.0, round((now - parse(state.as_of)).total_seconds(), 3))
    error = state.last_error and {"Name": state.last_error.name, "At": state.last_error.at}
    return {"AsOf": state.as_of, "AgeSeconds": age, "LastError": error}
