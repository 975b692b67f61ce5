"""`make soak`: the local deployment under readers, jobs, faults, redeployments and restarts, and what holds afterwards.

`python -m soak` runs it for SOAK_MINUTES (default 20) and writes `soak/RESULTS.md`. This process starts all others,
changes the deployment and judges. `soak.readers` and `soak.writer` are processes of their own, so that neither
waits for the other.
"""

import sys
from pathlib import Path

# What recounts the counters is written for the functions' packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lambda"))
