"""The measures of `make bench`: each yields rows of the table of results. Ours and the peers' runs alternate."""

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.events import request
from bench.runtime_api import TRACE_ID, Function
from bench.subjects import HANDLERS, ROOT, Place, lambda_bundle, say

STARTS = 15
BATCHES = 9
CALLS_A_BATCH = 20
PEERS = {
    "bare": "bare boto3",
    "powertools_pydantic": "Powertools + pydantic",
    "fastapi_mangum": "FastAPI + Mangum",
}
SIZES = (1_000, 100_000, 1_000_000)
_MIB = 2**20


@dataclass(frozen=True)
class Row:
    """One line of the results. `goal` is the most that `value` may be; None: for comparison only."""

    measure: str
    value: float
    goal: float | None
    unit: str = "×"
    detail: str = ""


@contextmanager
def servers(*arguments: str, module: str = "bench.servers") -> Iterator[list[str]]:
    """Run the bench's servers in a process of their own, and yield their addresses, of HTTP and of TLS."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()
    finally:
        process.kill()
        process.communicate()


def command_line(place: Place) -> Iterator[Row]:
    """Measure what a shell waits for beside `aws --version`: help, and the completion of a word."""
    aws = [str(ROOT / ".venv-awscli" / "bin" / "aws"), "--version"]
    command = [sys.executable, "-P", "-m", "job_ledger"]
    words = {"COMP_WORDS": "jobledger jobs --st", "COMP_CWORD": "2"}
    completion = {"_JOBLEDGER_COMPLETE": "bash_complete", **words}
    cases: dict[str, tuple[list[str], dict[str, str]]] = {
        "aws": (aws, {}),
        "`jobledger --help`": ([*command, "--help"], {}),
        "completion of `jobledger`": (command, completion),
    }
    say("the command's help and completion")
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(STARTS):
        for name, (line, variables) in cases.items():
            settings = {**place.environment, "PYTHONPATH": str(ROOT), **variables}
            began = time.perf_counter()
            subprocess.run(line, env=settings, capture_output=True, check=True)
            seconds[name].append(time.perf_counter() - began)
    aws_seconds = median(seconds["aws"])
    detail = f"`aws --version` {aws_seconds * 1000:.0f} ms"
    for name in list(cases)[1:]:
        measure, found = f"{name}, a whole process", median(seconds[name])
        yield Row(measure, found, 0.15, "s", detail)
        yield Row(f"{measure}, to `aws --version`", found / aws_seconds, 0.35)


def warm_pages(place: Place) -> Iterator[Row]:
    """Measure the processor time of the whole process for a warm page, and its peak memory."""
    goals = {500: 0.30, 100: 0.45, 10: 0.80}
    with (
        place.ours("api") as ours,
        place.peer("bare") as bare,
        place.peer("powertools_pydantic") as powertools,
        place.peer("fastapi_mangum") as fastapi,
    ):
        functions = {
            "ours": ours,
            "bare": bare,
            "powertools_pydantic": powertools,
            "fastapi_mangum": fastapi,
        }
        for size, goal in goals.items():
            say(f"warm pages of {size}")
            spent = _batches(functions, request("/jobs", MaxResults=size))
            yield ratio(f"page of {size}, whole process", spent["ours"], spent["bare"], goal)
            for name in ("powertools_pydantic", "fastapi_mangum"):
                label = f"page of {size}, whole process, {PEERS[name]}"
                yield ratio(label, spent[name], spent["bare"], None)
        memory, reference = ours.peak_mib(), bare.peak_mib()
        detail = f"{memory:.1f} MiB, bare {reference:.1f} MiB"
        yield Row("peak memory of the API function", memory / reference, 0.92, detail=detail)


def _batches(functions: dict[str, Function], event: Any) -> dict[str, list[float]]:
    """Return the processor seconds of one call, for each function and batch."""
    spent: dict[str, list[float]] = {name: [] for name in functions}
    for batch in range(BATCHES + 1):
        for name, function in functions.items():
            before = function.cpu_seconds()
            for _ in range(CALLS_A_BATCH):
                function.invoke(event)
            if batch:  # the first one warms up
                spent[name].append((function.cpu_seconds() - before) / CALLS_A_BATCH)
    return spent


def handlers_alone(place: Place) -> Iterator[Row]:
    """Measure the processor time of a handler whose answers of AWS are in memory."""
    bundle = [place.bundle, ROOT]
    with (
        _worker(place, "bench.alone", bundle, HANDLERS["api"]) as ours,
        _worker(place, "bench.alone", [place.peers, ROOT], "bench.peers.bare.handler") as bare,
    ):
        pages = {size: request("/jobs", MaxResults=size) for size in (500, 100, 10)}
        with place.ours("api") as function:
            page = json.loads(function.invoke(pages[10])[1]["body"])
        job_id = page["ComprehendMedicalAsyncJobPropertiesList"][0]["JobId"]
        cases = [
            ("page of 500, handler alone", pages[500], pages[500], 0.15),
            ("page of 100, handler alone", pages[100], pages[100], 0.30),
            ("page of 10, handler alone", pages[10], pages[10], 0.80),
            (
                "CSV page of 500, handler alone, to bare's page of 500",
                request("/jobs", MaxResults=500, Format="csv"),
                pages[500],
                0.50,
            ),
            (
                "one job, handler alone, to bare's page of 10",
                request(f"/jobs/{job_id}"),
                pages[10],
                1.0,
            ),
        ]
        for measure, event, theirs, goal in cases:
            say(measure)
            spent: tuple[list[float], list[float]] = ([], [])
            for batch in range(BATCHES + 1):
                for seconds, worker, sent in zip(spent, (ours, bare), (event, theirs), strict=True):
                    found = _ask(worker, f"{CALLS_A_BATCH * 2} {json.dumps(sent)}")
                    if batch:  # the first one warms up
                        seconds.append(found)
            yield ratio(measure, *spent, goal)


def bundle_sizes() -> Iterator[Row]:
    """Measure the bundle that is deployed."""
    path = lambda_bundle().path
    with zipfile.ZipFile(path) as zipped:
        unzipped = sum(entry.file_size for entry in zipped.infolist())
    yield Row("zip", path.stat().st_size / _MIB, 5.0, "MiB")
    yield Row("zip, unzipped", unzipped / _MIB, 16, "MiB")


def sizes(place: Place) -> Iterator[Row]:
    """Measure how the reads grow with the ledger."""
    say(f"filling and measuring ledgers of up to {SIZES[-1]:,} jobs")
    with _worker(place, "bench.sizes", [place.bundle, ROOT], *map(str, SIZES)) as worker:
        smallest, *larger = map(json.loads, worker.communicate()[0].splitlines())
    labels: dict[str, tuple[str, float | None]] = {
        "summary": ("GET /summary", 1.1),
        "digest": ("digest of 100 changes", 1.1),
        "long_running": ("the same, with a job that has run for two days", None),
        "page": ("page of 100", 1.1),
    }
    for read, (label, goal) in labels.items():
        first = smallest[read]
        for measured in larger if read != "page" else larger[-1:]:
            cost, jobs = measured[read], measured["jobs"]
            reads = f"{cost['calls']} calls, {cost['rows']:,} rows"
            before = f"{first['calls']} calls, {first['rows']:,} rows"
            detail = f"{reads}; of 1,000 jobs {before}"
            measure = f"{label}, {jobs:,} jobs to 1,000"
            yield Row(f"{measure}: rows read", cost["rows"] / first["rows"], goal, detail=detail)
            detail = f"{cost['milliseconds']:.2f} ms, of 1,000 jobs {first['milliseconds']:.2f} ms"
            ratio = cost["milliseconds"] / first["milliseconds"]
            yield Row(f"{measure}: processor time", ratio, goal, detail=detail)


def sources(place: Place) -> Iterator[Row]:
    """Measure the reads of a ledger of 100 sources beside one source's, and a minute of its syncs."""
    say("reads and syncs of 100 sources")
    for module in ("bench.sources", "bench.minute"):
        with _worker(place, module, [place.bundle, ROOT]) as worker:
            for line in worker.communicate()[0].splitlines():
                yield Row(**json.loads(line))


def first_fill(place: Place) -> Iterator[Row]:
    """Measure the first fill of a large account beside its List calls."""
    ours, bare, growth = [], [], 0.0
    with servers("100000") as (endpoint, _):
        for number in range(3):
            say(f"first fill {number + 1} of 3")
            with _worker(place, "bench.fill", [place.bundle, ROOT], endpoint) as worker:
                filled = json.loads(_last_line(worker))
            paths = [place.peers, ROOT]
            with _worker(place, "bench.peers.bare_fill", paths, endpoint) as worker:
                listed = json.loads(_last_line(worker))
            assert filled["calls"] == listed["calls"] == 200
            if number:  # the servers render their answers at the first
                ours.append(filled["seconds"])
                bare.append(listed["seconds"])
            growth = max(growth, filled["growth_mib"])
    yield ratio("first fill of 100,000 jobs, to its 200 calls", ours, bare, 1.05)
    yield Row("first fill of 100,000 jobs, growth of memory", growth, 5, "MiB")


def limited_fill(place: Place) -> Iterator[Row]:
    """Measure a first fill under DynamoDB's limits for one partition key, with all retries real."""
    say("first fill under DynamoDB's limits")
    with servers(module="bench.limits") as (endpoint,):
        paths = [place.bundle, ROOT]
        with _worker(place, "bench.fill", paths, endpoint, "limited") as worker:
            filled = json.loads(_last_line(worker))
    jobs, seconds = filled["jobs"], filled["seconds"]
    detail = f"{jobs:,} jobs in {seconds:.1f} s, {filled['throttled']} throttled requests"
    minutes = seconds / jobs * 1_000_000 / 60
    yield Row("first fill of 1,000,000 jobs of one family", minutes, 34, "min", detail)
    yield Row("first fill, write units a job", filled["units"] / jobs, 6.5, "units")


@contextmanager
def _worker(
    place: Place, module: str, paths: Sequence[Path], *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    settings = {
        **place.environment,
        "LAMBDA_TASK_ROOT": str(paths[0]),
        "PYTHONPATH": ":".join(map(str, paths)),
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "_X_AMZN_TRACE_ID": TRACE_ID,
    }
    process = subprocess.Popen(
        [place.python, "-s", "-m", module, *arguments],
        cwd=ROOT,
        env=settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ask(worker: subprocess.Popen[str], line: str) -> float:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def _last_line(worker: subprocess.Popen[str]) -> str:
    return worker.communicate()[0].splitlines()[-1]


def ratio(measure: str, ours: list[float], bare: list[float], goal: float | None) -> Row:
    """Return the ratio of the medians, with the quartiles of the ratios of the runs that alternated."""
    low, _, high = quantiles([one / other for one, other in zip(ours, bare, strict=True)], n=4)
    times = f"{median(ours) * 1000:.2f} ms, bare {median(bare) * 1000:.2f} ms"
    spread = f"quartiles {low:.2f} to {high:.2f}"
    return Row(measure, median(ours) / median(bare), goal, detail=f"{times}; {spread}")
