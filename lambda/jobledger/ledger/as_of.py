"""How old the ledger is, and `refreshed`: the callers' side of ConsistentRead (`sync/shared.py` is the other)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jobledger.errors import FunctionRefused
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family
from jobledger.times import known, rfc3339

SHARED_SECONDS = 2
# A page saves its second query when a value this recent is in memory.
_RECENT = timedelta(seconds=5)

AsOf = Mapping[Family, str | None]


def as_of(ledger: Ledger) -> AsOf:
    """Return each family's AsOf as the table has it now; unsynced families are absent."""
    return ledger.as_of()


def recent_as_of(ledger: Ledger) -> AsOf:
    """Return each family's AsOf as it was at most five seconds ago."""
    return ledger.as_of(within=_RECENT)


def oldest(times: AsOf, families: Iterable[Family]) -> str | None:
    """Return the oldest AsOf of these families; None when one was never filled."""
    asked = [times.get(family) for family in families]
    return None if None in asked else min(filter(None, asked), default=None)


def refreshed(
    times: AsOf,
    families: Iterable[Family],
    sync: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    now: datetime,
) -> tuple[AsOf, bool]:
    """Sync the families that are older than two seconds; return their times, and whether one is stale.

    `now` is the time of the request. A family is stale when its time is still more than two seconds before that
    after the sync: the sync failed, or completed a walk that began earlier. Without a newer time it keeps its own.
    """
    recent = rfc3339(now - timedelta(seconds=SHARED_SECONDS))
    older = [family for family in families if (times.get(family) or "") < recent]
    if not older:
        return times, False
    try:
        answer = sync({"Families": older, "IfOlderThanSeconds": SHARED_SECONDS})
    except FunctionRefused:
        return times, True
    result = answer.get("Families", {})
    synced = {
        family: time
        for family in older
        if "Error" not in result.get(family, {"Error": ""})
        and (time := known(result[family].get("AsOf"), now))
    }
    stale = any(synced.get(family, "") < recent for family in older)
    return {**times, **synced}, stale
