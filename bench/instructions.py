"""Instructions, where valgrind is there: they repeat to a hundredth, however busy the machine is.

Counted by cachegrind, of user code only: neither the kernel's work nor any waiting.
"""

import functools
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.events import first_event, request
from bench.measures import Row
from bench.runtime_api import Function
from bench.subjects import Place, say

_CALLS = 10
_STARTS = {"api": 0.66, "digest": 0.95, "sync": 0.95, "changes": None, "look-up": None}
# Our request of a number of jobs, and what is compared with bare's page of as many.
_PAGES: tuple[tuple[str, int, dict[str, str], float | None], ...] = (
    ("page of 500", 500, {}, None),
    ("CSV page of 500, to bare's page of 500", 500, {"Format": "csv"}, 0.30),
    ("page of 10", 10, {}, 0.60),
)
_Start = Callable[..., Function]


def instructions(place: Place) -> Iterator[Row]:
    """Count the instructions of cold starts over TLS and of warm pages; nothing without valgrind."""
    if shutil.which("valgrind") is None:
        say("valgrind is not installed: instructions are not counted")
        return
    yield from _starts(place)
    yield from _pages(place)


def _starts(place: Place) -> Iterator[Row]:
    say("instructions of cold starts")
    bare = _counted(functools.partial(place.peer, "bare", tls=True), request("/jobs"), 1)
    for name, goal in _STARTS.items():
        start = functools.partial(place.ours, name, tls=True)
        found = _counted(start, first_event(name, -1), 1)
        yield _row(f"cold start, {name} function", found, bare, goal)


def _pages(place: Place) -> Iterator[Row]:
    bare: dict[int, float] = {}
    for measure, size, more, goal in _PAGES:
        say(f"instructions of a {measure}")
        if size not in bare:
            event = request("/jobs", MaxResults=size)
            bare[size] = _per_call(functools.partial(place.peer, "bare"), event)
        event = request("/jobs", MaxResults=size, **more)
        found = _per_call(functools.partial(place.ours, "api"), event)
        yield _row(f"{measure}, whole process", found, bare[size], goal)


def _row(measure: str, ours: float, bare: float, goal: float | None) -> Row:
    detail = f"{ours / 1e6:.1f} million, bare {bare / 1e6:.1f} million"
    return Row(f"{measure}: instructions", ours / bare, goal, detail=detail)


def _per_call(start: _Start, event: Any) -> float:
    """Return the instructions of a call of a warm function."""
    return (_counted(start, event, 2 + _CALLS) - _counted(start, event, 2)) / _CALLS


def _counted(start: _Start, event: Any, calls: int) -> int:
    """Return the instructions of a process from its start to the end of some calls."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "cachegrind.out"
        # A fixed seed: the order of sets would make a hundredth of difference.
        under = ["env", "PYTHONHASHSEED=0", "valgrind", "--quiet", "--tool=cachegrind"]
        under += ["--cache-sim=no", f"--cachegrind-out-file={written}"]
        with start(under=under) as function:
            for _ in range(calls):
                function.invoke(event)
        found = re.search(r"^summary: ([\d,]+)", written.read_text(), flags=re.MULTILINE)
    assert found, "cachegrind has written no summary"
    return int(found[1].replace(",", ""))
