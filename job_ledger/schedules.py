"""The runs of an EventBridge Scheduler expression: the longest time between two, and the next one.

The stack imports it as well: it needs the standard library only.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

# A year with every weekday on every position, and a leap day: enough for yearly rules.
_FIRST, _DAYS = date(2027, 1, 1), 1461
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_NAMES = {
    name: str(number)
    for first, names in (
        (1, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
        (1, "SUN MON TUE WED THU FRI SAT"),
    )
    for number, name in enumerate(names.split(), first)
}


def longest_gap(expression: str) -> timedelta:
    """Return the longest interval of a valid cron(…) or rate(…) expression, in its local time.

    The field for the year is ignored: a schedule that has ended has no next run.
    """
    if (rate := _rate(expression)) is not None:
        return rate
    times = list(_runs(_fields(expression), _FIRST))
    gaps = (later - earlier for earlier, later in pairwise(times))
    return max(gaps, default=timedelta(days=366))


def next_run(expression: str, timezone: str, now: datetime, created: datetime) -> datetime | None:
    """Return the next run of a valid expression after `now`, in UTC; None when there is none in four years."""
    if (rate := _rate(expression)) is not None:
        return created + ((now - created) // rate + 1) * rate
    zone = ZoneInfo(timezone)
    fields = _fields(expression)
    years = _numbers(fields[5], 1970, 2199)
    for run in _runs(fields, now.astimezone(zone).date()):
        moment = run.replace(tzinfo=zone)
        if run.year in years and moment > now:
            return moment.astimezone(UTC)
    return None


def _rate(expression: str) -> timedelta | None:
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    return int(rate[1]) * _UNITS[rate[2]] if rate else None


def _fields(expression: str) -> list[str]:
    return expression[len("cron(") : -1].upper().split(" ")


def _runs(fields: list[str], first: date) -> Iterator[datetime]:
    minutes, hours, days, months, weekdays, _ = fields
    times = [
        (hour, minute) for hour in _numbers(hours, 0, 23) for minute in _numbers(minutes, 0, 59)
    ]
    in_months = set(_numbers(months, 1, 12))
    for offset in range(_DAYS):
        day = first + timedelta(days=offset)
        if day.month in in_months and _on(day, days, weekdays):
            for hour, minute in times:
                yield datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - the schedule's own time


def _on(day: date, days: str, weekdays: str) -> bool:
    if days != "?":
        return any(_is_day_of_month(day, part) for part in days.split(","))
    return any(_is_weekday(day, part) for part in weekdays.split(","))


def _is_day_of_month(day: date, part: str) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if part == "L":
        return day.day == last
    if part.endswith("W"):
        return day == _nearest_working_day(
            day.replace(day=last if part == "LW" else min(int(part[:-1]), last))
        )
    return day.day in _numbers(part, 1, 31)


def _nearest_working_day(day: date) -> date:
    """Return the day itself, or the nearest day from Monday to Friday in the same month."""
    if day.weekday() < 5:
        return day
    before, after = (1, 2) if day.weekday() == 5 else (2, 1)  # days to Friday and to Monday
    friday, monday = day - timedelta(days=before), day + timedelta(days=after)
    nearest, other = (friday, monday) if before < after else (monday, friday)
    return nearest if nearest.month == day.month else other


def _is_weekday(day: date, part: str) -> bool:
    number = day.isoweekday() % 7 + 1  # EventBridge counts from Sunday, 1
    if "#" in part:
        name, _, week = part.partition("#")
        return number == _number(name) and (day.day - 1) // 7 + 1 == int(week)
    if part == "L":
        return number == 7
    if part.endswith("L"):
        last = calendar.monthrange(day.year, day.month)[1]
        return number == _number(part[:-1]) and day.day > last - 7
    return number in _numbers(part, 1, 7)


def _numbers(field: str, least: int, most: int) -> list[int]:
    """Return the numbers of a field of lists, ranges and steps, in ascending order."""
    found: set[int] = set()
    for part in field.split(","):
        stretch, _, step = part.partition("/")
        start, dash, end = stretch.partition("-")
        low = least if start in ("*", "?") else _number(start)
        high = _number(end) if dash else (most if start in ("*", "?") or step else low)
        found.update(range(low, high + 1, int(step or 1)))
    return sorted(found)


def _number(text: str) -> int:
    return int(_NAMES.get(text, text))
