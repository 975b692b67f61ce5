"""What the sync function says about its runs: a log line for each sync, and the metrics of a run for each family."""

from collections.abc import Mapping
from datetime import datetime

from jobledger import metrics
from jobledger.errors import DeadlineReached, JobsUnconfirmed, WalkOvertaken
from jobledger.metrics import Metric
from jobledger.observability import logger
from jobledger.service import Family
from jobledger.sync.progress import FamilySync
from jobledger.times import parse

# With these, another run completes the walk.
_NO_FAILURES = (
    None,
    DeadlineReached.__name__,
    JobsUnconfirmed.__name__,
    WalkOvertaken.__name__,
)
# Of several sources: the oldest, and the one that took longest. The others are counts, which are added up.
_LARGEST = (metrics.AS_OF_AGE, metrics.SYNC_TIME)

Values = dict[Metric, float]


def log(family: Family, done: FamilySync, source: Mapping[str, str]) -> None:
    """Log the result of one sync; `source` has the account and region when the ledger has several."""
    logger.info(
        "synced",
        extra={
            "family": family.value,
            **source,
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


def measured(done: FamilySync, seconds: float, now: datetime) -> Values:
    """Return the metrics of one sync, which ended `now`.

    CloudWatch bills a metric for each hour in which it is sent: zeros would cost 1.50 dollars a month.
    """
    values: Values = {
        metrics.UPSTREAM_CALLS: done.upstream_calls,
        metrics.SYNC_TIME: round(seconds, 3),
    }
    if done.as_of:
        values[metrics.AS_OF_AGE] = round((now - parse(done.as_of)).total_seconds(), 3)
    counts = {
        metrics.UPSTREAM_THROTTLES: done.throttles,
        metrics.JOBS_OBSERVED: done.observed,
        metrics.TRANSITIONS: done.transitions,
        metrics.COUNTERS_REPAIRED: done.counters_repaired,
        metrics.JOBS_ALTERED: done.altered,
        metrics.SYNC_FAILURES: int(done.error not in _NO_FAILURES),
    }
    return values | {name: count for name, count in counts.items() if count}


def together(one: Values, other: Values) -> Values:
    """Return the metrics of the syncs of two sources as one value each: a metric costs the same for all sources."""
    return {
        metric: max(values) if metric in _LARGEST else sum(values)
        for metric in {**one, **other}
        if (values := [of[metric] for of in (one, other) if metric in of])
    }
