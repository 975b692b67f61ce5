"""The shared rate limit of all upstream calls of one deployment.

An account has 10 List and Describe calls a second (Comprehend Medical quotas). Half are left to other
callers: each call takes the next free slot of a quarter second from a row that all syncs share. A call that
starts late, by less than a slot, makes at most five in one second.
"""

import time
from collections import deque
from collections.abc import Callable

from jobledger.errors import DeadlineReached, LedgerUnavailable
from jobledger.ledger.table import Row, Table, put_over
from jobledger.times import CLOCK_SKEW

MILLISECONDS_BETWEEN_CALLS = 250
_SLOT = MILLISECONDS_BETWEEN_CALLS / 1000
# A reservation further ahead comes from a wrong clock and is ignored.
_FURTHEST_AHEAD = int(CLOCK_SKEW.total_seconds() * 1000)
_ATTEMPTS = 50


class Pace:
    """Called before each upstream attempt: waits for a free slot, and raises when time runs out.

    `deadline` is in the seconds of `now`; a call that cannot begin before it raises DeadlineReached. A reserved slot can
    be taken `late` seconds late. With more than a slot, the calls that come late are a slot apart as well.
    """

    def __init__(
        self,
        table: Table,
        scope: str,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        late: float = _SLOT,
    ) -> None:
        self._table = table
        self._late = late
        self._last = 0.0
        self._key = {"PK": "pace", "SK": scope}
        self._now = now
        self._sleep = sleep
        self._slots: deque[float] = deque()
        self._expected = 1
        self.deadline = float("inf")

    def expect(self, calls: int) -> None:
        """Reserve the slots of the next calls at once, with one write in place of one for each call."""
        self._expected = max(calls, 1)

    def __call__(self) -> None:
        """Wait until the call may begin. Raises DeadlineReached or LedgerUnavailable."""
        self.check_deadline()
        slot = self._next_slot()
        if self._late > _SLOT:
            slot = max(slot, self._last + _SLOT)
        if slot >= self.deadline:
            raise DeadlineReached
        self._sleep(max(0.0, slot - self._now()))
        self.check_deadline()  # the table was slow
        self._last = self._now()

    def check_deadline(self) -> None:
        """Raise DeadlineReached when the deadline has passed."""
        if self._now() >= self.deadline:
            raise DeadlineReached

    def _next_slot(self) -> float:
        too_late = self._now() - self._late
        while self._slots and self._slots[0] <= too_late:
            self._slots.popleft()
        if not self._slots:
            first, count, self._expected = self._reserve(self._expected), self._expected, 1
            self._slots.extend(
                (first + number * MILLISECONDS_BETWEEN_CALLS) / 1000 for number in range(count)
            )
        return self._slots.popleft()

    def _reserve(self, calls: int) -> int:
        """Return the first of this many consecutive slots, in milliseconds since the epoch."""
        for _ in range(_ATTEMPTS):
            row = self._table.get(self._key)
            now = int(self._now() * 1000)
            slot = row["NextCall"] if row and isinstance(row.get("NextCall"), int) else now
            if not now < int(slot) < now + _FURTHEST_AHEAD:
                slot = now
            following: Row = {
                **self._key,
                "NextCall": int(slot) + calls * MILLISECONDS_BETWEEN_CALLS,
            }
            if self._table.put_alone(put_over(row, following)):
                return int(slot)
        raise LedgerUnavailable("other writers keep changing the pace row")
