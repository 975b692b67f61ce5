"""Runs all measures and writes bench/RESULTS.md: `make bench`."""

import datetime
import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from bench import cost, instructions, measures, starts
from bench.measures import Row
from bench.subjects import Place, prepare, say

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = """# Results of `make bench`

Written by `make bench`; do not edit. Ratios are to bare boto3 (`bench/peers/bare.py`), which ran in alternation
with ours against the same local servers. Medians; [docs/performance.md](../docs/performance.md) explains them.

"""


def main() -> int:
    """Measure everything; the exit code says nothing of goals that are missed."""
    if not sys.platform.startswith("linux"):
        print("error: make bench reads processor time from /proc, which is on Linux only")
        return 1
    began = time.monotonic()
    with measures.servers() as addresses:
        place = prepare(*addresses)
        with place.ours("sync") as function:
            function.invoke({})
        rows = [*_rows(place)]
    minutes = (time.monotonic() - began) / 60
    RESULTS.write_text(_HEAD + _table(rows) + _machine(place, minutes), encoding="utf-8")
    missed = [row.measure for row in rows if row.goal is not None and row.value > row.goal]
    say(f"wrote {RESULTS.name}; {len(missed)} goals missed{': ' * bool(missed)}{', '.join(missed)}")
    return 0


def _rows(place: Place) -> Iterator[Row]:
    yield from starts.cold_starts(place)
    yield from starts.reconnections(place)
    yield from instructions.instructions(place)
    yield from measures.command_line(place)
    yield from measures.warm_pages(place)
    yield from measures.handlers_alone(place)
    yield from measures.bundle_sizes()
    yield from measures.sizes(place)
    yield from measures.sources(place)
    yield from measures.first_fill(place)
    yield from measures.limited_fill(place)
    for jobs, goal in cost.GOALS.items():
        measure = f"a month at {jobs:,} jobs a day, 100,000 API calls"
        yield Row(measure, cost.bill(jobs).total, goal, "dollars")
    for sources, goal in cost.SOURCES_GOALS.items():
        measure = f"a month of {sources} source{'s' * (sources > 1)} with 100 jobs a day each"
        yield Row(measure, cost.sources_bill(sources).total, goal, "dollars")


def _table(rows: list[Row]) -> str:
    lines = ["| measure | result | goal | | detail |", "|---|---|---|---|---|"]
    for row in rows:
        goal, met = "", ""
        if row.goal is not None:
            goal = f"≤ {row.goal:g}"
            met = "met" if row.value <= row.goal else "**missed**"
        value = f"{row.value:.2f} {row.unit}"
        lines.append(f"| {row.measure} | {value} | {goal} | {met} | {row.detail} |")
    return "\n".join(lines) + "\n"


def _machine(place: Place, minutes: float) -> str:
    processor = next(
        line.partition(": ")[2]
        for line in [*Path("/proc/cpuinfo").read_text().splitlines(), f": {platform.machine()}"]
        if line.startswith(("model name", ": "))
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(
        f"{name} {metadata.version(name)}"
        for name in ("boto3", "botocore", "aws-lambda-powertools")
    )
    return (
        f"\n{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {os.cpu_count()} processors ({processor}), "
        f"{memory:.0f} GiB, {platform.system()} {platform.release()}, Python {place.version}, {versions}; "
        f"{minutes:.0f} minutes.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
