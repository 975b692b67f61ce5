"""Updates the ledger from the service, with one upstream call a family when little changes.

A sync walks the service's list, newest first, back to the newest known job, less an overlap for jobs that the
service lists late. A job that has been active since before is listed or described, whichever takes fewer
calls. The sync writes each page before it requests the next one, and advances the state only when the walk
is complete. The next run resumes an interrupted walk. Once a day a second walk covers everything, after and
beside the first, so that its failure does not delay new jobs. Then the counters are recounted.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace

from jobledger.errors import (
    DeadlineReached,
    JobsUnconfirmed,
    LedgerUnavailable,
    TokenRefused,
    UpstreamError,
    WalkEndless,
    WalkOvertaken,
)
from jobledger.fitting import encodable
from jobledger.jobs import Job
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import LastError, Round, SyncState, Walk
from jobledger.observability import logger, step
from jobledger.service import Family
from jobledger.sync.confirming import ActiveJobs
from jobledger.sync.progress import (
    PATIENCE,
    FamilySync,
    Which,
    advanced,
    completed,
    failed,
    full_walk_is_due,
    later,
    with_rows,
)
from jobledger.sync.upstream import Upstream, UpstreamPage
from jobledger.sync.window import window_start
from jobledger.times import parse, rfc3339
from jobledger.totals.recount import recount

MAX_EMPTY_PAGES = 100
# Ten times the pages of 350,000 jobs, the possible maximum: tokens in a long cycle end here.
MAX_PAGES = 7_000
# A long walk logs its progress about every 10,000 jobs.
PAGES_A_REPORT = 20
# A state stays below 4 KB. A walk whose tokens are longer, or not Unicode, is not resumed.
LONGEST_TOKEN = 1_000


class Sync:
    """One run over one family. `now` is the clock. Create a new one for each run and family.

    Without `reconcile`, the daily full walk and recount are left to another run. `check_deadline` raises
    DeadlineReached when no time is left to recount another month.
    """

    def __init__(
        self,
        family: Family,
        upstream: Upstream,
        ledger: Ledger,
        now: Callable[[], datetime],
        *,
        reconcile: bool = True,
        check_deadline: Callable[[], None] = lambda: None,
    ) -> None:
        self._family = family
        self._upstream = upstream
        self._ledger = ledger
        self._now = now
        self._reconcile = reconcile
        self._check_deadline = check_deadline
        self._state = SyncState()
        self._active = ActiveJobs(family, upstream, ledger, now, self._record)
        self._quiet = 0
        self._listing_failed = False
        self._error: str | None = None
        self._cause: str | None = None
        self._observed = self._changed = self._transitions = self._repaired = self._altered = 0
        self._seen_tokens: set[str] = set()
        self._empty_pages = 0

    def run(self) -> FamilySync:
        """Sync the family. Service and ledger errors are returned, not raised."""
        self._upstream.reset()
        try:
            self._begin()
            self._run("walk")
            if self._reconcile:
                # A new full walk waits until the service answers again.
                begins = not self._listing_failed
                if full_walk_is_due(self._state, self._now(), begins=begins):
                    self._run("full_walk")
                self._recount()
        except (DeadlineReached, WalkOvertaken) as interruption:
            # The next run, or the other one, resumes here.
            self._error = interruption.name
        except LedgerUnavailable as failure:
            self._error, self._cause = failure.name, str(failure)
        return FamilySync(
            as_of=self._state.as_of,
            upstream_calls=self._upstream.calls,
            throttles=self._upstream.throttles,
            observed=self._observed,
            changed=self._changed,
            transitions=self._transitions,
            counters_repaired=self._repaired,
            altered=self._altered,
            active=len(self._active.jobs),
            error=self._error,
            cause=self._cause,
        )

    def _begin(self) -> None:
        """Read the state and the active jobs; give each active job of an older version its row."""
        self._state = state = self._ledger.state(self._family)
        if state.without_rows:
            self._ledger.follow(self._family, self._ledger.active(self._family, state).values())
            self._state = state = self._save(with_rows)
        if self._ledger.member and not state.version:
            # A source is known by its states: none of its jobs is written before there is one.
            self._state = state = self._save(lambda state: state)
        # The family has no active row only if none is found after the state was read.
        self._quiet = state.quiet
        self._active.jobs = self._ledger.active(self._family, state, consistent=True)
        if self._active.jobs:
            self._quiet = 0

    def _save(
        self,
        change: Callable[[SyncState], SyncState],
        overtaken: Callable[[SyncState], bool] = lambda state: False,
    ) -> SyncState:
        """Change the state beside other syncs. Raises WalkOvertaken when one of them has `overtaken` this one."""
        while True:
            saved = self._ledger.save_state(self._family, change(self._state))
            if saved is not None:
                self._state = saved
                return saved
            self._state = self._ledger.state(self._family)
            if overtaken(self._state):
                raise WalkOvertaken

    def _run(self, which: Which) -> None:
        try:
            try:
                self._walk(which, getattr(self._state, which) or self._new_walk(which))
            except (TokenRefused, WalkEndless):
                # Restart once: a token can expire while a walk is interrupted.
                self._seen_tokens.clear()
                self._active.forget_seen()
                self._empty_pages = 0
                self._walk(which, self._new_walk(which))
        except UpstreamError as failure:
            self._note_failure(which, failure)

    def _new_walk(self, which: Which) -> Walk:
        state, now = self._state, self._now()
        started_at = rfc3339(now)
        listed = state.filled and (state.high_water_mark or state.as_of)
        if which == "full_walk" or not listed:
            return Walk(started_at)
        refused_at = state.describe_refused_at
        refused = refused_at is not None and now - parse(refused_at) < PATIENCE
        active = self._active.jobs.values()
        after = window_start(self._ledger, self._family, state, active, describe=not refused)
        return Walk(started_at, after)

    def _walk(self, which: Which, walk: Walk) -> None:
        while True:
            listed_at = rfc3339(self._now())
            with step("SyncPage", Family=self._family.value) as put:
                page = self._upstream.page(self._family, walk.after, walk.next_token)
                put("Jobs", len(page.jobs))
                self._record(page.jobs, listed_at)
                self._altered += page.without_id
            last, walk = walk, advanced(walk, page)
            if page.next_token is None:
                self._complete(which, walk, last.reached)
                return
            self._check_progress(walk, page)
            unconfirmed = self._active.confirm_between(walk.reached, last.reached)
            walk = replace(walk, unconfirmed=walk.unconfirmed + unconfirmed)
            self._checkpoint(which, last, walk)

    def _record(self, jobs: tuple[Job, ...], listed_at: str) -> None:
        recorded = self._ledger.record(
            self._family,
            jobs,
            listed_at,
            announce_new=self._state.filled,
            # The deployment's own source is alone in its first fill, as a rule.
            counted=self._state.filled or self._ledger.member is not None,
            followed=self._active.jobs,
        )
        self._active.see(jobs)
        self._observed += len(jobs)
        self._changed += recorded.changed
        self._transitions += recorded.transitions
        self._altered += recorded.altered

    def _check_progress(self, walk: Walk, page: UpstreamPage) -> None:
        """Raise WalkEndless for a repeated token, too many pages, or too many empty pages in a row."""
        assert page.next_token is not None
        self._empty_pages = 0 if page.jobs else self._empty_pages + 1
        circle = page.next_token in self._seen_tokens or walk.pages > MAX_PAGES
        if circle or self._empty_pages > MAX_EMPTY_PAGES:
            raise WalkEndless("WalkEndless")
        self._seen_tokens.add(page.next_token)
        if walk.pages % PAGES_A_REPORT == 0:
            logger.info("walking", extra={"family": self._family.value, "observed": self._observed})

    def _checkpoint(self, which: Which, last: Walk, walk: Walk) -> None:
        """Store the walk's progress. Raises WalkOvertaken when another sync advanced it."""
        token = walk.next_token or ""
        if token != encodable(token) or len(msgspec.json.encode(token)) > LONGEST_TOKEN:
            return
        self._save(
            lambda state: replace(state, **{which: walk}),
            lambda state: getattr(state, which) not in (None, last),
        )

    def _complete(self, which: Which, walk: Walk, reached: str | None) -> None:
        """Confirm the active jobs that were not listed, then advance the state.

        `reached` is the oldest time of the pages before the last one.
        """
        if which == "full_walk":
            self._save(lambda state: completed(state, which, walk))
            return
        rest: Round | None = None
        as_of: str | None = walk.started_at
        if walk.after is not None:
            begun = self._state.round
            rest, as_of = self._active.confirm_rest(walk.started_at, begun, reached)
        if walk.unconfirmed:
            as_of = None
        self._error = self._active.error or (None if as_of else JobsUnconfirmed.__name__)
        self._save(lambda state: self._confirmed(completed(state, which, walk), rest, as_of))

    def _confirmed(self, state: SyncState, rest: Round | None, as_of: str | None) -> SyncState:
        """Return the state after a walk: AsOf moves on if every active job was confirmed."""
        at = rfc3339(self._now())
        if self._ledger.source != self._ledger.keeper:
            # Whether all jobs are counted is in the keeper's state, which this one's can become.
            state = replace(state, counted=0)
        elif not state.filled and not self._ledger.member:
            # The fill has written jobs that no counter includes.
            state = replace(state, counted=0, recounted="")
        following = replace(
            state,
            as_of=later(as_of, state.as_of),
            round=rest,
            last_error=LastError(self._error, at) if self._error else None,
            describe_refused_at=at if self._active.refused else state.describe_refused_at,
        )
        if self._quiet and state.quiet == self._quiet:
            return replace(following, idle=True)
        if self._active.jobs or state.idle or state.quiet:
            return following
        return replace(following, quiet=state.version + 1)

    def _recount(self) -> None:
        """Recount the counters, if that is due; the next run resumes an interrupted recount."""
        for repaired, progress in recount(
            self._ledger, self._family, self._state, self._now, self._check_deadline
        ):
            self._repaired += repaired
            self._save_recount(progress)

    def _save_recount(self, progress: Mapping[str, object]) -> None:
        """Store the progress of a recount. Raises WalkOvertaken when another sync advanced it."""
        last = self._state.recounted
        self._save(lambda state: replace(state, **progress), lambda state: state.recounted != last)

    def _note_failure(self, which: Which, failure: UpstreamError) -> None:
        """Store the error's name in the state and keep AsOf; drop a walk that cannot be resumed."""
        self._error, self._listing_failed = failure.name, True
        refused, now = isinstance(failure, TokenRefused | WalkEndless), self._now()
        self._save(lambda state: failed(state, which, failure.name, now, refused=refused))
