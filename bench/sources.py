"""What reads over many sources cost, beside the same reads of one source.

    .venv/bin/python -m bench.sources [--sources 100] [--jobs 10000]

Prints a line of JSON for each measure. `make bench` runs it on the built bundle. One source is a ledger without the
setting, whose families have as many jobs as those of each of the many sources, with a hundredth of the jobs in all: what
does not grow beside it grows with nothing.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.events import environment_of
from bench.runtime_api import TRACE_ID

# As in Lambda, where bench/measures.py has not set it.
os.environ.update(
    environment_of("http://table.invalid")
    | {
        "LAMBDA_TASK_ROOT": "lambda",
        "_X_AMZN_TRACE_ID": TRACE_ID,
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }
    | os.environ
    | {"FAMILIES": "SNOMEDCT,ICD10CM,RXNORM,ENTITIES_V2,PHI"}
)

from bench.reads import Cost, answer_from_tables, costs
from bench.source_ledgers import NAMES, SourcesLedger, sources_of

SIZES = (10, 100, 500)
_REPEATS = 20
_READS_GOAL, _TIME_GOAL, _OTHERS_GOAL = 1.1, 1.2, 3.0

Query = Mapping[str, str]
Found = dict[str, Any]


def pages(one_of_many: str) -> dict[str, tuple[Query, Query]]:
    """Return mixes of filters: what is asked of the many sources, and of the one source."""
    account, _, region = one_of_many.partition("/")
    every: Query = {"Family": "ALL"}
    status = {"JobStatus": "COMPLETED"}
    name = {"JobName": NAMES[1]}
    times = {"SubmitTimeAfter": "2026-08-01T00:00:00Z", "SubmitTimeBefore": "2026-11-01T00:00:00Z"}
    of_one = {"Account": account, "Region": region}
    mixes = {
        "no filter": {},
        "Family=ALL": every,
        "JobStatus": status,
        "JobStatus=FAILED, Family=ALL": {"JobStatus": "FAILED", **every},
        "JobName": name,
        "JobName, JobStatus": name | status,
        "times": times,
        "JobNamePrefix": {"JobNamePrefix": NAMES[1]},
    }
    of_sources = {
        "Account": ({"Account": account}, {}),
        "Account, Region, JobStatus": (of_one | status, status),
        "Account, Region, JobName": (of_one | name, name),
    }
    return {mix: (query, query) for mix, query in mixes.items()} | of_sources


def measures(sources: int, jobs: int) -> Iterator[Found]:
    """Fill both ledgers, and measure their reads."""
    answer_from_tables()
    with tempfile.TemporaryDirectory() as folder:
        many, one = (
            SourcesLedger(Path(folder) / f"{number}-sources", number, jobs)
            for number in (sources, 1)
        )
        many.check()
        for mix, queries in pages(sources_of(sources)[-1]).items():
            yield from _page(many, one, mix, queries)
        others: dict[str, Callable[[SourcesLedger], None]] = {
            "GET /summary": lambda ledger: ledger.call("/summary", Family="ALL"),
            "digest of 100 changes": SourcesLedger.digest,
            "GET /board": lambda ledger: ledger.call("/board"),
            "page of 10 that reads AsOf": _page_with_as_of,
        }
        for name, read in others.items():
            yield from _other(many, one, name, read)


def _page_with_as_of(ledger: SourcesLedger) -> None:
    """Read a page when the AsOf in memory is too old."""
    ledger.now += timedelta(seconds=6)
    ledger.call("/jobs")


def _page(
    many: SourcesLedger, one: SourcesLedger, mix: str, queries: tuple[Query, Query]
) -> Iterator[Found]:
    """Yield the ratios of the page size that has the largest."""
    found = {}
    for size in SIZES:
        asked = {many.wire: queries[0], one.wire: queries[1]}
        found[size] = costs(
            (many, one),
            lambda ledger, asked=asked, size=size: ledger.call(  # type: ignore[misc] # its types
                "/jobs", MaxResults=size, **asked[ledger.wire]
            ),
            _REPEATS,
        )
    yield _row(f"pages, {mix}: queries", found, "calls", _READS_GOAL)
    yield _row(f"pages, {mix}: rows", found, "rows", _READS_GOAL)
    yield _row(f"pages, {mix}: processor time", found, "milliseconds", _TIME_GOAL)


def _other(
    many: SourcesLedger, one: SourcesLedger, name: str, read: Callable[[SourcesLedger], None]
) -> Iterator[Found]:
    found = {0: costs((many, one), read, _REPEATS)}
    for what, attribute in (
        ("queries", "calls"),
        ("rows", "rows"),
        ("processor time", "milliseconds"),
    ):
        yield _row(f"{name}: {what}", found, attribute, _OTHERS_GOAL)
    chains = []
    for ledger in (many, one):
        ledger.wire.reset()
        with ledger.wire.slow():
            read(ledger)
        chains.append(ledger.wire.in_turn())
    detail = f"{chains[0]} of {found[0][0].calls} requests, one source {chains[1]}"
    yield _found(f"{name}: requests one after the other", chains[0] / chains[1], 1.0, detail)


def _row(measure: str, found: Mapping[int, list[Cost]], attribute: str, goal: float) -> Found:
    values = {size: [getattr(cost, attribute) for cost in both] for size, both in found.items()}
    ratios = {size: many / one for size, (many, one) in values.items()}
    texts = [
        f"{f'page of {size}: ' if size else ''}{many:.5g}, one source {one:.5g}"
        for size, (many, one) in values.items()
    ]
    unit = " ms" if attribute == "milliseconds" else ""
    return _found(measure, max(ratios.values()), goal, "; ".join(texts) + unit)


def _found(measure: str, value: float, goal: float, detail: str) -> Found:
    return {"measure": measure, "value": value, "goal": goal, "detail": detail}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sources", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=10_000)
    asked = parser.parse_args()
    for row in measures(asked.sources, asked.jobs):
        print(json.dumps(row), flush=True)
