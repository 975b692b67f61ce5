"""What is remembered of digests: one state row for the chain of windows, one for each other window asked for.

| row     | PK       | SK                  | carries |
|---------|----------|---------------------|---------|
| chain   | `digest` | `account/region`    | where the last window ended, and the claim on the next |
| request | `digest` | `account/region#DigestId` | the claim on a window that a caller has named |

A claim holds the finished messages. Whoever finds one publishes those very bytes and drops it, so that
a run that was killed at any step is completed by the next one with the same id and the same content.
"""

from typing import Protocol

import msgspec
from msgspec.structs import replace

from jobledger.digest.windows import Window
from jobledger.ledger.table import Row, Table
from jobledger.times import seconds_between

# How many windows tell what is usual: two weeks of a daily schedule, weekends in it.
_REMEMBERED = 14


class Sent(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A digest that was published. `request` names the call that it answers, if it was one."""

    digest_id: str
    start: str
    end: str
    counts: dict[str, int]
    message_id: str
    request: str | None = None

    @property
    def window(self) -> Window:
        """The stretch that it covers."""
        return Window(self.start, self.end)


class Claim(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A digest that is about to be published; `parcel` is all that goes out, packed."""

    digest_id: str
    start: str
    end: str
    counts: dict[str, int]
    parcel: str
    request: str | None = None
    scheduled: bool = False

    def sent(self, message_id: str) -> Sent:
        """Return what is remembered of it once it is out."""
        return Sent(
            self.digest_id, self.start, self.end, self.counts, message_id, request=self.request
        )


class Chain(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """One row. `first_start` is where the first window of all began.

    `scheduled_end` is the end of the schedule's last run that was seen to, and `usual` are the seconds
    from one of those to the next, as long as the schedule is `schedule`.
    """

    version: int = 0
    first_start: str | None = None
    last: Sent | None = None
    claim: Claim | None = None
    schedule: str = ""
    scheduled_end: str | None = None
    usual: tuple[int, ...] = ()

    def after_run(self, schedule: str, end: str) -> "Chain":
        """Return the chain with one more run of the schedule remembered."""
        known = self.usual if schedule == self.schedule else ()
        if known_end := self._last_end(schedule):
            known = (*known, int(seconds_between(known_end, end)))[-_REMEMBERED:]
        return replace(self, schedule=schedule, scheduled_end=end, usual=known)

    def is_gap(self, schedule: str, end: str) -> bool:
        """Whether the last run is so much longer ago than is usual that others must have been missed.

        Lengths that came up before are usual: a weekend, for a schedule of weekdays.
        """
        known_end = self._last_end(schedule)
        if known_end is None or not self.usual:
            return False
        return seconds_between(known_end, end) > 1.5 * max(self.usual)

    def _last_end(self, schedule: str) -> str | None:
        return self.scheduled_end if schedule == self.schedule else None


class Rows(Protocol):
    """Where a chain is kept."""

    def load(self) -> Chain:
        """Return it as it is now."""

    def save(self, chain: Chain) -> Chain | None:
        """Write one that was made from the one loaded; None when another run was quicker."""


class ChainRow:
    """A row of the ledger's table."""

    def __init__(self, table: Table, sort_key: str) -> None:
        self._table = table
        self._key: Row = {"PK": "digest", "SK": sort_key}

    def load(self) -> Chain:
        """Return the row, read consistently; an empty chain when there is none."""
        row = self._table.get({name: str(value) for name, value in self._key.items()})
        return Chain() if row is None else msgspec.json.decode(str(row["Digest"]), type=Chain)

    def save(self, chain: Chain) -> Chain | None:
        """Write it on the condition that the row is the one that was loaded."""
        following = replace(chain, version=chain.version + 1)
        text = msgspec.json.encode(following).decode()
        row = self._key | {"Digest": text, "Version": following.version}
        return following if self._table.put_next(row, chain.version) else None
