"""Syncs that concurrent callers share: the sync function's side of ConsistentRead (`ledger/as_of.py` is the other).

At most one sync of a family begins every two seconds, and all callers get its result. The sync function's payload
is `{"Families": [...], "IfOlderThanSeconds": 2}`.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Key, Row, Table, put_over, text_of
from jobledger.service import Family
from jobledger.times import is_time, known, parse, rfc3339

_POLL_SECONDS = 0.2
# A sync whose function was killed gives no result; callers wait no longer than this.
_GIVEN_UP_AFTER = timedelta(seconds=60)


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
                shared = next(readable([row], _answer_of), None)
                if shared is not None:
                    return shared | {"UpstreamCalls": 0, "Changed": 0}
            if row and since and "Answer" not in row and self._now() - since < _GIVEN_UP_AFTER:
                self._sleep(_POLL_SECONDS)
                continue
            claimed = self._claim(key, row)
            if claimed:
                return self._finish(claimed, sync)

    def _since(self, row: Row | None) -> datetime | None:
        """Return when a claim was made; None when there is none, or when a wrong clock made it, or it is damaged."""
        since = known(text_of(row, "Since"), self._now()) if row else None
        return parse(since) if since and is_time(since) else None

    def _claim(self, key: Key, row: Row | None) -> Row | None:
        claim = put_over(row, {**key, "Since": rfc3339(self._now())})
        return claim.row if self._table.put(claim) else None

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


def _answer_of(row: Row) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(str(row["Answer"]))
    return {} | answer
