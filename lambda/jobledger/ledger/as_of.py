"""How old the ledger is, and `refreshed`: the callers' side of ConsistentRead (`sync/shared.py` is the other)."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from jobledger.errors import FunctionRefused
from jobledger.ledger.ledger import RECENT, Ledger
from jobledger.ledger.states import States
from jobledger.service import Family
from jobledger.times import known, rfc3339

SHARED_SECONDS = 2
_Key = TypeVar("_Key")

AsOf = Mapping[Family, str | None]
BySource = Mapping[tuple[str, Family], str | None]
"""The AsOf of each family of each source."""


def as_of(ledger: Ledger, sources: Collection[str] = ()) -> AsOf:
    """Return each family's AsOf as the table has it now; unsynced families are absent."""
    return times_of(ledger, ledger.states(), sources)


def recent_as_of(ledger: Ledger, sources: Collection[str] = ()) -> AsOf:
    """Return each family's AsOf as it was at most five seconds ago."""
    return times_of(ledger, ledger.states(within=RECENT), sources)


def times_of(ledger: Ledger, states: States, sources: Collection[str] = ()) -> AsOf:
    """Return each family's AsOf: the oldest over some sources, or over all that are configured.

    Sources that were removed count only when no other is asked for.
    """
    if not sources:
        return {family: state.as_of for family, state in states.items()}
    asked = [source for source in ledger.sources if source in sources] or sources
    return {
        family: oldest({source: states.of(source, family).as_of for source in asked}, asked)
        for family in Family
    }


def oldest(times: Mapping[_Key, str | None], asked: Iterable[_Key]) -> str | None:
    """Return the oldest AsOf of these families or sources; None when one was never filled."""
    found = [times.get(key) for key in asked]
    return None if None in found else min(filter(None, found), default=None)


def by_source(ledger: Ledger, families: Iterable[Family], sources: Collection[str]) -> BySource:
    """Return the AsOf of configured sources as the table has it now, of `sources` only, if there are any."""
    states = ledger.states()
    return {
        (source, family): states.of(source, family).as_of
        for source in ledger.sources
        if not sources or source in sources
        for family in families
    }


def refreshed(
    times: BySource,
    sync: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    now: datetime,
    *,
    is_shared: bool = False,
) -> tuple[BySource, bool]:
    """Sync the families that are older than two seconds; return their times, and whether one is stale.

    `now` is the time of the request. A family is stale when its time is still more than two seconds before that
    after the sync: the sync failed, or completed a walk that began earlier. Without a newer time it keeps its own.
    A ledger that `is_shared` by several sources syncs those of them that have such a family.
    """
    recent = rfc3339(now - timedelta(seconds=SHARED_SECONDS))
    older = [key for key, time in times.items() if (time or "") < recent]
    if not older:
        return times, False
    families = list(dict.fromkeys(family for _, family in older))
    payload: dict[str, Any] = {"Families": families, "IfOlderThanSeconds": SHARED_SECONDS}
    if is_shared:
        payload["Sources"] = list(dict.fromkeys(source for source, _ in older))
    try:
        answer = sync(payload)
    except FunctionRefused:
        return times, True
    synced = {}
    for source, family in older:
        of_source = answer.get("Sources", {}).get(source, {}) if is_shared else answer
        result = of_source.get("Families", {}).get(family, {"Error": ""})
        if "Error" not in result and (time := known(result.get("AsOf"), now)):
            synced[source, family] = time
    stale = any(synced.get(key, "") < recent for key in older)
    return {**times, **synced}, stale
