"""The longest time between two runs of a schedule, as the command `jobledger` reads schedules.

Its package needs botocore, which an app that synthesizes this stack does not.
"""

import runpy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[1] / "job_ledger" / "schedules.py"

longest_gap: Callable[[str], timedelta] = runpy.run_path(str(_SOURCE))["longest_gap"]
