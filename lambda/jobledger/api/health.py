"""GET /health: for each family, the age of the ledger and the last error."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import SyncState
from jobledger.service import Family
from jobledger.times import parse
from jobledger.totals.rules import is_stale


class Health(msgspec.Struct, frozen=True):
    """Whether every family is recent enough, and the state of each: over all sources, and of each of several."""

    healthy: bool
    families: dict[str, dict[str, Any]]
    sources: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return the members of `GET /health` for both a current and a stale ledger."""
        return {"Families": self.families} | ({"Sources": self.sources} if self.sources else {})


def read_health(
    ledger: Ledger, families: Iterable[Family], sync_minutes: int, now: datetime
) -> Health:
    """Return the ledger's health at `now`. Raises LedgerUnavailable."""
    states = ledger.states()
    shown = tuple(families)

    def statuses(of: Mapping[Family, SyncState]) -> dict[str, dict[str, Any]]:
        return {family.value: _status_of(of.get(family, SyncState()), now) for family in shown}

    def is_healthy(statuses: Mapping[str, Mapping[str, Any]]) -> bool:
        return not any(is_stale(one["AsOf"], sync_minutes, now) for one in statuses.values())

    sources = []
    for source in ledger.sources if ledger.is_shared else ():
        account, _, region = source.partition("/")
        found = statuses(states.by_source.get(source, {}))
        place = {"Account": account, "Region": region, "Healthy": is_healthy(found)}
        sources.append({**place, "Families": found})
    every = statuses(states)
    return Health(is_healthy(every), every, sources)


def _status_of(state: SyncState, now: datetime) -> dict[str, Any]:
    age = state.as_of and max(0.0, round((now - parse(state.as_of)).total_seconds(), 3))
    error = state.last_error and {"Name": state.last_error.name, "At": state.last_error.at}
    return {"AsOf": state.as_of, "AgeSeconds": age, "LastError": error}
