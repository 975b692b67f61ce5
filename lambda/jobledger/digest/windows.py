"""The window of the change log that a digest covers: half-open, [start, end), in the ledger's time.

Windows tile, because each starts at the end of the previous one. Only the schedule knows of time zones and
clock changes. A window ends some time before the run, when every write into it is done. This module calls no
AWS service.
"""

import hashlib
from datetime import datetime, timedelta

import msgspec

from jobledger.errors import InvalidWindow
from jobledger.inputs.payloads import window_errors
from jobledger.times import CLOCK_SKEW, SETTLING, parse, rfc3339, seconds_between

FIRST = timedelta(hours=24)


class Window(msgspec.Struct, frozen=True):
    """A start and an end time in text form, start before end."""

    start: str
    end: str

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return seconds_between(self.start, self.end)

    def before(self) -> "Window":
        """Return the preceding window of equal length."""
        length = timedelta(seconds=self.seconds)
        return Window(rfc3339(parse(self.start) - length), self.start)

    def to_json(self) -> dict[str, str]:
        """Return the window as digests and results contain it."""
        return {"Start": self.start, "End": self.end}


def end_of_run(scheduled: datetime | None, now: datetime) -> str:
    """Return the end of a run's window; `scheduled` is the run's scheduled time.

    A late or repeated run of the same scheduled time has the same end. Without a scheduled time, or when it is
    too far ahead of the clock, the clock decides, in whole minutes, so that repeated deliveries of an event
    have the same end as well.
    """
    if scheduled is None or scheduled > now + CLOCK_SKEW:
        scheduled = now.replace(second=0, microsecond=0)
    return settled(scheduled)


def settled(moment: datetime) -> str:
    """Return the time up to which the change log is closed: no change can be added before it."""
    return rfc3339(moment - SETTLING)


def asked_window(start: datetime, end: datetime, now: datetime) -> Window:
    """Return the window that a caller requests. Raises InvalidWindow."""
    if wrong := window_errors({"WindowStart": start, "WindowEnd": end}, now):
        raise InvalidWindow("; ".join(f"{bad.parameter}: {bad.allowed}" for bad in wrong))
    return Window(rfc3339(start), rfc3339(end))


def first_start(end: str, earliest_change: str | None) -> str:
    """Return the start of the first window: the first change, or a day before `end` if that is earlier."""
    day = rfc3339(parse(end) - FIRST)
    return day if earliest_change is None else min(day, earliest_change)


def digest_id(series: str, window: Window) -> str:
    """Return the id of a window's digest in a series. It depends on nothing else."""
    named = "\n".join(("job-ledger digest 1", series, window.start, window.end))
    return hashlib.sha256(named.encode()).hexdigest()[:32]
