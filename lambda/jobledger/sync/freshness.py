"""ConsistentRead: shares syncs between concurrent callers and reports how fresh the ledger is.

`refreshed` is the API's side. `SharedSyncs` is the sync function's side: concurrent callers share one sync,
at most one begins every two seconds, and all get its result. The sync function's payload is `{"Families":
[...], "IfOlderThanSeconds": 2}`.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jobledger.errors import FunctionRefused
from jobledger.jobs import Family
from jobledger.ledger.table import Key, Row, Table, text_of
from jobledger.ledger.writing import Ledger
from jobledger.times import known, parse, rfc3339

SHARED_SECONDS = 2
_POLL_SECONDS = 0.2
# A page saves its second query when a value this recent is in memory.
_RECENT = timedelta(seconds=5)
# A sync whose function was killed gives no result; callers wait no longer than this.
_GIVEN_UP_AFTER = timedelta(seconds=60)

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

    `now` is the time of the request. A family is stale when it is still older than that after the sync, less the
    two seconds: the sync failed, or completed a walk that began before. Without a newer time it keeps its own.
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


class SharedSyncs:
    """Syncs that all concurrent callers share, in any function instance.

    A claim row for each family records since when a sync is in progress, and then its result.
    """

    def __init__(
        self,
        table: Table,
        scope: str,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._scope = scope
        self._now = now
        self._sleep = sleep

    def run(
        self, family: Family, seconds: float, sync: Callable[[], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the result of a sync that began at most `seconds` before this call, or since.

        A sync that began earlier is waited for, and then followed by another one.
        """
        key = {"PK": "claim", "SK": f"{self._scope}/{family}"}
        earliest = self._now() - timedelta(seconds=seconds)
        while True:
            row = self._table.get(key)
            since = self._since(row)
            if row and since and "Answer" in row and since > earliest:
                shared: dict[str, Any] = json.loads(str(row["Answer"]))
                return shared | {"UpstreamCalls": 0, "Changed": 0}
            if row and since and "Answer" not in row and self._now() - since < _GIVEN_UP_AFTER:
                self._sleep(_POLL_SECONDS)
                continue
            claimed = self._claim(key, row)
            if claimed:
                return self._finish(claimed, sync)

    def _since(self, row: Row | None) -> datetime | None:
        """Return when a claim was made; None without one, and for one that a wrong clock made."""
        since = known(text_of(row, "Since"), self._now()) if row else None
        return parse(since) if since else None

    def _claim(self, key: Key, row: Row | None) -> Row | None:
        read = int(row["Version"]) if row else 0
        claimed: Row = {**key, "Since": rfc3339(self._now()), "Version": read + 1}
        return claimed if self._table.put_next(claimed, read) else None

    def _finish(self, claimed: Row, sync: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        answer: Mapping[str, Any] = {"Error": "SyncBrokenOff"}
        try:
            answer = sync()
        finally:
            version = int(claimed["Version"])
            result: Row = {"Answer": json.dumps(answer), "Version": version + 1}
            # Leave a claim that another caller made after this one expired.
            self._table.put_next(claimed | result, version)
        return dict(answer)
