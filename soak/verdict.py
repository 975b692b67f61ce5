"""What must hold after a soak. Each function returns problems in words; none quotes a job."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from soak.answers import RANKS
from soak.calls import CONNECTION_LOST, Failure

_ALTERED = "AlteredProperties"
Ledger = dict[str, dict[str, dict[str, Any]]]
# 409: the request with this Idempotency-Key is in progress; its function was ended, or its row written twice.
_REFUSALS = (409, 429, 503)
# The emulator starts fifty functions at once, on the machine that runs everything else.
SETTLING_SECONDS = 45.0


@dataclass(frozen=True)
class Change:
    """One status change of a job, in the change log or in an event."""

    family: str
    job_id: str
    status: str
    previous: str | None
    observed_at: str


@dataclass(frozen=True)
class Event:
    """An event as a subscriber received it."""

    event_id: str
    change: Change


@dataclass(frozen=True, order=True)
class Window:
    """The times that a digest covers, as text: from `start` to before `end`."""

    start: str
    end: str


@dataclass(frozen=True)
class Digest:
    """A digest as a subscriber received it."""

    digest_id: str
    window: Window
    counts: Mapping[str, int]


class Kind(StrEnum):
    """Why the emulator may not answer: in a silence it is overloaded, so that functions have no DynamoDB."""

    REDEPLOYMENT = "redeployment"
    RESTART = "restart"
    SILENCE = "silence"


@dataclass(frozen=True)
class Absence:
    """A time in which the emulator may not answer. Times are epoch seconds."""

    began: float
    ended: float
    kind: Kind

    def overlaps(self, failure: Failure) -> bool:
        """Return whether a call was under way, or soon after a change."""
        settling = 0 if self.kind is Kind.SILENCE else SETTLING_SECONDS
        return failure.began < self.ended + settling and failure.ended > self.began


def ledger_problems(
    truth: Ledger,
    ledger: Ledger,
    started: Collection[str],
    altered: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[str]:
    """Compare every job and property with the service's. A job that the service has deleted stays.

    `altered` are the properties of a job that cannot be stored: the ledger has to name them, and no others.
    """
    problems = []
    for family, jobs in truth.items():
        kept = ledger.get(family, {})
        missing = jobs.keys() - kept.keys()
        if missing:
            problems.append(f"{family}: {len(missing)} jobs are not in the ledger")
        other = Counter(
            name
            for job_id in jobs.keys() & kept.keys()
            for name in jobs[job_id].keys() | kept[job_id].keys() - {_ALTERED}
            if name not in altered.get(job_id, ())
            and jobs[job_id].get(name) != kept[job_id].get(name)
        )
        other[_ALTERED] = sum(
            set(kept[job_id].get(_ALTERED, ())) != set(altered.get(job_id, ()))
            for job_id in jobs.keys() & kept.keys()
        )
        problems += [
            f"{family}: {name} differs in {n} jobs" for name, n in sorted((+other).items())
        ]
    kept_ids = {job_id for jobs in ledger.values() for job_id in jobs}
    if lost := set(started) - kept_ids:
        problems.append(f"{len(lost)} jobs that were started are not in the ledger")
    return problems


def counter_problems(stored: Mapping[str, Any], recounted: Mapping[str, Any]) -> list[str]:
    """Compare the counters with a count of the job rows."""
    wrong = [
        key for key in stored.keys() | recounted.keys() if stored.get(key) != recounted.get(key)
    ]
    return [f"the counter row {key} differs from a recount" for key in sorted(wrong)]


def history_problems(
    histories: Mapping[str, Sequence[tuple[str, str]]],
    statuses: Mapping[str, str],
    started: Mapping[str, str],
    stopped: Collection[str],
) -> list[str]:
    """Check that each job's history is a way that its job can have gone, up to its status in the service.

    Of the jobs that were `started`, those `stopped` may have been asked to stop.
    """
    problems: Counter[str] = Counter()
    for job_id, history in histories.items():
        seen = [status for status, _ in history]
        times = [time for _, time in history]
        ranks = [RANKS[status] for status in seen]
        if ranks != sorted(set(ranks)):
            problems["go backwards or repeat a status"] += 1
        if times != sorted(times):
            problems["have times out of order"] += 1
        if job_id in statuses and seen[-1] != statuses[job_id]:
            problems["do not end with the job's status"] += 1
        if "STOP_REQUESTED" in seen and job_id in started.keys() - set(stopped):
            problems["have a stop that nobody requested"] += 1
    return [f"{count} histories {problem}" for problem, count in problems.items()]


def log_problems(
    changes: Sequence[Change],
    histories: Mapping[str, Sequence[tuple[str, str]]],
    announced: Collection[str],
) -> list[str]:
    """Compare the change log with the histories. The first status of a job of the first fill is no change.

    `announced` are the jobs that were started after the first fill.
    """
    expected = set()
    for job_id, history in histories.items():
        previous: str | None = None
        for status, time in history:
            if previous is not None or job_id in announced:
                expected.add((job_id, status, previous, time))
            previous = status
    logged = [(c.job_id, c.status, c.previous, c.observed_at) for c in changes]
    return [
        f"{count} {problem}"
        for count, problem in (
            (len(expected - set(logged)), "transitions are not in the change log"),
            (len(set(logged) - expected), "changes are in no history"),
            (len(logged) - len(set(logged)), "changes are logged twice"),
        )
        if count
    ]


def event_problems(events: Iterable[Event], changes: Sequence[Change]) -> list[str]:
    """Compare the events with the change log. A change can be delivered again, with the same id."""
    by_id: dict[str, set[Change]] = {}
    for event in events:
        by_id.setdefault(event.event_id, set()).add(event.change)
    received = [change for found in by_id.values() for change in found]
    return [
        f"{count} {problem}"
        for count, problem in (
            (len(set(changes) - set(received)), "changes came with no event"),
            (len(set(received) - set(changes)), "events are of no change"),
            (len(received) - len(set(received)), "changes have events with two ids"),
            (sum(len(found) > 1 for found in by_id.values()), "event ids have two changes"),
        )
        if count
    ]


def digest_problems(
    digests: Sequence[Digest], changes: Sequence[Change], least: int, erased: Sequence[Change] = ()
) -> list[str]:
    """Check that the windows tile, and that all counts together are those of the change log.

    A change whose row was `erased` may have been counted before.
    """
    by_id = {digest.digest_id: digest for digest in digests}
    ordered = sorted(by_id.values(), key=lambda digest: digest.window)
    if len(ordered) < least:
        return [f"{len(ordered)} digests came, and not {least}"]
    problems = []
    if any(by_id[digest.digest_id] != digest for digest in digests):
        problems.append("a digest came again with other contents")
    gaps = sum(a.window.end != b.window.start for a, b in itertools.pairwise(ordered))
    if gaps:
        problems.append(f"{gaps} windows do not begin where the one before ended")
    whole = Window(ordered[0].window.start, ordered[-1].window.end)
    counted = sum((Counter(digest.counts) for digest in ordered), Counter[str]())
    logged, gone = (
        Counter(c.status for c in log if whole.start <= c.observed_at < whole.end)
        for log in (changes, set(erased) - set(changes))
    )
    problems += [
        f"digests count {counted[status]} changes to {status}, the log has {logged[status]}"
        for status in sorted(counted.keys() | logged.keys())
        if not logged[status] <= counted[status] <= logged[status] + gone[status]
    ]
    return problems


def call_problems(failures: Iterable[Failure], absences: Sequence[Absence]) -> list[str]:
    """Return the failures that a client should not have seen.

    While something is redeployed or restarted, and soon after, or while the emulator is silent, an answer can be
    a refusal with Retry-After, or the emulator's own: it ends running functions when their configuration
    changes. While it restarts, there can be no answer. A wrong answer has no excuse, nor has a failure of our
    functions.
    """
    problems: Counter[str] = Counter()
    for failure in failures:
        around = [absence for absence in absences if absence.overlaps(failure)]
        restarting = any(absence.kind is Kind.RESTART for absence in around)
        refused = failure.status in _REFUSALS and failure.retry_after
        emulators = failure.status >= 500 and not failure.own
        lost = failure.status == CONNECTION_LOST
        if not ((refused or emulators) and around) and not (lost and restarting):
            problems[f"{failure.status or 'no answer'}: {failure.what}"] += 1
    return [f"{count} × {problem}" for problem, count in problems.most_common()]


def bound_problems(peaks: Mapping[str, int], bounds: Mapping[str, int], foreign: int) -> list[str]:
    """Check memory in MiB, and that no process talked to an address other than loopback."""
    problems = [
        f"{name} took {peaks[name]} MiB, more than {most}"
        for name, most in bounds.items()
        if peaks.get(name, 0) > most
    ]
    return problems + ([f"{foreign} connections left this machine"] if foreign else [])


def met_problems(kinds: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    """Check that each kind of oddity was met: what was not there shows nothing."""
    return [f"there were no {kind}" for kind in kinds if not counts.get(kind)]
