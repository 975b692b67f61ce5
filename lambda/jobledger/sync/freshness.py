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
from jobledger.ledger.table import Key, Row, Table
from jobledger.ledger.writing import Ledger
from jobledger.times import parse, rfc3339

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
    known: AsOf,
    families: Iterable[Family],
    sync: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    now: datetime,
) -> tuple[AsOf, bool]:
    """Sync the families that are older than two seconds; return their times, and whether one is stale.

    A family is stale when it could not be updated; it keeps its older time.
    """
    recent = rfc3339(now - timedelta(seconds=SHARED_SECONDS))
    older = [family for family in families if (known.get(family) or "") < recent]
    if not older:
        return known, False
    try:
        answer = sync({"Families": older, "IfOlderThanSeconds": SHARED_SECONDS})
    except FunctionRefused:
        return known, True
    result = answer.get("Families", {})
    fresh = {
        family: result[family]["AsOf"]
        for family in older
        if "Error" not in result.get(family, {"Error": ""}) and result[family].get("AsOf")
    }
    return {**known, **fresh}, len(fresh) < len(older)


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
        """Return the result of a sync that began within `seconds`, or that this call waited for."""
        key = {"PK": "claim", "SK": f"{self._scope}/{family}"}
        waited = False
        while True:
            row = self._table.get(key)
            age = self._now() - parse(str(row["Since"])) if row else None
            if row and "Answer" in row and (waited or _within(age, timedelta(seconds=seconds))):
                shared: dict[str, Any] = json.loads(str(row["Answer"]))
                return shared | {"UpstreamCalls": 0, "Changed": 0}
            if row and "Answer" not in row and _within(age, _GIVEN_UP_AFTER):
                waited = True
                self._sleep(_POLL_SECONDS)
                continue
            claimed = self._claim(key, row)
            if claimed:
                return self._finish(claimed, sync)

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


def _within(age: timedelta | None, limit: timedelta) -> bool:
    return age is not None and age < limit
