"""A run's syncs of one source: its families, one after the other, and the time that each has."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from jobledger.errors import DeadlineReached
from jobledger.ledger.ledger import Ledger
from jobledger.observability import step
from jobledger.service import Family
from jobledger.sync.pace import Pace
from jobledger.sync.progress import FamilySync
from jobledger.sync.shared import SharedSyncs
from jobledger.sync.upstream import Upstream
from jobledger.sync.walk import Sync

Clock = Callable[[], datetime]
Answers = dict[str, dict[str, Any]]


class Source(NamedTuple):
    """What the syncs of a source use: nothing but the table is shared with another source."""

    ledger: Ledger
    upstream: Upstream
    pace: Pace


class Asked(NamedTuple):
    """What a run was asked for. It ends at `end`, in seconds since the epoch."""

    families: Sequence[Family]
    if_older_than: float
    end: float


Report = Callable[[Family, FamilySync, float], None]
"""Called with the result of each sync that ran, and the seconds that it took."""


def sync_source(source: Source, asked: Asked, now: Clock, report: Report) -> Answers:
    """Sync the families of a source, one after the other, and return the answer for each.

    Each has an equal share of the time that is left. A family that needs more has a second turn after the others.
    """
    ledger, upstream, pace = source
    pace.expect(len(asked.families))  # at rest, each family takes one call

    def sync_one(family: Family) -> dict[str, Any]:
        # Callers wait for a shared sync, so it skips the daily reconciliation.
        reconcile = not asked.if_older_than
        run = Sync(
            family, upstream, ledger, now, reconcile=reconcile, check_deadline=pace.check_deadline
        )
        sync = functools.partial(_sync, family, run, report)
        if not asked.if_older_than:
            return sync()
        return SharedSyncs(ledger.table, ledger.source, now).run(family, asked.if_older_than, sync)

    answers: Answers = {}
    failures: list[Exception] = []
    again = not asked.if_older_than
    for family in _turns(asked.families, answers, pace, asked.end, again=again):
        try:
            answers[family] = sync_one(family)
        except Exception as failure:
            # An error of one family must not stop the others; it is raised afterwards.
            failures.append(failure)
    if failures:
        raise failures[0]
    return answers


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


def _sync(family: Family, sync: Sync, report: Report) -> dict[str, Any]:
    started = time.monotonic()
    with step("SyncFamily", Family=family.value) as put:
        done = sync.run()
        put("Jobs", done.observed)
        if done.error:
            put("Outcome", done.error)
    report(family, done, time.monotonic() - started)
    answer = {"AsOf": done.as_of, "UpstreamCalls": done.upstream_calls, "Changed": done.changed}
    return answer | ({"Error": done.error} if done.error else {})
