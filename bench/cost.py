"""The dollars of a month: counted requests (bench/month.py) times list prices in us-east-1.

    .venv/bin/python -m bench.cost

writes the table of docs/cost.md. What cannot be counted here is stated beside its price: durations of
invocations, and the lines that AWS itself logs.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.month import API_CALLS, DAYS, HOURS, SYNCS, Month, month
from bench.outputs import outputs_month
from bench.source_month import month_of_sources, runs_a_minute
from jobledger.service import Family

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "cost.md"
# The most dollars of a month, by jobs a day.
GOALS = {0: 7.0, 1_000: 10.0, 10_000: 25.0}
SHOWN = 1_000
# The most dollars of a month, by sources that have a hundred jobs a day each.
SOURCES_GOALS = {1: 10.0, 10: 25.0, 100: 120.0}
OUTPUTS_GOAL = 0.60
"""The most dollars of a month that outputBuckets adds with 1,000 jobs a day."""
ALARM_METRICS = 29 + len(Family)
"""Metrics that the alarms of a default deployment evaluate, for which CloudWatch bills; a test counts them."""

_MILLION = 1_000_000
_GIB = 2**30
_SCHEDULES = 3  # each minute: syncs, warm-ups and runs for alerts
# Free in each month, of an account: https://aws.amazon.com/xray/pricing/ and
# https://aws.amazon.com/eventbridge/pricing/ (Scheduler).
_FREE_TRACES = 100_000
_FREE_SCHEDULED = 14_000_000
# Seconds and gigabytes of an invocation.
_SYNC_GB_SECONDS = 1.5 * 0.5  # five upstream calls, a quarter of a second apart
# With more than five sources the function has a gigabyte. A run of 25 waits no longer than one of a single source; three
# quarters of a second of processor time take it longer (bench/minute.py counts both).
_SOURCES_SYNC_GB_SECONDS = 3.0 * 1.0
_API_GB_SECONDS = 0.1 * 1.0
_WARM_UP_GB_SECONDS = 0.002 * 1.0
_CHANGES_GB_SECONDS = 0.2 * 0.25
_DIGEST_GB_SECONDS = 5 * 0.5
_ALERTS_GB_SECONDS = 0.03 * 0.25  # one read of an empty queue
_OUTPUTS_GB_SECONDS = 0.015 * 0.375  # one query that finds nothing, or a batch without an end
_OBJECT_GB_SECONDS = 0.1 * 0.375  # an object of S3, and what it is recorded with
# Lambda's own lines (JSON: start and report) and one line of API Gateway's access log.
_PLATFORM_LOG_BYTES = 1_000
_ACCESS_LOG_BYTES = 500
_API_LOG_BYTES = 0  # a request that succeeds writes no line
# Metrics are billed for the hours in which they are sent: changes with each change, digests once a day.
_CHANGES_METRICS = 3
_DIGEST_METRICS = 2
_OUTPUT_ALARMS = 1


@dataclass(frozen=True)
class Item:
    """One line of the bill."""

    name: str
    calculation: str
    dollars: float


@dataclass(frozen=True)
class Bill:
    """The bill of a month."""

    items: tuple[Item, ...]

    @property
    def total(self) -> float:
        """The sum of the lines as they are shown, to the cent."""
        return round(sum(round(item.dollars, 2) for item in self.items), 2)


def bill(jobs_a_day: int) -> Bill:
    """Return the bill of a default deployment with a number of jobs a day and 100,000 API calls a month."""
    return Bill(tuple(_items(month(jobs_a_day))))


def sources_bill(sources: int) -> Bill:
    """Return the bill of a deployment with a number of sources, each of which has a hundred jobs a day."""
    seconds = _SOURCES_SYNC_GB_SECONDS if sources > 1 else _SYNC_GB_SECONDS
    return Bill(tuple(_items(month_of_sources(sources), runs_a_minute(sources), seconds)))


def _items(counted: Month, runs: int = 1, gb_seconds: float = _SYNC_GB_SECONDS) -> Iterator[Item]:
    """Yield the lines of the bill; `runs` are those of the sync function in a minute, each of so many gigabyte-seconds."""
    syncs = runs * SYNCS
    # Several changes of a minute reach the function as one batch.
    batches = min(counted.changes, syncs)
    scheduled = (_SCHEDULES - 1) * SYNCS + syncs
    calls = scheduled + API_CALLS + batches + DAYS
    active_hours = min(1.0, counted.changes / HOURS)
    metrics = counted.sync_metrics + _CHANGES_METRICS * active_hours + _DIGEST_METRICS / 24
    yield Item("CloudWatch metrics", f"{metrics:.1f} metrics × $0.30", metrics * 0.30)
    log = counted.sync_log_bytes + API_CALLS * (_API_LOG_BYTES + _ACCESS_LOG_BYTES)
    log += calls * _PLATFORM_LOG_BYTES
    yield Item("CloudWatch Logs", f"{log / _GIB:.2f} GB × $0.50", log / _GIB * 0.50)
    yield _units("DynamoDB writes", counted.writes, 0.625)
    yield _units("DynamoDB reads", counted.reads, 0.125)
    stored = counted.stored_bytes / _GIB
    text = f"{stored:.2f} GB for each month kept × ($0.25 + $0.20 recovery)"
    yield Item("DynamoDB storage", text, stored * 0.45)
    seconds = syncs * gb_seconds + SYNCS * (_WARM_UP_GB_SECONDS + _ALERTS_GB_SECONDS)
    seconds += API_CALLS * _API_GB_SECONDS
    seconds += batches * _CHANGES_GB_SECONDS + DAYS * _DIGEST_GB_SECONDS
    text = f"{seconds:,.0f} GB-s × $0.0000133, {calls / _MILLION:.2f} M calls × $0.20/M"
    yield Item("Lambda", text, seconds * 0.0000133334 + calls / _MILLION * 0.20)
    yield Item("API Gateway", f"{API_CALLS:,} calls × $3.50/M", API_CALLS / _MILLION * 3.50)
    # Warm-ups and runs for alerts are not traced.
    traces = max(0, syncs + API_CALLS + batches + DAYS - _FREE_TRACES)
    text = f"{traces / _MILLION:.2f} M traces beyond the free ones × $5/M"
    yield Item("X-Ray", text, traces / _MILLION * 5)
    yield Item("KMS", "one key, 50,000 requests × $0.03/10,000", 1 + 0.15)
    text = f"{counted.changes:,} events × $1/M, {scheduled:,} scheduled runs (14 M are free)"
    paid = counted.changes + max(0, scheduled - _FREE_SCHEDULED)
    yield Item("EventBridge", text, paid / _MILLION)
    yield Item("SQS", f"{SYNCS / _MILLION:.2f} M requests × $0.40/M", SYNCS / _MILLION * 0.40)
    yield Item("alarms", f"{ALARM_METRICS} metrics × $0.10", ALARM_METRICS * 0.10)


def outputs_cost(jobs_a_day: int) -> dict[str, float]:
    """Return the dollars that the setting outputBuckets adds to a month.

    No logs and no traces: a run that succeeds writes neither.
    """
    counted = outputs_month(jobs_a_day)
    runs = SYNCS + counted.batches
    seconds = runs * _OUTPUTS_GB_SECONDS + counted.objects * _OBJECT_GB_SECONDS
    return {
        "writes": counted.writes / _MILLION * 0.625,
        "reads": counted.reads / _MILLION * 0.125,
        "storage": counted.stored_bytes / _GIB * 0.45,
        "S3": counted.objects / _MILLION * 0.40,
        "Lambda": seconds * 0.0000133334 + runs / _MILLION * 0.20,
        "alarms": _OUTPUT_ALARMS * 0.10,
    }


def _units(name: str, units: float, price: float) -> Item:
    text = f"{units / _MILLION:.2f} M request units × ${price}/M"
    return Item(name, text, units / _MILLION * price)


def table(jobs_a_day: int) -> str:
    """Return the bill as the table of the document."""
    made = bill(jobs_a_day)
    lines = ["| item | calculation | dollars |", "|---|---|---|"]
    lines += [f"| {item.name} | {item.calculation} | {item.dollars:.2f} |" for item in made.items]
    return "\n".join([*lines, f"| **total** | | **{made.total:.2f}** |"])


def sources_table() -> str:
    """Return the bills of several sources as the table of the document."""
    bills = [sources_bill(sources) for sources in SOURCES_GOALS]
    names = [f"{sources} source{'s' * (sources > 1)}" for sources in SOURCES_GOALS]
    lines = [f"| {' | '.join(['item', *names])} |", f"|{'---|' * (len(names) + 1)}"]
    lines += [
        _cells(same[0].name, [f"{item.dollars:.2f}" for item in same])
        for same in zip(*(made.items for made in bills), strict=True)
    ]
    return "\n".join([*lines, _cells("**total**", [f"**{made.total:.2f}**" for made in bills])])


def _cells(name: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def totals() -> str:
    """Return the sentence of the document about other numbers of jobs."""
    quiet, busy = min(GOALS), max(GOALS)
    return (
        f"With no jobs at all the month costs {bill(quiet).total:.2f} dollars, with {busy:,} jobs a day "
        f"{bill(busy).total:.2f}."
    )


def outputs() -> str:
    """Return the sentence of the document about what outputs add."""
    cost = outputs_cost(SHOWN)
    return (
        f"The setting `outputBuckets` adds {sum(cost.values()):.2f} dollars to that month: {cost['writes']:.2f} for"
        f" DynamoDB's writes,\n{cost['reads'] + cost['storage']:.2f} for longer rows in pages and storage, {cost['Lambda']:.2f} for Lambda, "
        f"{cost['S3']:.2f} for S3 and {cost['alarms']:.2f} for an alarm."
    )


def shown(document: str) -> str:
    """Return the document with its table of costs computed anew."""
    computed = _with_table(document, "| item | calculation | dollars |", table(SHOWN))
    computed = _with_table(computed, "| item | 1 source |", sources_table())
    computed = re.sub(r"The setting `outputBuckets` adds [^`]*? an alarm\.", outputs(), computed)
    return re.sub(r"With no jobs at all the\s[^.]+\.\d+ dollars[^.]+\.\d+\.", totals(), computed)


def _with_table(document: str, head: str, computed: str) -> str:
    start = document.index(head)
    end = document.index("\n", document.index("| **total** |", start))
    return document[:start] + computed + document[end:]


if __name__ == "__main__":
    DOCUMENT.write_text(shown(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    print(table(SHOWN), totals(), outputs(), sources_table(), sep="\n\n")
