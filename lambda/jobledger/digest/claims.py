"""The stored state of digests: one row for the schedule's windows, and one for each requested window.

| row      | PK       | SK                  | carries |
|----------|----------|---------------------|---------|
| schedule | `digest` | `account/region`    | the end of the last window, and the claim on the next |
| source   | `digest` | `account/region#SOURCE` | with `digestBy=source`: the same for the windows of a source |
| request  | `digest` | either of these`#DigestId` | the claim on a window that a caller requested |

A claim holds the finished messages. The run that finds a claim publishes those bytes and removes it.
After a run is killed at any step, the next one therefore completes it with the same id and content.
"""

import base64
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from jobledger.digest.content import Digest
from jobledger.digest.windows import Window
from jobledger.errors import NotUnderstood
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import Key, Row, Table, version_of
from jobledger.sns import Notification
from jobledger.times import known, seconds_between
from jobledger.totals.summary import every_status

# Two weeks of a daily schedule: the usual intervals then include its weekends.
_REMEMBERED = 14


class DigestMessages(msgspec.Struct, frozen=True):
    """The finished message to the digest topic, and the one to the chat topic."""

    digest: Notification
    chat: Notification

    def pack(self) -> str:
        """Return the messages as text for a table row, at most a third longer than the largest message."""
        return base64.b64encode(zlib.compress(msgspec.json.encode(self))).decode()

    @classmethod
    def unpack(cls, packed: str) -> "DigestMessages":
        """Return the messages that `pack` packed."""
        return msgspec.json.decode(zlib.decompress(base64.b64decode(packed)), type=cls)


class Sent(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A published digest. `request` names the call that it answers, if there was one."""

    digest_id: str
    start: str
    end: str
    counts: dict[str, int]
    message_id: str
    request: str | None = None

    @property
    def window(self) -> Window:
        """The window that it covers."""
        return Window(self.start, self.end)


class Claim(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """A digest that is about to be published; `messages` are packed."""

    digest_id: str
    start: str
    end: str
    counts: dict[str, int]
    messages: str = msgspec.field(name="Parcel")  # earlier versions stored it by this name
    request: str | None = None
    scheduled: bool = False

    @classmethod
    def of(
        cls, digest: Digest, messages: DigestMessages, request: str | None, *, scheduled: bool
    ) -> "Claim":
        """Return the claim on the window of a digest."""
        return cls(
            digest_id=digest.digest_id,
            start=digest.window.start,
            end=digest.window.end,
            counts=every_status(digest.counts),
            messages=messages.pack(),
            request=request,
            scheduled=scheduled,
        )

    def sent(self, message_id: str) -> Sent:
        """Return the record of the digest after publication."""
        return Sent(
            self.digest_id, self.start, self.end, self.counts, message_id, request=self.request
        )


class DigestState(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """One state row. `first_start` is the start of the first window.

    `scheduled_end` is the window end of the last run of the schedule. `usual` has the seconds between the
    latest runs of `schedule`; after a change of the schedule, it starts anew.
    """

    version: int = 0
    first_start: str | None = None
    last: Sent | None = None
    claim: Claim | None = None
    schedule: str = ""
    scheduled_end: str | None = None
    usual: tuple[int, ...] = ()

    def known_at(self, now: datetime) -> "DigestState":
        """Return the state without its times in the future: a wrong clock wrote them."""
        return replace(
            self,
            first_start=known(self.first_start, now),
            scheduled_end=known(self.scheduled_end, now),
        )

    def continuing(self, covered: str | None) -> "DigestState":
        """Return the state without the runs missed up to a time: another series had them."""
        if covered is None or not self.scheduled_end or self.scheduled_end >= covered:
            return self
        return replace(self, scheduled_end=covered)

    def covered_until(self, now: datetime) -> str | None:
        """Return the time up to which digests cover all changes, usually the end of the last one.

        When a wrong clock set that end in the future, this is the last digest's start. Its changes are then
        reported again: twice is better than never.
        """
        if self.last is None:
            return None
        return known(self.last.end, now) or known(self.last.start, now)

    def after_run(self, schedule: str, end: str) -> "DigestState":
        """Return the state with another run of the schedule recorded."""
        known = self.usual if schedule == self.schedule else ()
        if known_end := self._last_end(schedule):
            known = (*known, int(seconds_between(known_end, end)))[-_REMEMBERED:]
        return replace(self, schedule=schedule, scheduled_end=end, usual=known)

    def is_gap(self, schedule: str, end: str) -> bool:
        """Whether the time since the last run is so long that runs must have been missed.

        Intervals that occurred before are normal, for example a weekend in a weekday schedule.
        """
        known_end = self._last_end(schedule)
        if known_end is None or not self.usual:
            return False
        # Half an interval of tolerance: a run can be late, and a clock change moves it by an hour or two.
        return seconds_between(known_end, end) > 1.5 * max(self.usual)

    def _last_end(self, schedule: str) -> str | None:
        return self.scheduled_end if schedule == self.schedule else None


class Rows(Protocol):
    """Storage of a digest state."""

    def load(self) -> DigestState:
        """Return the current state."""

    def save(self, state: DigestState) -> DigestState | None:
        """Write a state that derives from the loaded one; None when another run was faster."""


def read_states(table: Table, sort_keys: Iterable[str]) -> dict[str, DigestState]:
    """Return the states of the rows that exist, read consistently, by their sort keys.

    A damaged one is left out: it stops the digests of its own source only, when these load it.
    """
    rows = table.batch_get([_key_of(sort_key) for sort_key in sort_keys])
    return dict(readable(rows, lambda row: (str(row["SK"]), _state_from(row))))


def _key_of(sort_key: str) -> Key:
    return {"PK": "digest", "SK": sort_key}


def _state_from(row: Row) -> DigestState:
    try:
        state = msgspec.json.decode(str(row["Digest"]), type=DigestState)
    except (msgspec.DecodeError, KeyError) as error:
        raise NotUnderstood("a state of digests") from error
    if state.version != version_of(row):
        # No condition of a write would hold: a run would try for ever.
        raise NotUnderstood("a state of digests")
    return state


class DigestStateRow:
    """A state row in the ledger's table."""

    def __init__(self, table: Table, sort_key: str) -> None:
        self._table = table
        self._key = _key_of(sort_key)

    def load(self) -> DigestState:
        """Return the row, read consistently; an empty state when there is none."""
        row = self._table.get(self._key)
        return DigestState() if row is None else _state_from(row)

    def save(self, state: DigestState) -> DigestState | None:
        """Write the state on the condition that the row is the one that was loaded."""
        following = replace(state, version=state.version + 1)
        text = msgspec.json.encode(following).decode()
        row: Row = {**self._key, "Digest": text, "Version": following.version}
        return following if self._table.put_next(row, state.version) else None
