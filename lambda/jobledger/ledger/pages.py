"""Reads keyset pages of jobs and joins them from the ready-made JSON of their rows.

A page of one family with at most one status is one Query that reads only what it returns. Several families
or statuses are merged from one Query each. A name prefix filters the rows that were read; after a bounded
number of rows, the page ends short and has a position.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from jobledger.jobs import Family
from jobledger.ledger.cursor import Position
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.queries import PartitionQuery, parameters_of, partition_queries
from jobledger.ledger.writing import Ledger

# A Lambda response can have 6 MB (quotas page). Each quote in the body is escaped once more.
MAX_PAGE_BYTES = 5_000_000
# Rows that one page may read to find a name prefix, over all merged queries.
PREFIX_ROWS = 2_000
_PREFIX_CHUNK = 500
_SMALLEST_CHUNK = 10


@dataclass(frozen=True, slots=True)
class JobsPage:
    """One page of jobs as ready-made JSON; `position` is None on the last page."""

    jobs: list[str]
    position: Position | None


@dataclass(frozen=True, slots=True)
class _Listed:
    """A row in the merged order; or, with job None, the position where a query stopped."""

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

    `now` is the time of the read, and the start of a new walk when `start` is None. `consistent` requests a
    consistent read where DynamoDB supports it: on the table, not on its indexes.
    """
    parts = partition_queries(query)
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
            continue  # its status changed between the queries of two statuses
        size += _size(listed.job)
        if last is not None and (len(jobs) == max_results or size > MAX_PAGE_BYTES):
            return JobsPage(jobs, Position(last.sort_key, last.family, as_of))
        jobs.append(listed.job)
        last = listed
    return JobsPage(jobs, None)


def _walk(
    ledger: Ledger,
    query: JobQuery,
    part: PartitionQuery,
    max_results: int,
    start: Position | None,
    consistent: bool,
) -> Iterator[_Listed]:
    """Yield the jobs of one query in order, and last the position where it stopped before its end."""
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
    """Return the size of a job in a Lambda response, whose body is a JSON string, in bytes."""
    return len(job.encode()) + job.count('"') + job.count("\\")
