"""Cold starts and reconnections, over TLS as in AWS."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from statistics import median

from bench.events import first_event, request
from bench.measures import PEERS, STARTS, Row, ratio
from bench.runtime_api import Function
from bench.subjects import HANDLERS, ROOT, Place, say

_CLI = ROOT / ".venv-awscli" / "bin" / "aws"
_GOALS = {"api": 0.80, "digest": 0.75, "sync": 0.75}
_RECONNECTIONS = 30


def cold_starts(place: Place) -> Iterator[Row]:
    """Measure the time from the start of the process to the first result."""
    seconds: dict[str, list[float]] = {}
    for number in range(STARTS):
        say(f"starts {number + 1} of {STARTS}")
        for tls in (True, False):
            protocol = "TLS" if tls else "HTTP"
            for name in HANDLERS if tls else ("api",):
                with place.ours(name, tls=tls) as function:
                    spent = _start(function, first_event(name, number))
                    seconds.setdefault(f"{name} {protocol}", []).append(spent)
            for name in PEERS if tls else ("bare",):
                with place.peer(name, tls=tls) as function:
                    spent = _start(function, request("/jobs"))
                    seconds.setdefault(f"{name} {protocol}", []).append(spent)
        began = time.perf_counter()
        command = [str(_CLI), "comprehendmedical", "list-snomedct-inference-jobs"]
        environment = {**place.environment, **place.tls_environment["peers"]}
        subprocess.run(command, env=environment, capture_output=True, check=True)
        seconds.setdefault("cli", []).append(time.perf_counter() - began)
    bare = seconds["bare TLS"]
    for name in HANDLERS:
        goal = _GOALS.get(name, 1.2)
        yield ratio(f"cold start, {name} function", seconds[f"{name} TLS"], bare, goal)
    plain = (seconds["api HTTP"], seconds["bare HTTP"])
    yield ratio("cold start, api function, HTTP in place of TLS", *plain, None)
    for name in list(PEERS)[1:]:
        yield ratio(f"cold start, {PEERS[name]}", seconds[f"{name} TLS"], bare, None)
    yield ratio("cold start, `aws` command, a whole process", seconds["cli"], bare, None)


def _start(function: Function, event: object) -> float:
    arrived, _ = function.invoke(event)
    return arrived - function.started


def reconnections(place: Place) -> Iterator[Row]:
    """Measure what a warm function spends on a new connection, because the server has closed the one before."""
    say("reconnections")
    event = request("/jobs", MaxResults=10)
    spent = {}
    with place.ours("api", tls=True) as ours, place.peer("bare", tls=True) as bare:
        for name, function in (("ours", ours), ("bare", bare)):
            function.invoke(event)
            differences = []
            for _ in range(_RECONNECTIONS):
                connected = _processor_time(function, event)
                _disconnect(place)
                differences.append(_processor_time(function, event) - connected)
            spent[name] = median(differences) * 1000
    detail = f"bare {spent['bare']:.2f} ms"
    yield Row("a new TLS connection of a warm function", spent["ours"], 2.0, "ms", detail)


def _processor_time(function: Function, event: object) -> float:
    before = function.cpu_seconds()
    function.invoke(event)
    return function.cpu_seconds() - before


def _disconnect(place: Place) -> None:
    address = place.environment["AWS_ENDPOINT_URL"]
    asked = urllib.request.Request(address, b"", {"X-Amz-Target": "Bench.Disconnect"})
    urllib.request.urlopen(asked, timeout=10).read()
