"""From what remains after a soak to its verdicts and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soak import verdict
from soak.calls import CONNECTION_LOST, Failure
from soak.changes import Changes
from soak.evidence import Table
from soak.oddities import KINDS, Oddities
from soak.readers import READERS
from soak.results import Verdict, percentile
from soak.verdict import Absence, Change, Digest, Event, Ledger
from soak.watched import Peaks

# A function's memory in AWS is 512 MB or more; the emulator's Python has its own modules beside.
MEMORY_BOUNDS = {"a function": 300, "MiniStack": 2_000}
# A digest each one or two minutes, about two minutes behind; redeployments and restarts take some.
_DIGESTS_A_MINUTE = 0.25


@dataclass(frozen=True)
class Remains:
    """What a soak leaves: the table and the service at rest, and what clients and subscribers got."""

    minutes: float
    truth: Ledger
    table: Table
    events: Sequence[Event]
    digests: Sequence[Digest]
    readers: Mapping[str, Any]
    writer: Mapping[str, Any]
    changes: Changes
    bursts: int
    faults: Counter[str]
    oddities: Oddities
    peaks: Peaks
    silences: Sequence[Absence]

    @property
    def started(self) -> dict[str, str]:
        """The jobs that were started after the first fill, with their families."""
        return {**self.writer["Started"], **self.oddities.started}

    @property
    def changes_made(self) -> list[Change]:
        """The change log, and the rows that were deleted from it."""
        changes = self.table.changes()
        return changes + sorted(set(self.oddities.erased) - set(changes), key=_observed)

    @property
    def failures(self) -> list[Failure]:
        """The calls that failed, and the answers that were wrong."""
        return [Failure(**failure) for failure in self.readers["Failures"]]


def _observed(change: Change) -> str:
    return change.observed_at


def verdicts_of(remains: Remains) -> Iterator[Verdict]:
    """Judge all that must hold."""
    table, started = remains.table, remains.started
    jobs = sum(len(jobs) for jobs in remains.truth.values())
    yield Verdict(
        "The ledger has every job of the service, with every property that can be stored, and names the others",
        f"{jobs:,} jobs, {len(remains.oddities.altered):,} of them not as they are",
        verdict.ledger_problems(remains.truth, table.ledger(), started, remains.oddities.altered),
    )
    stored, recounted = table.counters()
    yield Verdict(
        "The counters equal a recount of the job rows",
        f"{len(recounted):,} counter rows",
        verdict.counter_problems(stored, recounted),
    )
    yield from _transitions(remains)
    least = int(remains.minutes * _DIGESTS_A_MINUTE)
    yield Verdict(
        "Digests tile: each begins where the one before ended, and their counts are those of the log",
        f"{len({digest.digest_id for digest in remains.digests}):,} digests",
        verdict.digest_problems(remains.digests, table.digested(), least, remains.oddities.erased),
    )
    counts = remains.oddities.counts
    yield Verdict(
        "Each kind of odd answer, job and row was met",
        ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS),
        verdict.met_problems(KINDS, counts),
    )
    yield Verdict(
        "Clients saw no error, except around a redeployment or restart, or while the emulator was overloaded: there a refusal with `Retry-After`, or the emulator's own",
        f"{sum(remains.readers['Statuses'].values()):,} calls, {sum(remains.readers['Kinds'].values()):,} checks of answers",
        verdict.call_problems(remains.failures, [*remains.changes.absences, *remains.silences]),
    )
    yield Verdict(
        "Memory is bounded, and nothing leaves this machine",
        ", ".join(f"{name} {mib} MiB" for name, mib in sorted(remains.peaks.mib.items())),
        verdict.bound_problems(remains.peaks.mib, MEMORY_BOUNDS, remains.peaks.foreign),
    )


def _transitions(remains: Remains) -> Iterator[Verdict]:
    table, started = remains.table, remains.started
    changes, histories = remains.changes_made, table.histories()
    statuses = {
        job_id: str(job["JobStatus"])
        for jobs in remains.truth.values()
        for job_id, job in jobs.items()
    }
    yield Verdict(
        "No job moved backwards, and each ended as in the service",
        f"{len(histories):,} histories",
        verdict.history_problems(histories, statuses, started, remains.writer["Stopped"]),
    )
    yield Verdict(
        "The change log has every transition once, but those whose rows were deleted",
        f"{len(changes):,} changes, {len(changes) - len(table.changes()):,} of them deleted",
        verdict.log_problems(changes, histories, started),
    )
    again = len(remains.events) - len({event.event_id for event in remains.events})
    yield Verdict(
        "Every change came as an event, and every event is a change",
        f"{len(remains.events):,} events, {again} of them delivered again",
        verdict.event_problems(remains.events, changes),
    )


def figures_of(remains: Remains) -> dict[str, str]:
    """Return the figures of the results, by name."""
    readers, writer = remains.readers, remains.writer
    names = {str(CONNECTION_LOST): "no answer"}
    calls = ", ".join(
        f"{names.get(status, status)}: {count:,}"
        for status, count in sorted(readers["Statuses"].items(), reverse=True)
    )
    again = len(remains.digests) - len({digest.digest_id for digest in remains.digests})
    seconds = readers["Seconds"]
    silent = sum(silence.ended - silence.began for silence in remains.silences)
    absent = sum(a.ended - a.began + verdict.SETTLING_SECONDS for a in remains.changes.absences)
    return {
        "concurrent readers": str(READERS),
        "calls by status": calls,
        "latency of calls with 200": f"p50 {percentile(seconds, 0.5) * 1000:.0f} ms, p99 {percentile(seconds, 0.99) * 1000:.0f} ms",
        "checked": ", ".join(
            f"{kind} {count:,}" for kind, count in sorted(readers["Kinds"].items())
        ),
        "jobs started": f"{len(writer['Started']):,}, of which {len(writer['Stopped']):,} were asked to stop; {writer['Refused']:,} requests refused by the service's limits",
        "transitions": f"{len(remains.table.changes()):,}",
        "events received": f"{len(remains.events):,}",
        "digests received": f"{len(remains.digests):,}, of which {again} again with the same id",
        "faults": f"{sum(remains.faults.values()):,} calls of the sync in {remains.bursts} bursts: "
        + ", ".join(f"{action} {count:,}" for action, count in sorted(remains.faults.items())),
        "redeployments with other settings": str(remains.changes.redeployments),
        "restarts of the emulator with its state": str(remains.changes.restarts),
        "time around these, in which an answer could be a refusal": f"{absent / 60:.0f} of {remains.minutes:.0f} minutes",
        "time in which the emulator was overloaded, and answered nothing for two seconds or more": f"{silent:.0f} s",
    }
