"""A minute's syncs of many sources, in simulated time (testing/simulated_sources.py).

.venv/bin/python -m bench.minute [--sources 100]
"""

import argparse
import json
import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "1")
os.environ["POWERTOOLS_LOG_LEVEL"] = "CRITICAL"

from testing.simulated_sources import Simulation

_INTERVAL = 60


def measures(sources: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of the results; in the second minute, one of ten sources is dead."""
    simulation = Simulation(sources)
    for _ in range(3):  # the fill, and two minutes without an active job
        simulation.run_minute()
    alive = simulation.run_minute()
    dead = len(simulation.kill(sources // 10))
    simulation.run_minute()
    others = simulation.run_minute()
    minute = f"a minute's syncs of {sources} sources, simulated"
    rows = (
        (minute, alive.seconds, 30, "s"),
        (f"{minute}, {dead} dead", others.seconds, 30, "s"),
        (f"{minute}, {dead} dead: not fresh within 60 s", 100 * (1 - others.fresh), 10, "%"),
        (
            f"{minute}, {dead} dead: the oldest AsOf of the others",
            others.oldest,
            2 * _INTERVAL,
            "s",
        ),
    )
    for measure, value, goal, unit in rows:
        yield {"measure": measure, "value": round(value, 2), "goal": goal, "unit": unit}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sources", type=int, default=100)
    for row in measures(parser.parse_args().sources):
        print(json.dumps(row), flush=True)
