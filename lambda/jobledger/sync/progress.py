"""The progress of a walk over the service's list, page by page. No AWS calls."""

from msgspec.structs import replace

from jobledger.ledger.states import Walk
from jobledger.sync.upstream import UpstreamPage


def other_walk(current: Walk | None, ours: Walk) -> Walk | None:
    """Return another sync's walk in progress; None when it is the one that is complete."""
    return None if current is None or current.started_at == ours.started_at else current


# After every time.
_ENDLESS = "~"


def advanced(walk: Walk, page: UpstreamPage) -> Walk:
    """Return the walk advanced by one page."""
    # A submit time in the future, from a clock ahead of ours, must not exclude other jobs.
    times = [job.submit_time for job in page.jobs if job.submit_time]
    newest = max(times, default=None)
    return replace(
        walk,
        next_token=page.next_token,
        pages=walk.pages + 1,
        reached=min([*times, walk.reached or _ENDLESS]) if walk.after and times else walk.reached,
        high_water_mark=later(newest and min(newest, walk.started_at), walk.high_water_mark),
    )


def later(one: str | None, other: str | None) -> str | None:
    return max(filter(None, (one, other)), default=None)
