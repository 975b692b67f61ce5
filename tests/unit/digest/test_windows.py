"""Windows tile: whatever the schedule's zone does to its clock, and whichever runs come late or not at all."""

import random
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from jobledger.digest.windows import Window, asked_window, digest_id, end_of_run
from jobledger.errors import InvalidWindow
from jobledger.inputs.formats import parse_scheduled_time
from jobledger.times import parse, rfc3339
from testing.digests import DigestWorld, windows

NOW = datetime(2026, 11, 23, 8, 0, 4, 250_000, tzinfo=UTC)
SEEDS = 8
ZONES = (resources.files("tzdata") / "zones").read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    "scheduled, end",
    [
        ("2026-11-23T08:00:00Z", "2026-11-23T07:58:00.000Z"),
        ("2026-11-23T09:00:00+01:00", "2026-11-23T07:58:00.000Z"),
        ("2026-11-20T08:00:00Z", "2026-11-20T07:58:00.000Z"),
        # The schedule's clock is a little ahead; and so far ahead that this one counts.
        ("2026-11-23T08:00:59Z", "2026-11-23T07:58:59.000Z"),
        ("2026-11-23T08:01:04.250Z", "2026-11-23T07:59:04.250Z"),
        ("2026-11-23T08:01:04.251Z", "2026-11-23T07:58:00.000Z"),
        ("2026-11-23T08:10:00Z", "2026-11-23T07:58:00.000Z"),
        ("<aws.scheduler.scheduled-time>", "2026-11-23T07:58:00.000Z"),
        (None, "2026-11-23T07:58:00.000Z"),
    ],
)
def test_a_window_ends_two_minutes_before_the_scheduled_time_or_the_clock(scheduled, end):
    assert end == end_of_run(scheduled and parse_scheduled_time(scheduled), NOW)


START, END = "2026-11-23T00:00:00Z", "2026-11-23T07:58:04.250Z"
EARLIER = "WindowStart: a time earlier than WindowEnd"


@pytest.mark.parametrize(
    "start, end, expected",
    [
        ("2026-11-23T00:00:00+01:00", END, Window("2026-11-22T23:00:00.000Z", END)),
        ("2018-01-01T00:00:00Z", END, Window("2018-01-01T00:00:00.000Z", END)),
        *((START, end, EARLIER) for end in ("2026-11-22T00:00:00Z", START)),
        ("2026-11-23T00:00:00.0001Z", "2026-11-23T00:00:00.0002Z", EARLIER),
        ("2017-12-31T23:59:59.999Z", END, "WindowStart: a time since 2018"),
        (START, "2026-11-23T07:58:04.251Z", "WindowEnd: a time at least two min"),
    ],
)
def test_an_empty_or_open_window_is_refused_with_what_is_allowed(start, end, expected):
    text = isinstance(expected, str)
    with pytest.raises(InvalidWindow, match=f"^{expected}") if text else nullcontext():
        assert asked_window(parse(start), parse(end), NOW) == expected


def test_an_id_is_of_the_scope_and_the_window_alone():
    windows = [Window("a", "b"), Window("a", "c"), Window("b", "c")]
    ids = [digest_id(scope, window) for _ in "12" for scope in ("1/x", "1/y") for window in windows]
    assert ids[:6] == ids[6:]
    assert len(set(ids)) == 6
    assert all(len(one) == 32 and int(one, 16) for one in ids)


# Every zone, every transition.


def transitions(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[date]:
    """The local days on which a zone's offset changes. Changes are more than ten days apart."""
    start, tens = datetime(first_year, 1, 1, tzinfo=UTC), timedelta(days=10)
    while start.year <= last_year:
        before = start.astimezone(zone).utcoffset()
        if (start + tens).astimezone(zone).utcoffset() != before:
            moments = [start + timedelta(minutes=15 * n) for n in range(10 * 24 * 4 + 1)]
            first = bisect_left(
                moments, True, key=lambda m: m.astimezone(zone).utcoffset() != before
            )
            yield moments[first].astimezone(zone).date()
        start += tens


def firings(zone: ZoneInfo, around: date, hours: int, minutes: int) -> list[datetime]:
    """When a daily schedule fires in the week around a day, in UTC.

    EventBridge Scheduler leaves out a time that the clock jumps over, and takes the first of a time that
    comes twice (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
    """
    fired = []
    for days in range(-3, 4):
        day = around + timedelta(days=days)
        local = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            fired.append(moment)
    return fired


def delivered(fired: list[datetime], chance: random.Random) -> list[tuple[datetime, datetime]]:
    """Scheduled time and time of arrival: on time, late, repeated, out of order, or never."""
    delays = {"on time": [1], "late": [7_000], "twice": [1, 40_000], "missed": [], "skewed": [-20]}
    arrivals = [
        (scheduled, scheduled + timedelta(seconds=seconds))
        for scheduled in fired
        for seconds in delays[chance.choice([*delays, "on time"])]
    ]
    return sorted(arrivals, key=lambda arrival: arrival[1])


def weeks_of_firings() -> dict[tuple[timedelta, ...], list[list[datetime]]]:
    """The weeks of firings around each zone's transitions, by the times between the firings."""
    weeks: dict[tuple[timedelta, ...], list[list[datetime]]] = {}
    for zone in map(ZoneInfo, ZONES):
        for day in transitions(zone, 2024, 2030):
            for hours, minutes in ((8, 0), (2, 30)):
                fired = firings(zone, day, hours, minutes)
                apart = tuple(after - before for before, after in pairwise(fired))
                weeks.setdefault(apart, []).append(fired)
    return weeks


@pytest.mark.slow
def test_windows_tile_across_every_transition_of_every_zone_from_2024_to_2030():
    weeks = weeks_of_firings()
    assert sum(map(len, weeks.values())) > 4_000
    # Weeks with the same times between their firings have the same windows.
    for number, fired in enumerate(week for same in weeks.values() for week in same[:SEEDS]):
        arrivals = delivered(fired, random.Random(number))
        world = DigestWorld()
        for scheduled, world.now in arrivals:
            world.run({"ScheduledTime": rfc3339(scheduled)})
        covered = [Window(start, end) for start, end in windows(world)]
        assert all(window.start < window.end for window in covered)
        assert all(one.end == other.start for one, other in pairwise(covered))
        # What has arrived in order ends a window of its own; what was overtaken is in a later one.
        ends = [parse(window.end) + timedelta(minutes=2) for window in covered]
        newest = [
            scheduled
            for number, (scheduled, _) in enumerate(arrivals)
            if all(scheduled > earlier for earlier, _ in arrivals[:number])
        ]
        assert newest == ends
