"""The shared rate limit of all upstream calls of one deployment.

An account has 10 List and Describe calls a second (Comprehend Medical quotas). Half are left to other
callers: each call takes the next free slot of a quarter second from a row that all syncs share. With slots
of a fifth, calls that start slightly late could make six in one second.
"""

import time
from collections.abc import Callable

from jobledger.errors import DeadlineReached, LedgerUnavailable
from jobledger.ledger.table import Row, Table

MILLISECONDS_BETWEEN_CALLS = 250
# A reservation further ahead comes from a wrong clock and is ignored.
_FURTHEST_AHEAD = 60_000
_ATTEMPTS = 50


class Pace:
    """Called before each upstream attempt: waits for a free slot, and raises when time runs out.

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
        raise LedgerUnavailable("other writers keep changing the pace row")
