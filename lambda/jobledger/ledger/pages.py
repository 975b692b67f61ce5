"""The ledger's reading side: keyset pages of jobs, joined from the ready-made JSON of their rows.

A page of one family with at most one status is one Query that reads what it returns. Several families
or statuses are merged from one Query each; a name prefix is filtered from the rows read, within a
bound, after which a short page with a position is given.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from jobledger.jobs import Family
from jobledger.ledger.cursor import Position
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.queries import Part, parameters_of, parts_of
from jobledger.ledger.writing import Ledger

# A Lambda answer may have 6 MB (quotas page), in which each quote of the body is escaped once more.
MAX_PAGE_BYTES = 5_000_000
# How many rows one page may read in search of a name prefix, over all that is merged.
PREFIX_ROWS = 2_000
_PREFIX_CHUNK = 500
_SMALLEST_CHUNK = 10


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
    parts = parts_of(query)
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


def _walk(
    ledger: Ledger,
    query: JobQuery,
    part: Part,
    max_results: int,
    start: Position | None,
    consistent: bool,
) -> Iterator[_Listed]:
    """Yield one part's jobs in order, and at last, if it was not searched to its end, where it stopped."""
    parameters = parameters_of(ledger, query, part, start)
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


def _size(job: str) -> int:
    """Return the bytes that a job takes in a Lambda answer, where the body is a string of JSON."""
    return len(job.encode()) + job.count('"') + job.count("\\")
