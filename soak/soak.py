"""One soak from the first deployment to the verdicts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from local.processes import Child
from soak.answers import RANKS
from soak.changes import FIRST, Changes
from soak.evidence import (
    digests_in,
    events_in,
    read_at_rest,
    subscribe_to_digests,
    subscribe_to_events,
    truth_of,
)
from soak.faults import Bursts
from soak.judgement import Remains
from soak.oddities import Oddities
from soak.place import Place
from soak.watched import Peaks, Silences

PROGRESS_SECONDS = 30.0
# Of quiet between two changes, as a part of the whole time.
_LEAST_PAUSE = 30.0
_PAUSE_SHARE = 0.1
_QUIET_SECONDS = 90.0
_ENDED = RANKS["COMPLETED"]


class Soak:
    """The load, the disturbances and what they leave."""

    def __init__(self, place: Place, say: Callable[[str], None]) -> None:
        self._place = place
        self._say = say
        self._dir = place.aws.options.state_dir
        self._bursts = Bursts(place.proxy_endpoint)
        self._oddities = Oddities(place)
        self._table = ""
        self._changes = Changes(place, say)
        self._peaks = Peaks()
        self._silences = Silences(place.aws.options.aws_endpoint)
        self._load: dict[str, Child] = {}
        self._progress = time.monotonic()

    def run(self, minutes: float) -> Remains:
        """Deploy, disturb for so many minutes, and return what remains when all is quiet again."""
        place = self._place
        self._oddities.begin()
        events = subscribe_to_events(place)
        outputs = place.deploy(FIRST)
        digests = subscribe_to_digests(place, outputs["DigestTopicArn"])
        self._table = outputs["LedgerTableName"]
        self._say("deployed; the load begins")
        began = time.monotonic()
        self._start_load(place.api_url(outputs))
        place.tick = self._tick
        pause = max(_LEAST_PAUSE, minutes * 60 * _PAUSE_SHARE)
        while (left := began + minutes * 60 - time.monotonic()) > 0:
            place.wait(min(pause, left))
            if left > pause:
                self._changes.next()
        loaded = time.monotonic() - began
        self._say("no more jobs, faults and changes")
        writer = self._stop("soak.writer")
        self._bursts.end()
        self._oddities.end()
        place.tick = self._watch
        self._wait_for_ended({**writer["Started"], **self._oddities.started})
        readers = self._stop("soak.readers")
        truth, table = read_at_rest(place, outputs)
        expected = len(set(table.changes()) | set(self._oddities.erased))
        received = self._settled(lambda: list(events_in(events.received())), expected)
        return Remains(
            minutes=loaded / 60,
            truth=truth,
            table=table,
            events=received,
            digests=list(digests_in(digests.received())),
            readers=readers,
            writer=writer,
            changes=self._changes,
            bursts=self._bursts.number,
            faults=self._bursts.counts(),
            oddities=self._oddities,
            peaks=self._peaks,
            silences=self._silences.absences,
        )

    def _start_load(self, url: str) -> None:
        files = {name: str(self._dir / f"{name}.json") for name in ("soak.readers", "soak.writer")}
        for file in files.values():
            Path(file).unlink(missing_ok=True)
        self._load = {
            "soak.readers": self._place.python("soak.readers", url, files["soak.readers"]),
            "soak.writer": self._place.python(
                "soak.writer", self._place.stand_in_endpoint, files["soak.writer"]
            ),
        }

    def _tick(self) -> None:
        self._bursts.tick()
        self._oddities.tick(self._table)
        self._watch()

    def _watch(self) -> None:
        self._silences.tick()
        for child in self._load.values():
            if child.process.poll() is not None:
                raise child.failure("has ended by itself")
        if time.monotonic() < self._progress:
            return
        self._progress = time.monotonic() + PROGRESS_SECONDS
        roots = {self._place.ministack.process.pid: "MiniStack"}
        roots |= {child.process.pid: child.name for child in self._load.values()}
        self._peaks.sample(roots, self._place.ministack.process.pid)
        self._say(self._figures())

    def _figures(self) -> str:
        seen = {name: self._seen(name) for name in self._load}
        statuses = seen.get("soak.readers", {}).get("Statuses", {})
        calls = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
        wrong = [f for f in seen.get("soak.readers", {}).get("Failures", []) if f["status"] == 200]
        jobs = len(seen.get("soak.writer", {}).get("Started", ()))
        return (
            f"calls {calls or 'none'}; {len(wrong)} wrong answers; {jobs:,} jobs started; "
            f"{self._bursts.number} bursts; memory {self._peaks.mib}"
        )

    def _seen(self, name: str) -> dict[str, Any]:
        file = self._dir / f"{name}.json"
        seen: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return seen

    def _stop(self, name: str) -> dict[str, Any]:
        child = self._load.pop(name)
        child.process.terminate()
        self._place.children.finish(child)
        return self._seen(name)

    def _wait_for_ended(self, started: Collection[str]) -> None:
        deadline = time.monotonic() + _QUIET_SECONDS
        while time.monotonic() < deadline:
            jobs = [job for jobs in truth_of(self._place).values() for job in jobs.values()]
            active = [j for j in jobs if j["JobId"] in started and RANKS[j["JobStatus"]] < _ENDED]
            # A started job is listed late.
            self._place.wait(5)
            if not active:
                return

    def _settled(self, received: Callable[[], list[Any]], expected: int) -> list[Any]:
        """Return what was received once it is as much as expected, or after a minute."""
        deadline = time.monotonic() + 60
        while len(found := received()) < expected and time.monotonic() < deadline:
            self._place.wait(1)
        return found
