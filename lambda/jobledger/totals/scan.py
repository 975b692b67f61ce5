"""Reads the few attributes of each job that counts and durations need, in parallel."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
from msgspec.structs import replace

from jobledger.ledger.job_facts import PROJECTION, JobFacts, facts_of_row
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.queries import PartitionQuery, parameters_of, partition_queries
from jobledger.ledger.skipping import readable
from jobledger.ledger.table import decode
from jobledger.service import Family
from jobledger.times import parse, rfc3339

# Parallel requests, and the number of time ranges into which the rest of a partition is split.
_READERS = 4
_SHARES = 8


def read_facts(
    ledger: Ledger, query: JobQuery, check_time: Callable[[], None] = lambda: None
) -> Iterator[JobFacts]:
    """Yield the facts of every job that matches a query, in no order. Raises LedgerUnavailable.

    Reads all matching rows, one megabyte a request, several requests in parallel. `check_time` runs after each
    request and can raise to stop.
    """
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

    waiting: dict[Future[dict[str, Any]], _Range] = {}
    pool = ThreadPoolExecutor(_READERS)
    pending = [_whole(ledger, query, part) for part in partition_queries(ledger, query)]
    try:
        while waiting or pending:
            for stretch in pending:
                waiting[pool.submit(lambda asked: ledger.table.query(**asked), stretch.asked)] = (
                    stretch
                )
            pending = []
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                stretch, answer = waiting.pop(future), future.result()
                check_time()
                pending += _following(ledger, stretch, answer.get("LastEvaluatedKey"))
                read = partial(facts_of_row, stretch.family)
                yield from readable(map(decode, answer["Items"]), read)
    finally:
        pool.shutdown(cancel_futures=True)


class _Range(msgspec.Struct, frozen=True):
    """A range of rows to read; `asked` is the Query for its next page, oldest first."""

    family: Family
    asked: dict[str, Any]
    divided: bool


def _whole(ledger: Ledger, query: JobQuery, part: PartitionQuery) -> _Range:
    asked = parameters_of(ledger, query, part, None)
    asked |= {"ProjectionExpression": PROJECTION, "ScanIndexForward": True}
    return _Range(part.family, asked, divided=False)


def _following(ledger: Ledger, stretch: _Range, end: dict[str, Any] | None) -> Iterator[_Range]:
    """Yield the ranges that remain after a page. After the first page, the rest is split for parallel reads."""
    if end is None:
        return
    if stretch.divided:
        yield replace(stretch, asked=stretch.asked | {"ExclusiveStartKey": end})
        return
    values = stretch.asked["ExpressionAttributeValues"]
    cuts = _cuts(end["SK"]["S"], _last_key(ledger, stretch.asked) or end["SK"]["S"])
    # A row's key is never a bare time, so adjacent ranges have no row in common.
    bounds = [end["SK"]["S"], *cuts, values[":high"]["S"]]
    for low, high in pairwise(bounds):
        share = stretch.asked | {
            "ExpressionAttributeValues": values | {":low": {"S": low}, ":high": {"S": high}}
        }
        begun = {"ExclusiveStartKey": end} if low == bounds[0] else {}
        yield replace(stretch, asked=share | begun, divided=True)


def _last_key(ledger: Ledger, asked: dict[str, Any]) -> str | None:
    answer = ledger.table.query(**asked | {"ScanIndexForward": False, "Limit": 1})
    end = answer.get("LastEvaluatedKey")
    return end["SK"]["S"] if end else None


def _cuts(first: str, last: str) -> list[str]:
    """Return times that split the time between two keys evenly, excluding both ends."""
    try:
        start, end = (parse(key.partition("#")[0]) for key in (first, last))
    except ValueError:  # a row whose key is not ours
        return []
    times = [rfc3339(start + (end - start) * share / _SHARES) for share in range(1, _SHARES)]
    return sorted({time for time in times if first.partition("#")[0] < time < last})
