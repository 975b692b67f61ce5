"""Times as the ledger stores them: RFC 3339, UTC, milliseconds, `Z`.

In this format, text order is time order from year 1 to year 9999, so sort keys use it.
"""

import functools
from datetime import UTC, datetime, timedelta

_LENGTH = len("2026-11-23T08:00:00.000Z")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
_MILLISECOND = timedelta(milliseconds=1)
CLOCK_SKEW = timedelta(minutes=1)
"""The clocks of two functions differ by less. A stored time that is further ahead comes from a wrong clock."""
SETTLING = timedelta(minutes=2)
"""The age at which the change log is closed: no earlier write can still be pending."""


def utc_now() -> datetime:
    """Return the current time. Only entry points read the clock; below them, `now` is a parameter."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return an aware datetime as `2026-11-23T08:00:00.000Z`, truncated to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def from_epoch(seconds: float) -> datetime:
    """Return the time of AWS JSON epoch seconds, exact to the millisecond.

    Raises OverflowError outside the years 1 to 9999.
    """
    return EPOCH + timedelta(milliseconds=round(seconds * 1000))


def rfc3339_of_epoch(seconds: float) -> str:
    """Return the time of AWS JSON epoch seconds as `rfc3339` does, in a third of the time. Raises as `from_epoch`."""
    moment = _NAIVE_EPOCH + round(seconds * 1000) * _MILLISECOND
    return moment.isoformat(timespec="milliseconds") + "Z"


def parse(text: str) -> datetime:
    """Return the datetime of text that `rfc3339` wrote."""
    return datetime.fromisoformat(text)


def is_time(text: str) -> bool:
    """Whether `rfc3339` could have written the text."""
    try:
        return len(text) == _LENGTH and text.endswith("Z") and bool(parse(text))
    except ValueError:
        return False


def seconds_between(start: str, end: str) -> float:
    """Return the seconds between two times in text form; negative when they are reversed."""
    return (parse(end) - parse(start)).total_seconds()


def known(time: str | None, now: datetime, ahead: timedelta = timedelta(0)) -> str | None:
    """Return a stored time; None when it is unknown, as it is more than a minute ahead of `now`.

    `ahead` is how far ahead a right clock sets the time. Apply this to each stored time before it is compared
    with the clock.
    """
    return None if time is None or time > _latest(now, ahead) else time


@functools.lru_cache(maxsize=8)
def _latest(now: datetime, ahead: timedelta) -> str:
    # A read compares each of hundreds of rows with the same time.
    return rfc3339(now + ahead + CLOCK_SKEW)


def later_than(last: str | None, now: datetime) -> str:
    """Return the time of an observation: `now`, but always later than `last`, if that is known."""
    last = known(last, now)
    if last is not None and rfc3339(now) <= last:
        return rfc3339(parse(last) + timedelta(milliseconds=1))
    return rfc3339(now)
