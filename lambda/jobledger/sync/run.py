"""One run of the sync function: syncs the requested families of one source, or of several side by side.

Several sources share nothing but the table, so that one that hangs, throttles or refuses holds up no other: each has a
thread, a client, a pace, a deadline and claims of its own. The metrics of a run are one value for each family.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from jobledger.inputs.payloads import read_sync_payload
from jobledger.ledger.ledger import Ledger
from jobledger.observability import described, logger, publish_metrics
from jobledger.service import Family
from jobledger.settings import Settings
from jobledger.sync import report
from jobledger.sync.pace import Pace
from jobledger.sync.progress import FamilySync
from jobledger.sync.source import Answers, Asked, Clock, Source, sync_source
from jobledger.sync.upstream import ATTEMPT_SECONDS, Upstream

Dependencies = tuple[Settings, Ledger, Upstream, Pace]
Connect = Callable[[str], Source]

# One upstream attempt, and writing its page to a slow table.
_MARGIN_SECONDS = ATTEMPT_SECONDS + 35
AT_ONCE = 25
"""The most sources that are synced side by side. A run has the others wait."""


def sync_families(
    event: object, remaining_seconds: float, dependencies: Dependencies, now: Clock
) -> dict[str, Any]:
    """Sync the requested families, one after the other. Raises InvalidParameters for any other payload."""
    configured, ledger, upstream, pace = dependencies
    _, asked = _asked(event, remaining_seconds, configured)

    def report_one(family: Family, done: FamilySync, seconds: float) -> None:
        report.log(family, done, {})
        publish_metrics(report.measured(done, seconds, now()), family.value)

    return {"Families": sync_source(Source(ledger, upstream, pace), asked, now, report_one)}


def sync_sources(
    event: object, remaining_seconds: float, configured: Settings, connect: Connect, now: Clock
) -> dict[str, Any]:
    """Sync the requested families of the requested sources. Raises InvalidParameters for any other payload.

    The first error that is not of a source is raised after all of them.
    """
    sources, asked = _asked(event, remaining_seconds, configured)
    collected = _Collected(now)

    def sync_one(source: str) -> Answers:
        try:
            return sync_source(connect(source), asked, now, partial(collected.add, source))
        except Exception as error:
            # What is raised to Lambda does not say of which source it is.
            logger.error("sync failed", extra={**_logged(source), **described(error)})
            raise

    with ThreadPoolExecutor(AT_ONCE) as threads:
        done: Mapping[str, Future[Answers]] = {
            source: threads.submit(sync_one, source) for source in sources
        }
    collected.publish()
    return _answer({source: future.result() for source, future in done.items()})


def _asked(event: object, seconds: float, configured: Settings) -> tuple[list[str], Asked]:
    """Return the sources and what is asked for, each in the order of the deployment."""
    end = time.time() + seconds - _MARGIN_SECONDS
    values = read_sync_payload(event, configured.families, configured.sources)
    wanted = values.get("Families", configured.families)
    families = [family for family in configured.families if family in wanted]
    chosen = values.get("Sources", configured.sources)
    sources = [source for source in configured.sources if source in chosen]
    return sources, Asked(families, float(values.get("IfOlderThanSeconds", 0)), end)


class _Collected:
    """The metrics of a run's syncs, by family, over its sources."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._values: dict[Family, report.Values] = {}

    def add(self, source: str, family: Family, done: FamilySync, seconds: float) -> None:
        """Log the result of a sync, and note its metrics, as they are now: a run can take a quarter of an hour.

        Lines of syncs at rest would be a tenth of what a hundred sources cost.
        """
        if done.changed or done.error:
            report.log(family, done, _logged(source))
        measured = report.measured(done, seconds, self._now())
        with self._lock:
            self._values[family] = report.together(self._values.get(family, {}), measured)

    def publish(self) -> None:
        """Publish the metrics, once for each family."""
        for family, values in self._values.items():
            publish_metrics(values, family.value)


def _logged(source: str) -> dict[str, str]:
    account, _, region = source.partition("/")
    return {"account": account, "region": region}


def _answer(by_source: Mapping[str, Answers]) -> dict[str, Any]:
    """Return the answer of a run for each source, and for each family over all of them."""
    families: Answers = {}
    for answers in by_source.values():
        for family, answer in answers.items():
            families[family] = _together(families[family], answer) if family in families else answer
    sources = {source: {"Families": answers} for source, answers in by_source.items()}
    return {"Sources": sources, "Families": families}


def _together(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of two sources as one: the older AsOf, None when one was never filled, and an error."""
    times = (one.get("AsOf"), other.get("AsOf"))
    together = {name: one[name] + other[name] for name in ("UpstreamCalls", "Changed")}
    error = one.get("Error") or other.get("Error")
    as_of = None if None in times else min(filter(None, times))
    return {"AsOf": as_of, **together} | ({"Error": error} if error else {})
