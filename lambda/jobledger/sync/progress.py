"""The progress of a walk over the service's list, page by page, and what a state is after it. No AWS calls."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace

from jobledger.ledger.states import LastError, SyncState, Walk
from jobledger.sync.upstream import UpstreamPage
from jobledger.times import known, parse, rfc3339

# The interval of the full walk, which finds what the service listed later than the overlap.
FULL_WALK_EVERY = timedelta(days=1)
# A walk that still fails this long after its start is restarted.
PATIENCE = timedelta(hours=1)

Which = Literal["walk", "full_walk"]


class FamilySync(msgspec.Struct, frozen=True):
    """The result of one run for one family.

    `active` is the number of jobs that it follows, `error` is an error's name, and `cause` says why the ledger
    was not available.
    """

    as_of: str | None
    upstream_calls: int = 0
    throttles: int = 0
    observed: int = 0
    changed: int = 0
    transitions: int = 0
    counters_repaired: int = 0
    altered: int = 0
    active: int = 0
    error: str | None = None
    cause: str | None = None


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


def completed(state: SyncState, which: Which, walk: Walk) -> SyncState:
    """Return the state after a walk that has listed everything."""
    following = replace(
        state,
        high_water_mark=later(walk.high_water_mark, state.high_water_mark),
        **{which: other_walk(getattr(state, which), walk)},
    )
    if walk.after is None:
        after = rfc3339(parse(walk.started_at) + FULL_WALK_EVERY)
        following = replace(following, full_walk_after=after)
    if which == "full_walk":
        following = replace(following, recounted=following.recounted or "")
    return following


def full_walk_is_due(state: SyncState, now: datetime, *, begins: bool) -> bool:
    """Whether to continue the daily walk or, with `begins`, to begin one that is due."""
    if not state.filled or state.full_walk is not None:
        return state.filled
    after = known(state.full_walk_after, now, ahead=FULL_WALK_EVERY)
    return begins and rfc3339(now) >= (after or "")


def failed(
    state: SyncState, which: Which, error: str, now: datetime, *, refused: bool
) -> SyncState:
    """Return the state after a walk that failed: without it, if it was `refused` or has failed for too long."""
    walk = getattr(state, which)
    noted = replace(state, last_error=LastError(error, rfc3339(now)))
    if not refused and (walk is None or now - parse(walk.started_at) <= PATIENCE):
        return noted
    again = {"full_walk_after": rfc3339(now + PATIENCE)} if which == "full_walk" else {}
    return replace(noted, **{which: None}, **again)


def with_rows(state: SyncState) -> SyncState:
    """Return the state without the active jobs that have rows now."""
    walk, full_walk = (part and replace(part, active={}) for part in (state.walk, state.full_walk))
    if walk is not None and walk.after is not None:
        walk = None
    return replace(state, active={}, walk=walk, full_walk=full_walk)
