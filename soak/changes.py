"""What changes while readers read: the stack's settings, and the emulator's process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from soak.place import Place
from soak.verdict import Absence, Kind

FIRST = ("digestSchedule=rate(1 minute)",)
SETTINGS = (
    ("digestSchedule=rate(2 minutes)", "syncMinutes=2", "keepWarm=false"),
    FIRST,
    ("digestSchedule=rate(1 minute)", "logRetentionDays=30", "alertOn=FAILED,STOPPED"),
    ("digestSchedule=cron(* * * * ? *)", "includeJobDetails=true", "backupDays=7"),
)


class Changes:
    """Redeploys and restarts in turn."""

    def __init__(self, place: Place, say: Callable[[str], None]) -> None:
        self._place = place
        self._say = say
        self._settings = itertools.cycle(SETTINGS)
        self._steps = itertools.cycle((self._redeploy, self._restart))
        self.absences: list[Absence] = []

    @property
    def restarts(self) -> int:
        """How often the emulator was restarted."""
        return sum(absence.kind is Kind.RESTART for absence in self.absences)

    @property
    def redeployments(self) -> int:
        """How often the stack was deployed with other settings."""
        return len(self.absences) - self.restarts

    def next(self) -> None:
        """Make the next change and wait until it is complete."""
        next(self._steps)()

    def _redeploy(self) -> None:
        settings = next(self._settings)
        self._say(f"redeploying with {' '.join(settings)}")
        began = time.time()
        self._place.deploy(settings)
        self._note(began, Kind.REDEPLOYMENT)

    def _restart(self) -> None:
        self._say("restarting the emulator")
        began = time.time()
        self._place.restart()
        self._note(began, Kind.RESTART)

    def _note(self, began: float, kind: Kind) -> None:
        self.absences.append(Absence(began, time.time(), kind))
        self._say(f"done in {time.time() - began:.0f} s")
