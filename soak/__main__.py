"""Runs the soak: `make soak`."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import sys
import time

from local.options import ROOT
from local.processes import LocalError, Stopped, StopSignals
from local.runner import only_run_of
from soak.judgement import figures_of, verdicts_of
from soak.place import bring_up
from soak.results import RESULTS, document
from soak.soak import Soak

STATE_DIR = ROOT / ".local" / "soak"
DEFAULT_MINUTES = 20.0
# Beyond the load: the first deployment, the last change, the quiet time and the verdicts.
_MORE_MINUTES = 12.0


def main() -> int:
    """Run it; 1 when something does not hold."""
    if not sys.platform.startswith("linux"):
        print("error: make soak watches its processes in /proc, which is on Linux only")
        return 1
    began = time.monotonic()

    def say(message: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {message}", flush=True)

    with StopSignals() as signals:
        try:
            minutes = float(os.environ.get("SOAK_MINUTES") or DEFAULT_MINUTES)
            signal.signal(signal.SIGALRM, _too_long)
            signal.alarm(int((minutes + _MORE_MINUTES) * 60))
            with only_run_of(STATE_DIR), bring_up(STATE_DIR, signals) as place:
                remains = Soak(place, say).run(minutes)
            shutil.rmtree(STATE_DIR / "ministack", ignore_errors=True)
        except LocalError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except Stopped as stopped:
            return 128 + stopped.number
    verdicts = list(verdicts_of(remains))
    today = datetime.datetime.now(datetime.UTC).date()
    RESULTS.write_text(
        document(verdicts, figures_of(remains), remains.minutes, today), encoding="utf-8"
    )
    for verdict in verdicts:
        say(f"{'NO ' if verdict.problems else 'yes'} {verdict.name} ({verdict.shown})")
        for problem in verdict.problems:
            say(f"    {problem}")
    say(f"wrote {RESULTS.relative_to(ROOT)}")
    return int(any(verdict.problems for verdict in verdicts))


def _too_long(*_: object) -> None:
    raise LocalError("the soak is not done in time; its logs are in .local/soak")


if __name__ == "__main__":
    sys.exit(main())
