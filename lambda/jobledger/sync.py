"""Bring the ledger up to date with the service, at one upstream call a family while little happens.

A sync walks the service's list, newest first, back to where nothing can have changed: to the older of
the newest job known and the oldest job that is still active, less an overlap for jobs that the
service lists late. Each page is written before the next is asked for; the state moves on only when
the walk is complete. A walk that is cut short is gone on with by the next run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from jobledger.errors import (
    DeadlineReached,
    JobLedgerError,
    JobUnknown,
    TokenRefused,
    WalkEndless,
    WalkOvertaken,
)
from jobledger.jobs import Family, Job
from jobledger.ledger import LastError, Ledger, SyncState, Walk
from jobledger.observability import logger
from jobledger.times import parse, rfc3339
from jobledger.upstream import Upstream, UpstreamPage

# How much later than its submit time the service may list a job for the first time.
OVERLAP = timedelta(minutes=10)
# How often everything is walked, in case the service listed something later than that.
FULL_WALK_EVERY = timedelta(days=1)
MAX_EMPTY_PAGES = 100
# A long walk says how far it is: each 10,000 jobs or so.
PAGES_A_REPORT = 20


@dataclass(frozen=True, slots=True)
class FamilySync:
    """What one run did for one family. `error` is the name of what ended it early, if anything."""

    as_of: str | None
    upstream_calls: int = 0
    throttles: int = 0
    observed: int = 0
    changed: int = 0
    transitions: int = 0
    error: str | None = None


class Sync:
    """One run over one family. `now` is the clock; make a new one for each run and family."""

    def __init__(
        self, family: Family, upstream: Upstream, ledger: Ledger, now: Callable[[], datetime]
    ) -> None:
        self._family = family
        self._upstream = upstream
        self._ledger = ledger
        self._now = now
        self._observed = self._changed = self._transitions = 0
        self._seen_tokens: set[str] = set()
        self._empty_pages = 0
        self._pages = 0

    def run(self) -> FamilySync:
        """Sync the family; an error of the service or the ledger is told, not raised."""
        self._upstream.reset()
        error = None
        try:
            state = self._run()
        except (DeadlineReached, WalkOvertaken) as interruption:
            # The next run, or the other one, goes on where this one stopped.
            state, error = self._ledger.state(self._family), interruption.name
        except JobLedgerError as failure:
            state, error = self._note_failure(failure), failure.name
        return FamilySync(
            as_of=state.as_of,
            upstream_calls=self._upstream.calls,
            throttles=self._upstream.throttles,
            observed=self._observed,
            changed=self._changed,
            transitions=self._transitions,
            error=error,
        )

    def _run(self) -> SyncState:
        state = self._ledger.state(self._family)
        try:
            return self._walk(state, state.walk or self._new_walk(state))
        except (TokenRefused, WalkEndless):
            # Once from the start: a token may have expired while the walk lay still.
            state = self._ledger.state(self._family)
            self._seen_tokens.clear()
            self._empty_pages = 0
            return self._walk(state, self._new_walk(state))

    def _new_walk(self, state: SyncState) -> Walk:
        now = self._now()
        return Walk(
            started_at=rfc3339(now),
            after=_window_start(state, now),
            missing=state.active,
        )

    def _walk(self, state: SyncState, walk: Walk) -> SyncState:
        while True:
            listed_at = rfc3339(self._now())
            page = self._upstream.page(self._family, walk.after, walk.next_token)
            self._record(state, page.jobs, listed_at)
            walk = _advance(walk, page)
            if page.next_token is None:
                return self._complete(state, walk)
            self._check_progress(page)
            saved = self._ledger.save_state(self._family, replace(state, walk=walk))
            if saved is None:
                raise WalkOvertaken
            state = saved
            self._pages += 1
            if self._pages % PAGES_A_REPORT == 0:
                logger.info(
                    "walking", extra={"family": self._family.value, "observed": self._observed}
                )

    def _record(self, state: SyncState, jobs: tuple[Job, ...], listed_at: str) -> None:
        recorded = self._ledger.record(
            self._family, jobs, listed_at, announce_new=state.as_of is not None
        )
        self._observed += len(jobs)
        self._changed += recorded.changed
        self._transitions += recorded.transitions

    def _check_progress(self, page: UpstreamPage) -> None:
        """Raise WalkEndless for a token seen before, or too many pages without a job in a row."""
        assert page.next_token is not None
        self._empty_pages = 0 if page.jobs else self._empty_pages + 1
        if page.next_token in self._seen_tokens or self._empty_pages > MAX_EMPTY_PAGES:
            raise WalkEndless("WalkEndless")
        self._seen_tokens.add(page.next_token)

    def _complete(self, state: SyncState, walk: Walk) -> SyncState:
        """Look into what was active and is not listed any more, then move the state on."""
        active = walk.active | self._look_for(state, walk.missing)
        while True:
            following = replace(
                state,
                as_of=_later(walk.started_at, state.as_of),
                full_walk_at=walk.started_at if walk.after is None else state.full_walk_at,
                high_water_mark=_later(walk.high_water_mark, state.high_water_mark),
                active=active,
                walk=None,
                last_error=None,
            )
            saved = self._ledger.save_state(self._family, following)
            if saved is not None:
                return saved
            # Another sync came between. What either found active is looked at again by the next.
            state = self._ledger.state(self._family)
            active = state.active | active

    def _look_for(self, state: SyncState, missing: dict[str, str]) -> dict[str, str]:
        """Describe each job that was active and is not listed; return those that still are."""
        active = {}
        for job_id, submit_time in missing.items():
            listed_at = rfc3339(self._now())
            try:
                job = self._upstream.describe(self._family, job_id)
            except JobUnknown:
                self._ledger.mark_expired(self._family, job_id, submit_time or None)
                continue
            self._record(state, (job,), listed_at)
            if not job.ended:
                active[job_id] = submit_time
        return active

    def _note_failure(self, failure: JobLedgerError) -> SyncState:
        """Write the failure's name into the state, AsOf untouched. A walk whose tokens fail is dropped."""
        while True:
            state = self._ledger.state(self._family)
            noted = replace(
                state,
                walk=None if isinstance(failure, TokenRefused | WalkEndless) else state.walk,
                last_error=LastError(failure.name, rfc3339(self._now())),
            )
            saved = self._ledger.save_state(self._family, noted)
            if saved is not None:
                return saved


def _window_start(state: SyncState, now: datetime) -> str | None:
    """Return the SubmitTimeAfter of a new walk; None to walk everything."""
    if state.as_of is None or state.full_walk_at is None:
        return None
    if now - parse(state.full_walk_at) >= FULL_WALK_EVERY:
        return None
    known = [state.high_water_mark or state.as_of, *filter(None, state.active.values())]
    return rfc3339(parse(min(known)) - OVERLAP)


def _advance(walk: Walk, page: UpstreamPage) -> Walk:
    """Return the walk with a page behind it."""
    active = dict(walk.active)
    for job in page.jobs:
        if job.ended:
            active.pop(job.job_id, None)
        else:
            active[job.job_id] = job.submit_time or ""
    listed = {job.job_id for job in page.jobs}
    # A submit time in the future, from a clock ahead of ours, must not close the window on others.
    newest = max((job.submit_time for job in page.jobs if job.submit_time), default=None)
    return replace(
        walk,
        next_token=page.next_token,
        high_water_mark=_later(newest and min(newest, walk.started_at), walk.high_water_mark),
        active=active,
        missing={
            job_id: submit_time
            for job_id, submit_time in walk.missing.items()
            if job_id not in listed
        },
    )


def _later(one: str | None, other: str | None) -> str | None:
    return max(filter(None, (one, other)), default=None)
