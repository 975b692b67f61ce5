"""Which jobs are looked for: those of a batch of the stream, those that are due again, and those of the last days."""

import heapq
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from jobledger import metrics
from jobledger.errors import DeadlineReached, JobLedgerError, LedgerUnavailable, NotUnderstood
from jobledger.ledger.job_facts import JobFacts, has_ended, is_final
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import Output, output_of
from jobledger.ledger.outputs import Outputs, Waiting
from jobledger.ledger.rows import Change, rows_of, status_of
from jobledger.ledger.table import Row
from jobledger.observability import described, logger, publish_metrics, step
from jobledger.outputs.look import SETTLED, Read, look
from jobledger.outputs.places import Buckets
from jobledger.outputs.recent import keep_outcomes
from jobledger.service import Family, JobStatus
from jobledger.sources import source_of_key
from jobledger.sqs import Undelivered
from jobledger.stream import Remaining, handle_changes
from jobledger.times import parse, rfc3339

# When a manifest is looked for again, after the first time: AWS does not say when it is written.
_AFTER = tuple(timedelta(minutes=minutes) for minutes in (0, 1, 5, 15, 60, 240, 720, 1440))
_LAST = len(_AFTER) - 1
# A run of the schedule ends before the next one begins, which would read the same rows.
_RUN_MILLISECONDS = 50_000
_MOST_DUE = 200
# Of the jobs of the last days, this many become due each minute, so that jobs that have just ended do not wait for them.
_QUEUED_A_MINUTE = 100
# Reading an object takes up to 35 seconds, writing its row nearly as long. Neither begins unless that much time is left.
LONGEST_MILLISECONDS = 60_000
# The statuses whose jobs have a manifest; AWS does not say whether the others do.
_WITH_MANIFEST = (JobStatus.COMPLETED, JobStatus.PARTIAL_SUCCESS)


class Dependencies(msgspec.Struct, frozen=True):
    """What a run needs; `read` reads an object of S3."""

    ledger: Ledger
    outputs: Outputs
    families: tuple[Family, ...]
    buckets: Buckets
    read: Read
    now: Callable[[], datetime]


def read_ended(
    dependencies: Dependencies,
    records: list[Any],
    remaining: Remaining,
    undelivered: Callable[[], Undelivered],
) -> dict[str, Any]:
    """Look for the jobs that ended in a batch of the stream, once; others try again later."""
    run = _Run(dependencies, remaining)
    handled = handle_changes(records, run.handle, undelivered)
    run.publish(handled.put_aside)
    return handled.answer


def read_due(dependencies: Dependencies, remaining: Remaining) -> dict[str, Any]:
    """Look for the jobs that are due, while there is time. Raises LedgerUnavailable when they cannot be read."""
    run, started = _Run(dependencies, remaining), remaining()
    looked_for = 0
    for waiting in dependencies.outputs.due(rfc3339(dependencies.now()), _MOST_DUE):
        if started - remaining() > _RUN_MILLISECONDS or not run.retry(waiting):
            break
        looked_for += 1
    run.publish()
    return {"LookedFor": looked_for, "Recorded": run.recorded}


def queue_ended(
    dependencies: Dependencies, days: int, before: datetime | None, remaining: Remaining
) -> dict[str, Any]:
    """Let the ended jobs without a complete output of the last days become due, the newest first, while there is time."""
    outputs, now = dependencies.outputs, dependencies.now()
    after, upto = rfc3339(now - timedelta(days=days)), rfc3339(before or now)
    jobs = heapq.merge(
        *(outputs.jobs(family, after, upto) for family in dependencies.families),
        key=lambda job: job.submit_time or "",
        reverse=True,
    )
    # A call that continues another one does so behind what that one has queued.
    begin = max(now, parse(last)) if before and (last := outputs.last_due()) else now
    queued = 0
    for job in jobs:
        if remaining() < LONGEST_MILLISECONDS:
            # Jobs of the same time may be queued: queueing one twice is harmless.
            rest = parse(str(job.submit_time)) + timedelta(milliseconds=1)
            return {"Queued": queued, "Before": rfc3339(rest)}
        if has_ended(job) and not (job.output and job.output.complete):
            due = begin + timedelta(minutes=queued // _QUEUED_A_MINUTE)
            outputs.wait(_queued(job, due, now))
            queued += 1
    return {"Queued": queued}


def _queued(job: JobFacts, due: datetime, now: datetime) -> Waiting:
    """Return what waits for a job of the last days; what ended long ago is looked for once."""
    ended = job.end_time or job.submit_time or ""
    attempt = _LAST if ended < rfc3339(now - _AFTER[-1]) else 1
    return Waiting(job.family, job.job_id, job.sort_key, attempt, rfc3339(due))


class _Run:
    """One invocation. It counts what it records."""

    def __init__(self, dependencies: Dependencies, remaining: Remaining) -> None:
        self._in = dependencies
        self._remaining = remaining
        self.recorded = 0
        self._problems = 0
        self._outcomes: list[bool] = []

    def handle(self, change: Change) -> bool:
        """Look for the job of a change, if it has ended; return False when the batch has to end here.

        Raises NotUnderstood.
        """
        if not is_final(change.status, change.end_time):
            return True
        first = Waiting(change.family, change.job_id, change.sort_key, 0, "")
        try:
            self._try(first)
        except DeadlineReached:
            return False
        except LedgerUnavailable as error:
            # Raising would make Lambda look for the earlier jobs again.
            _log_failure(first, error)
            return False
        return True

    def retry(self, waiting: Waiting) -> bool:
        """Look for a job that is due; return False when there is too little time. No job stops the others."""
        try:
            try:
                self._try(waiting)
            except NotUnderstood as error:
                _log_failure(waiting, error)
            self._in.outputs.done(waiting)
        except DeadlineReached:
            return False
        except LedgerUnavailable as error:
            _log_failure(waiting, error)  # it stays due
        return True

    def publish(self, put_aside: int = 0) -> None:
        """Publish what this run has counted; most have counted nothing, and a metric without values costs nothing."""
        values: dict[metrics.Metric, float | Sequence[float]] = {}
        if self._problems:
            values[metrics.OUTPUT_PROBLEMS] = self._problems
        if put_aside:
            values[metrics.RECORDS_PUT_ASIDE] = put_aside
        failing = keep_outcomes(self._in.ledger, self._outcomes) if self._outcomes else None
        if failing is not None:
            values[metrics.OUTPUTS_FAILING] = int(failing)
        if values:
            publish_metrics(values)

    def _try(self, waiting: Waiting) -> None:
        """Look for a job; one that fails, whatever else does not, is tried again later, so that others go on.

        Raises NotUnderstood, DeadlineReached and LedgerUnavailable.
        """
        try:
            self._look_for(waiting)
        except (NotUnderstood, DeadlineReached, LedgerUnavailable):
            raise
        except Exception as error:
            _log_failure(waiting, error)
            self._postpone(waiting)

    def _look_for(self, waiting: Waiting) -> None:
        """Record what a job processed, or let it wait for the next attempt."""
        self._check_time()
        row = self._row(waiting)
        known = output_of(row) if row else None
        if row is None or (known and known.complete):
            return
        waiting = replace(waiting, job_key=str(row["SK"]))
        with step("ReadOutput", Family=waiting.family.value):
            output = look(str(row.get("Job")), self._in.buckets, self._read)
        if output.complete or output.problem in SETTLED or waiting.attempt >= _LAST:
            self._record(waiting, row, output)
            return
        if output.numbered:  # the list of unprocessed files may come later
            self._in.outputs.record(waiting.family, waiting.job_key, output)
        self._postpone(waiting)

    def _row(self, waiting: Waiting) -> Row | None:
        """Return the job's row, also if another submit time has moved it; None when there is none."""
        row = self._in.outputs.row(waiting.family, waiting.job_key)
        if row:
            return row
        ledger = self._in.ledger
        at = ledger.partition(waiting.family), source_of_key(waiting.job_key)
        rows = rows_of(ledger.table, ledger.scope, waiting.job_id)
        return next((row for row in rows if (row["PK"], source_of_key(str(row["SK"]))) == at), None)

    def _record(self, waiting: Waiting, row: Row, output: Output) -> None:
        if not self._in.outputs.record(waiting.family, waiting.job_key, output):
            return
        self.recorded += 1
        if status_of(row) in _WITH_MANIFEST:
            self._outcomes.append(output.complete)
        if output.problem:
            self._problems += 1
            extra = _ids(waiting) | {"problem": output.problem}
            logger.warning("output with a problem", extra=extra)

    def _postpone(self, waiting: Waiting) -> None:
        """Let a job become due again, unless this was the last attempt."""
        if waiting.attempt >= _LAST:
            return
        pause = _AFTER[waiting.attempt + 1] - _AFTER[waiting.attempt]
        due = rfc3339(self._in.now() + pause)
        self._in.outputs.wait(replace(waiting, attempt=waiting.attempt + 1, due=due))

    def _read(self, bucket: str, key: str, limit: int) -> bytes | bytearray:
        self._check_time()
        return self._in.read(bucket, key, limit)

    def _check_time(self) -> None:
        if self._remaining() < LONGEST_MILLISECONDS:
            raise DeadlineReached


def _log_failure(waiting: Waiting, error: Exception) -> None:
    known = {"error": error.name} if isinstance(error, JobLedgerError) else described(error)
    logger.error("output not recorded", extra=_ids(waiting) | known)


def _ids(waiting: Waiting) -> dict[str, Any]:
    return {"family": waiting.family.value, "job_id": waiting.job_id}
