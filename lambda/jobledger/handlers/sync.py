"""The sync function: updates the ledger, for the schedule, at deployment or by hand.

Payload `{}` syncs every family of the deployment, `{"Families": [...]}` only those; any other payload
counts as `{}`. With `"IfOlderThanSeconds"`, a sync that began within that time or is in progress is shared.
Result: `{"Families": {family: {"AsOf", "UpstreamCalls", "Changed"}}}`, with `"Error"` for a family whose
sync failed.
"""

import functools
import time
from datetime import UTC, datetime
from typing import Any

from jobledger import settings
from jobledger.jobs import Family
from jobledger.ledger.table import Table
from jobledger.ledger.writing import Ledger
from jobledger.observability import logger, observed, publish_metrics, tracer
from jobledger.sync.freshness import SharedSyncs
from jobledger.sync.pace import Pace
from jobledger.sync.upstream import ATTEMPT_SECONDS, Upstream
from jobledger.sync.walk import FamilySync, Sync
from jobledger.times import parse

# One upstream attempt, and writing its page to a slow table.
_MARGIN_SECONDS = ATTEMPT_SECONDS + 35


@functools.cache
def _parts() -> tuple[settings.Settings, Ledger, Upstream, Pace]:
    configured = settings.load()
    table = Table.connect(configured.ledger_table_name)
    pace = Pace(table, configured.scope)
    return configured, Ledger(table, configured.scope, _now), Upstream.connect(pace), pace


def _now() -> datetime:
    return datetime.now(UTC)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Sync the requested families, one after the other."""
    configured, ledger, upstream, pace = _parts()
    remaining = context.get_remaining_time_in_millis() / 1000
    pace.deadline = time.time() + remaining - _MARGIN_SECONDS
    asked = event.get("Families") if isinstance(event, dict) else None
    families = [family for family in configured.families if not asked or family in asked]
    seconds = event.get("IfOlderThanSeconds") if isinstance(event, dict) else None
    answers: dict[str, dict[str, Any]] = {}
    failures: list[Exception] = []
    for family in families:
        # Callers wait for a shared sync, so it skips the daily reconciliation.
        sync = functools.partial(_sync, family, ledger, upstream, reconcile=not seconds)
        shared = SharedSyncs(ledger.table, ledger.scope, _now)
        try:
            answers[family] = shared.run(family, float(seconds), sync) if seconds else sync()
        except Exception as failure:
            # An error of one family must not stop the others; it is raised afterwards.
            failures.append(failure)
    if failures:
        raise failures[0]
    return {"Families": answers}


@tracer.capture_method(capture_response=False, capture_error=False)
def _sync(family: Family, ledger: Ledger, upstream: Upstream, *, reconcile: bool) -> dict[str, Any]:
    started = time.monotonic()
    done = Sync(family, upstream, ledger, _now, reconcile=reconcile).run()
    _tell(family, done, time.monotonic() - started)
    answer = {"AsOf": done.as_of, "UpstreamCalls": done.upstream_calls, "Changed": done.changed}
    return answer | ({"Error": done.error} if done.error else {})


def _tell(family: Family, done: FamilySync, seconds: float) -> None:
    logger.info(
        "synced",
        extra={
            "family": family.value,
            "as_of": done.as_of,
            "upstream_calls": done.upstream_calls,
            "observed": done.observed,
            "changed": done.changed,
            "error": done.error,
        },
    )
    values: dict[str, float] = {
        "UpstreamCalls": done.upstream_calls,
        "UpstreamThrottles": done.throttles,
        "JobsObserved": done.observed,
        "Transitions": done.transitions,
        "SyncSeconds": round(seconds, 3),
    }
    if done.as_of:
        values["AsOfAgeSeconds"] = round((_now() - parse(done.as_of)).total_seconds(), 3)
    publish_metrics(values, Family=family.value)
