"""When a schedule runs next, in its time zone."""

from datetime import UTC, datetime

from job_ledger.schedules import next_run

CREATED = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)


def test_the_next_run_is_the_first_after_now():
    for expression, zone, now, expected in (
        ("cron(0 8 * * ? *)", "UTC", "2026-11-30T07:59", "2026-11-30T08:00"),
        ("cron(0 8 * * ? *)", "UTC", "2026-11-30T08:00", "2026-12-01T08:00"),
        ("cron(0 8 * * ? *)", "Europe/Zurich", "2026-11-30T08:00", "2026-12-01T07:00"),
        ("cron(0 8 * * ? *)", "America/Los_Angeles", "2026-11-30T08:00", "2026-11-30T16:00"),
        ("cron(30 6 ? * MON-FRI *)", "UTC", "2026-11-27T07:00", "2026-11-30T06:30"),
        ("cron(0 0 L * ? *)", "UTC", "2026-11-30T01:00", "2026-12-31T00:00"),
        ("cron(0 0 1 1 ? 2028)", "UTC", "2026-11-30T01:00", "2028-01-01T00:00"),
        ("cron(0 0 1 1 ? 2025)", "UTC", "2026-11-30T01:00", None),
        ("rate(1 hour)", "UTC", "2026-11-30T12:00", "2026-11-30T12:30"),
        ("rate(2 days)", "UTC", "2026-11-30T09:30", "2026-12-02T09:30"),
        # On the day when clocks go forward.
        ("cron(0 3 * * ? *)", "Europe/Zurich", "2027-03-28T00:30", "2027-03-28T01:00"),
    ):
        found = next_run(expression, zone, datetime.fromisoformat(f"{now}Z"), CREATED)
        assert found == (datetime.fromisoformat(f"{expected}Z") if expected else None), expression
