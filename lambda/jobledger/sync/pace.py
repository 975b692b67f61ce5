"""The pace of all calls upstream from one deployment, however many syncs run at once.

The account has 10 List and Describe calls a second (Comprehend Medical quotas). Half of them are left
to others: each call takes the next free quarter of a second, noted in a row that all syncs share. A
quarter and not a fifth, so that calls that start a little late never make six in any second.
"""

import time
from collections.abc import Callable

from jobledger.errors import DeadlineReached, LedgerUnavailable
from jobledger.ledger.table import Row, Table

MILLISECONDS_BETWEEN_CALLS = 250
# A reservation further ahead than this is from a clock that was wrong; it is not waited for.
_FURTHEST_AHEAD = 60_000
_ATTEMPTS = 50


class Pace:
    """Called before each attempt upstream: waits for a free slot, and stops when time runs short.

    `deadline` is in the seconds of `now`; a call that cannot begin before it raises DeadlineReached.
    """

    def __init__(
        self,
        table: Table,
        scope: str,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._key = {"PK": "pace", "SK": scope}
        self._now = now
        self._sleep = sleep
        self.deadline = float("inf")

    def __call__(self) -> None:
        """Wait until the call may begin. Raises DeadlineReached or LedgerUnavailable."""
        if self._now() >= self.deadline:
            raise DeadlineReached
        slot = self._reserve()
        if slot >= self.deadline:
            raise DeadlineReached
        self._sleep(max(0.0, slot - self._now()))
        if self._now() >= self.deadline:  # the table was slow
            raise DeadlineReached

    def _reserve(self) -> float:
        for _ in range(_ATTEMPTS):
            row = self._table.get(self._key)
            now = int(self._now() * 1000)
            slot = int(row["NextCall"]) if row else now
            if not now < slot < now + _FURTHEST_AHEAD:
                slot = now
            version = int(row["Version"]) if row else 0
            following: Row = {
                **self._key,
                "NextCall": slot + MILLISECONDS_BETWEEN_CALLS,
                "Version": version + 1,
            }
            if self._table.put_next(following, version):
                return slot / 1000
        raise LedgerUnavailable("the pace row is written by others without pause")
