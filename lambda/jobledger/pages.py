"""The ledger's reading side: keyset pages of jobs, joined from the ready-made JSON of their rows.

A page of one family with at most one status is one Query that reads what it returns. Several families
or statuses are merged from one Query each; a name prefix is filtered from the rows read, within a
bound, after which a short page with a position is given.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from jobledger.cursor import Position
from jobledger.jobs import Family
from jobledger.ledger import Ledger
from jobledger.query import JobQuery
from jobledger.table import Row, decode, text_of
from jobledger.times import parse, rfc3339

# A Lambda answer may have 6 MB (quotas page), in which each quote of the body is escaped once more.
MAX_PAGE_BYTES = 5_000_000
# How many rows one page may read in search of a name prefix, over all that is merged.
PREFIX_ROWS = 2_000
_PREFIX_CHUNK = 500
_SMALLEST_CHUNK = 10
# Requests for facts at a time, and into how many shares of time what follows the first one is cut.
_READERS = 4
_SHARES = 8


@dataclass(frozen=True, slots=True)
class JobsPage:
    """A stretch of jobs, each as ready-made JSON; `position` is None at the end of the answer."""

    jobs: list[str]
    position: Position | None


@dataclass(frozen=True, slots=True)
class _Listed:
    """A row in the merged order, or (job None) the point up to which a part has been searched."""

    sort_key: str
    family: Family
    job: str | None


@dataclass(frozen=True, slots=True)
class _Part:
    """One family, and one status or all: what a single Query can answer in order."""

    family: Family
    status: str | None
    parts: int


def _parts(query: JobQuery) -> list[_Part]:
    statuses: tuple[str | None, ...] = query.statuses or (None,)
    count = len(query.families) * len(statuses)
    return [_Part(family, status, count) for family in query.families for status in statuses]


def read_page(
    ledger: Ledger,
    query: JobQuery,
    max_results: int,
    start: Position | None,
    now: str,
    *,
    consistent: bool = False,
) -> JobsPage:
    """Return the page of a query that follows `start`. Raises LedgerUnavailable.

    `now` is the time of the read, for the walk that begins when there is no `start`. `consistent`
    rules out a row's older self where DynamoDB can: on the table, not on its indexes.
    """
    parts = _parts(query)
    merged = heapq.merge(
        *(_walk(ledger, query, part, max_results, start, consistent) for part in parts),
        key=lambda listed: (listed.sort_key, listed.family),
        reverse=query.descending,
    )
    as_of = start.as_of if start else now
    jobs: list[str] = []
    size = 0
    last: _Listed | None = None
    for listed in merged:
        if listed.job is None:
            return JobsPage(jobs, Position(listed.sort_key, listed.family, as_of))
        if last is not None and (listed.sort_key, listed.family) == (last.sort_key, last.family):
            continue  # it changed its status between the queries of two statuses
        size += _size(listed.job)
        if last is not None and (len(jobs) == max_results or size > MAX_PAGE_BYTES):
            return JobsPage(jobs, Position(last.sort_key, last.family, as_of))
        jobs.append(listed.job)
        last = listed
    return JobsPage(jobs, None)


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
    pending = [_whole(ledger, query, part) for part in _parts(query)]
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


def _whole(ledger: Ledger, query: JobQuery, part: _Part) -> _Stretch:
    asked = _parameters(ledger, query, part, None)
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


def _walk(
    ledger: Ledger,
    query: JobQuery,
    part: _Part,
    max_results: int,
    start: Position | None,
    consistent: bool,
) -> Iterator[_Listed]:
    """Yield one part's jobs in order, and at last, if it was not searched to its end, where it stopped."""
    parameters = _parameters(ledger, query, part, start)
    if consistent and "IndexName" not in parameters:
        parameters["ConsistentRead"] = True
    if query.name_prefix is not None:
        chunk, budget = _PREFIX_CHUNK, PREFIX_ROWS // part.parts
    elif part.parts == 1:
        chunk = budget = max_results
    else:
        chunk, budget = max(_SMALLEST_CHUNK, max_results // part.parts), max_results
    while True:
        answer = ledger.table.query(**parameters, Limit=min(chunk, budget))
        for item in answer["Items"]:
            yield _Listed(item["SK"]["S"], part.family, item["Job"]["S"])
        end = answer.get("LastEvaluatedKey")
        if end is None:
            return
        budget -= answer["ScannedCount"]
        if budget <= 0:
            yield _Listed(end["SK"]["S"], part.family, None)
            return
        parameters["ExclusiveStartKey"] = end


def _parameters(
    ledger: Ledger, query: JobQuery, part: _Part, start: Position | None
) -> dict[str, Any]:
    """Return the Query of one part, from behind the start position on."""
    index = _index(ledger, query, part)
    low = f"{query.after}$" if query.after else "0"  # "$" follows "#": above all keys of that time
    high = (
        f"{query.before}#" if query.before else ":"
    )  # below all of that time; ":" is above digits
    values = {":key": index.value, ":low": low, ":high": high}
    filters = []
    parameters: dict[str, Any] = {
        "KeyConditionExpression": f"{index.attribute} = :key AND SK BETWEEN :low AND :high",
        "ProjectionExpression": "SK, Job",
        "ScanIndexForward": not query.descending,
    }
    if index.name:
        parameters["IndexName"] = index.name
    if query.name_prefix is not None:
        filters.append("begins_with(JobName, :prefix)")
        values[":prefix"] = query.name_prefix
    if start is not None:
        # Jobs that the ledger came to know after the walk began would shift its pages.
        filters.append("FirstObservedAt <= :as_of")
        values[":as_of"] = start.as_of
        if _comes_later(part.family, start, descending=query.descending):
            values[":high" if query.descending else ":low"] = start.sort_key
        else:
            parameters["ExclusiveStartKey"] = _start_key(ledger, index, part, start)
    if filters:
        parameters["FilterExpression"] = " AND ".join(filters)
    return parameters | {
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()}
    }


@dataclass(frozen=True, slots=True)
class _Index:
    """What a Query of one part runs on: an index, or (name None) the table, and its partition key."""

    name: str | None
    attribute: str
    value: str


def _index(ledger: Ledger, query: JobQuery, part: _Part) -> _Index:
    scope = ledger.partition(part.family)
    if query.name and part.status:
        return _Index("ByNameAndStatus", "NameStatusKey", f"{scope}#{part.status}#{query.name}")
    if query.name:
        return _Index("ByName", "NameKey", f"{scope}#{query.name}")
    if part.status:
        return _Index("ByStatus", "StatusKey", f"{scope}#{part.status}")
    return _Index(None, "PK", scope)


def _start_key(ledger: Ledger, index: _Index, part: _Part, start: Position) -> dict[str, Any]:
    keys = {"PK": ledger.partition(part.family), "SK": start.sort_key, index.attribute: index.value}
    return {name: {"S": value} for name, value in keys.items()}


def _comes_later(family: Family, start: Position, *, descending: bool) -> bool:
    """Whether a family's job of the very key of `start` comes after it in the merged order."""
    return family < start.family if descending else family > start.family


def _size(job: str) -> int:
    """Return the bytes that a job takes in a Lambda answer, where the body is a string of JSON."""
    return len(job.encode()) + job.count('"') + job.count("\\")
