"""Writes soak/RESULTS.md: the verdicts, and the figures they rest on."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = """# Results of `make soak`

Written by `make soak`; do not edit. The local deployment under 50 readers, while jobs start and end, faults come
between the sync and the service, answers and jobs of the service are odd, rows of the change log are deleted, the
stack is redeployed with other settings, and the emulator is restarted with its state. All on loopback.

"""


@dataclass(frozen=True)
class Verdict:
    """One thing that must hold. `problems` is empty when it does."""

    name: str
    shown: str
    problems: Sequence[str]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def document(
    verdicts: Sequence[Verdict], figures: Mapping[str, str], minutes: float, date: datetime.date
) -> str:
    """Return the document."""
    lines = ["| must hold | | shown by |", "|---|---|---|"]
    for verdict in verdicts:
        held = "**no**" if verdict.problems else "yes"
        lines.append(f"| {verdict.name} | {held} | {verdict.shown} |")
    for verdict in verdicts:
        lines += [f"\n{verdict.name}: {problem}" for problem in verdict.problems]
    lines += ["", "| figure | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in figures.items()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = (
        f"\n{date}, {os.cpu_count()} processors, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}; {minutes:.0f} minutes under load. Latencies are the emulator's: "
        "they say nothing of AWS."
    )
    return _HEAD + "\n".join([*lines, machine]) + "\n"
