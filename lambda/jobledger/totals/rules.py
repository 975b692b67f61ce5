"""When the ledger is stale, and which active jobs run unusually long: one rule for all readers. No AWS calls.

The API, the board, the widget, digests and look-ups use it. Which job is active is a rule of the writer as well, in
`ledger.job_facts`.
"""

from datetime import datetime, timedelta

from jobledger.times import parse

STALE_SYNCS = 10
"""Missed syncs that make the ledger stale. A few are harmless: the next one recovers."""
LONG_RUNNING_SECONDS = 3600.0
LONG_RUNNING_PERCENTILE = 95
RECENT_DAYS = 30
"""Days of submission, in UTC and with today, whose jobs an active job is compared with."""


def runs_long(age: float, usual: float | None) -> bool:
    """Whether an active job of this age takes unusually long.

    `usual` is the 95th percentile of its family's recent jobs. A job is never long-running in its first hour.
    """
    return age > max(usual or 0.0, LONG_RUNNING_SECONDS)


def is_stale(as_of: str | None, sync_minutes: int, now: datetime) -> bool:
    """Whether the ledger has missed ten syncs since `as_of`, or never had one."""
    return as_of is None or now - parse(as_of) > timedelta(minutes=STALE_SYNCS * sync_minutes)
