"""One run of the sync function: syncs the requested families and reports logs and metrics."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from jobledger import metrics
from jobledger.errors import DeadlineReached, JobsUnconfirmed, WalkOvertaken
from jobledger.inputs.payloads import read_sync_payload
from jobledger.ledger.ledger import Ledger
from jobledger.observability import logger, publish_metrics, step
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync.pace import Pace
from jobledger.sync.shared import SharedSyncs
from jobledger.sync.upstream import ATTEMPT_SECONDS, Upstream
from jobledger.sync.walk import FamilySync, Sync
from jobledger.times import parse

Clock = Callable[[], datetime]
Dependencies = tuple[Settings, Ledger, Upstream, Pace]

# One upstream attempt, and writing its page to a slow table.
_MARGIN_SECONDS = ATTEMPT_SECONDS + 35
# With these, another run completes the walk.
_NO_FAILURES = (
    None,
    DeadlineReached.__name__,
    JobsUnconfirmed.__name__,
    WalkOvertaken.__name__,
)


def sync_families(
    event: object, remaining_seconds: float, dependencies: Dependencies, now: Clock
) -> dict[str, Any]:
    """Sync the requested families, one after the other. Raises InvalidParameters for any other payload.

    Each has an equal share of the time that is left. A family that needs more has a second turn after the others.
    """
    configured, ledger, upstream, pace = dependencies
    end = time.time() + remaining_seconds - _MARGIN_SECONDS
    asked = read_sync_payload(event, configured.families)
    wanted = asked.get("Families", configured.families)
    families = [family for family in configured.families if family in wanted]
    seconds = asked.get("IfOlderThanSeconds", 0)
    pace.expect(len(families))  # at rest, each family takes one call

    def sync_one(family: Family) -> dict[str, Any]:
        # Callers wait for a shared sync, so it skips the daily reconciliation.
        run = Sync(
            family, upstream, ledger, now, reconcile=not seconds, check_deadline=pace.check_deadline
        )
        sync = functools.partial(_sync, family, run, now)
        shared = SharedSyncs(ledger.table, ledger.scope, now)
        return shared.run(family, float(seconds), sync) if seconds else sync()

    answers: dict[str, dict[str, Any]] = {}
    failures: list[Exception] = []
    for family in _turns(families, answers, pace, end, again=not seconds):
        try:
            answers[family] = sync_one(family)
        except Exception as failure:
            # An error of one family must not stop the others; it is raised afterwards.
            failures.append(failure)
    if failures:
        raise failures[0]
    return {"Families": answers}


def _turns(
    families: Sequence[Family],
    answers: Mapping[str, Mapping[str, Any]],
    pace: Pace,
    end: float,
    *,
    again: bool,
) -> Iterator[Family]:
    """Yield each family when its turn begins, and, with `again`, once more those whose time was too short."""
    for number, family in enumerate(families):
        started = time.time()
        pace.deadline = started + (end - started) / (len(families) - number)
        yield family
    short = [
        family
        for family in families
        if answers.get(family, {}).get("Error") == DeadlineReached.__name__
    ]
    if again and short:
        yield from _turns(short, answers, pace, end, again=False)


def _sync(family: Family, sync: Sync, now: Clock) -> dict[str, Any]:
    started = time.monotonic()
    with step("SyncFamily", Family=family.value) as put:
        done = sync.run()
        put("Jobs", done.observed)
        if done.error:
            put("Outcome", done.error)
    _report(family, done, time.monotonic() - started, now)
    answer = {"AsOf": done.as_of, "UpstreamCalls": done.upstream_calls, "Changed": done.changed}
    return answer | ({"Error": done.error} if done.error else {})


def _report(family: Family, done: FamilySync, seconds: float, now: Clock) -> None:
    logger.info(
        "synced",
        extra={
            "family": family.value,
            "as_of": done.as_of,
            "upstream_calls": done.upstream_calls,
            "observed": done.observed,
            "changed": done.changed,
            "error": done.error,
        }
        # What a sync at rest costs follows from the number of active jobs.
        | ({"active": done.active} if done.active else {})
        | ({"cause": done.cause} if done.cause else {}),
    )
    values: dict[metrics.Metric, float] = {
        metrics.UPSTREAM_CALLS: done.upstream_calls,
        metrics.SYNC_TIME: round(seconds, 3),
    }
    if done.as_of:
        values[metrics.AS_OF_AGE] = round((now() - parse(done.as_of)).total_seconds(), 3)
    counts = {
        metrics.UPSTREAM_THROTTLES: done.throttles,
        metrics.JOBS_OBSERVED: done.observed,
        metrics.TRANSITIONS: done.transitions,
        metrics.COUNTERS_REPAIRED: done.counters_repaired,
        metrics.JOBS_ALTERED: done.altered,
        metrics.SYNC_FAILURES: int(done.error not in _NO_FAILURES),
    }
    # CloudWatch bills a metric for each hour in which it is sent: zeros would cost 1.50 dollars a month.
    publish_metrics(values | {name: count for name, count in counts.items() if count}, family.value)
