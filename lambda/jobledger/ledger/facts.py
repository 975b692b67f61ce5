"""What counts and durations are made of: a few facts of every job of a query, read side by side."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from jobledger.jobs import Family
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.queries import Part, parameters_of, parts_of
from jobledger.ledger.table import Row, decode, text_of
from jobledger.ledger.writing import Ledger
from jobledger.times import parse, rfc3339

# Requests for facts at a time, and into how many shares of time what follows the first one is cut.
_READERS = 4
_SHARES = 8


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What counts and durations are made of; a time that the service left out is None."""

    family: Family
    job_id: str
    status: str | None
    submit_time: str | None
    end_time: str | None
    expiration_time: str | None


def read_facts(
    ledger: Ledger, query: JobQuery, go_on: Callable[[], None] = lambda: None
) -> Iterator[JobFacts]:
    """Yield the facts of every job of a query, in no order. Raises LedgerUnavailable.

    Reads all that the query matches, a megabyte of rows a request, several requests at a time.
    `go_on` runs after each of them, and may raise to give up.
    """
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

    waiting: dict[Future[dict[str, Any]], _Stretch] = {}
    pool = ThreadPoolExecutor(_READERS)
    pending = [_whole(ledger, query, part) for part in parts_of(query)]
    try:
        while waiting or pending:
            for stretch in pending:
                waiting[pool.submit(lambda asked: ledger.table.query(**asked), stretch.asked)] = (
                    stretch
                )
            pending = []
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                stretch, answer = waiting.pop(future), future.result()
                go_on()
                pending += _following(ledger, stretch, answer.get("LastEvaluatedKey"))
                yield from (_facts(stretch.family, decode(item)) for item in answer["Items"])
    finally:
        pool.shutdown(cancel_futures=True)


def _facts(family: Family, row: Row) -> JobFacts:
    return JobFacts(
        family=family,
        job_id=str(row["SK"]).partition("#")[2],
        status=text_of(row, "JobStatus"),
        submit_time=text_of(row, "SubmitTime"),
        end_time=text_of(row, "EndTime"),
        expiration_time=text_of(row, "ExpirationTime"),
    )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows to read for their facts: `asked` is the Query of the next page, oldest first."""

    family: Family
    asked: dict[str, Any]
    divided: bool


def _whole(ledger: Ledger, query: JobQuery, part: Part) -> _Stretch:
    asked = parameters_of(ledger, query, part, None)
    projection = "SK, JobStatus, SubmitTime, EndTime, ExpirationTime"
    asked |= {"ProjectionExpression": projection, "ScanIndexForward": True}
    return _Stretch(part.family, asked, divided=False)


def _following(ledger: Ledger, stretch: _Stretch, end: dict[str, Any] | None) -> Iterator[_Stretch]:
    """Yield what is left after a page: behind the first one, in shares that are read side by side."""
    if end is None:
        return
    if stretch.divided:
        yield replace(stretch, asked=stretch.asked | {"ExclusiveStartKey": end})
        return
    values = stretch.asked["ExpressionAttributeValues"]
    cuts = _cuts(end["SK"]["S"], _last_key(ledger, stretch.asked) or end["SK"]["S"])
    # A bare time is no row's key, so shares that meet in one have no row in common.
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
    """Return times that divide the time between two keys evenly, strictly between the two."""
    start, end = (parse(key.partition("#")[0]) for key in (first, last))
    times = [rfc3339(start + (end - start) * share / _SHARES) for share in range(1, _SHARES)]
    return sorted({time for time in times if first.partition("#")[0] < time < last})
