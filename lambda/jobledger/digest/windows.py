"""The stretch of the change log that a digest covers: half-open, [start, end), in the ledger's own time.

Windows tile because each begins where the one before ended; the zone and the changes of its clock are the
schedule's business. A window ends a while before the run, so that no write into it can be under way. Pure.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobledger.errors import InvalidWindow
from jobledger.ledger.table import SETTLING
from jobledger.times import parse, rfc3339, seconds_between

# A schedule's clock may be ahead of this one by a part of that, and the stretch is still closed.
_MAX_SKEW = timedelta(minutes=1)
FIRST = timedelta(hours=24)
_SERVICE_BEGAN = datetime(2018, 1, 1, tzinfo=UTC)
# What EventBridge Scheduler replaces, and an emulator of it may not.
_PLACEHOLDER = "<aws.scheduler."


@dataclass(frozen=True, slots=True)
class Window:
    """Two written times, start before end."""

    start: str
    end: str

    @property
    def seconds(self) -> float:
        """The length."""
        return seconds_between(self.start, self.end)

    def before(self) -> "Window":
        """Return the stretch of the same length that ends where this one starts."""
        length = timedelta(seconds=self.seconds)
        return Window(rfc3339(parse(self.start) - length), self.start)

    def to_json(self) -> dict[str, str]:
        """Return the window as digests and answers have it."""
        return {"Start": self.start, "End": self.end}


def end_of_run(scheduled: object, now: datetime) -> str:
    """Return where the window of a run ends; `scheduled` is what the schedule says its time was.

    A late or repeated run of the same scheduled time gets the same end. Without a scheduled time the
    clock counts, in whole minutes, so that an event delivered twice is the same as well. A time ahead
    of the clock by more than clocks differ is not waited for: the clock counts then, too.
    Raises InvalidWindow for what is no time.
    """
    moment = None if scheduled is None else _moment(scheduled)
    if moment is None or moment > now + _MAX_SKEW:
        moment = now.replace(second=0, microsecond=0)
    return settled(moment)


def settled(moment: datetime) -> str:
    """Return up to when the change log is closed at a moment: nothing can be added to it any more."""
    return rfc3339(moment - SETTLING)


def asked_window(start_sent: object, end_sent: object, now: datetime) -> Window:
    """Return the window that a caller asks for; InvalidWindow when it is none."""
    start, end = _moment(start_sent), _moment(end_sent)
    if start is None or end is None or not start < end:
        raise InvalidWindow("two times with their offsets, WindowStart before WindowEnd")
    if start < _SERVICE_BEGAN:
        raise InvalidWindow("WindowStart in or after 2018, when the service began")
    if end > now - SETTLING:
        raise InvalidWindow(
            "WindowEnd at least two minutes ago, so that nothing can be added to it"
        )
    window = Window(rfc3339(start), rfc3339(end))
    if window.start == window.end:
        raise InvalidWindow("a window of at least a millisecond")
    return window


def first_start(end: str, earliest_change: str | None) -> str:
    """Return where the first window starts: at the first change ever, and a day back at the least."""
    day = rfc3339(parse(end) - FIRST)
    return day if earliest_change is None else min(day, earliest_change)


def digest_id(scope: str, window: Window) -> str:
    """Return the id of the digest of a window: the same for whoever computes it, whenever."""
    named = "\n".join(("job-ledger digest 1", scope, window.start, window.end))
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def _moment(sent: object) -> datetime | None:
    if isinstance(sent, str) and sent.startswith(_PLACEHOLDER):
        return None
    try:
        moment = datetime.fromisoformat(sent) if isinstance(sent, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidWindow("times as RFC 3339 writes them, with an offset")
    return moment
