"""The active jobs that a run follows: it confirms each one by the list or by Describe.

AsOf is a time at which everything was confirmed. A job that the list omits is described, in bounded work for each
run. When that is not enough for all of them, the next run continues, in the order of their ids: that is a round.
When a round has confirmed every job, AsOf is the time when the round began.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from jobledger.errors import DeadlineReached, JobUnknown, UpstreamError
from jobledger.jobs import Job
from jobledger.ledger.active import ActiveJob
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.states import Round
from jobledger.service import Family
from jobledger.sync.upstream import Upstream
from jobledger.times import rfc3339

DESCRIBES_A_RUN = 100
"""25 seconds of the shared pace."""
FAILURES_A_RUN = 3
"""A Describe that hangs takes 40 seconds with its retries."""
_LONGEST_POSITION = 100


class ActiveJobs:
    """A family's active jobs. `jobs` are all of them by id, `error` is the name of the last failure.

    `record` writes a described job, listed at a time. `refused` says that Describe failed.
    """

    def __init__(
        self,
        family: Family,
        upstream: Upstream,
        ledger: Ledger,
        now: Callable[[], datetime],
        record: Callable[[tuple[Job, ...], str], None],
    ) -> None:
        self._family = family
        self._upstream = upstream
        self._ledger = ledger
        self._now = now
        self._record = record
        self._seen: set[str] = set()
        self._left, self._failures_left = DESCRIBES_A_RUN, FAILURES_A_RUN
        self.jobs: dict[str, ActiveJob] = {}
        self.error: str | None = None
        self.refused = False

    def see(self, jobs: Iterable[Job]) -> None:
        """Note jobs as the service has just given them."""
        for job in jobs:
            if job.ended:
                self.jobs.pop(job.job_id, None)
            else:
                self._seen.add(job.job_id)
                key = Job.key_of(job.submit_time, job.job_id, self._ledger.member)
                self.jobs[job.job_id] = ActiveJob(job.job_id, key)

    def forget_seen(self) -> None:
        """Begin a new walk, which has seen no job."""
        self._seen.clear()

    def confirm_between(self, oldest: str | None, newest: str | None) -> int:
        """Describe the unseen jobs that a page should have listed; return how many stay unconfirmed.

        The page follows one that ended at `newest` (None: the first page), and ends at `oldest`.
        """
        if oldest is None:
            return 0
        passed = [
            job for job in self._unseen() if oldest < job.submit_time <= (newest or job.submit_time)
        ]
        return sum(not self._confirm(job) for job in passed)

    def confirm_rest(
        self, started_at: str, begun: Round | None, newest: str | None
    ) -> tuple[Round | None, str | None]:
        """Describe the unseen jobs that no page should have listed: all, or those after the position of a round.

        The walk began at `started_at`; `newest` is the oldest time before its last page, as in
        `confirm_between`. Returns the rest of the round, None at its end, and the time as of which all these
        jobs are confirmed, None when they are not.
        """
        unseen = sorted(self._unseen(), key=lambda job: job.job_id)
        rest = [job for job in unseen if job.submit_time <= (newest or job.submit_time)]
        after = begun.after if begun else ""
        if len(rest) <= self._left:
            # This run can confirm every job, beginning with those that the last one did not come to.
            begun = Round(started_at, after)
            rest.sort(key=lambda job: job.job_id <= after)
        else:
            if begun is None or rest[0].job_id > after:
                begun = Round(started_at)
            rest = [job for job in rest if job.job_id > after]
        for job in rest:
            if not self._left or not self._failures_left:
                return begun, None
            failed = not self._confirm(job) or begun.failed
            begun = Round(begun.since, job.job_id[:_LONGEST_POSITION], failed)
        return None, None if begun.failed else begun.since

    def _unseen(self) -> list[ActiveJob]:
        return [job for job in self.jobs.values() if job.job_id not in self._seen]

    def _confirm(self, job: ActiveJob) -> bool:
        """Describe a job; return whether the service reports its status."""
        if not self._left or not self._failures_left:
            return False
        self._left -= 1
        listed_at = rfc3339(self._now())
        try:
            found = self._upstream.describe(self._family, job.job_id)
        except JobUnknown:
            if not self._ledger.note_unknown(self._family, job):
                return False
            del self.jobs[job.job_id]
            return True
        except DeadlineReached:
            # What was listed is complete nevertheless.
            self._left, self.error = 0, DeadlineReached.__name__
            return False
        except UpstreamError as failure:
            # One job that cannot be described does not delay the others.
            self._failures_left -= 1
            self.error, self.refused = failure.name, True
            return False
        self._record((found,), listed_at)
        return True
