"""Reads keyset pages of jobs and joins them from the ready-made JSON of their rows.

A page of one family with at most one status is one Query that reads only what it returns. Several families
or statuses are merged from one Query each. A name prefix filters the rows that were read; after a bounded
number of rows, the page ends short and has a position. Rows of jobs that the ledger learned of after the walk
began are left out, and more are read in their place: a page of a walk has the same jobs and the same
position whenever it is read.
"""

import heapq
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from jobledger.errors import NotUnderstood
from jobledger.jobs import Family, is_object
from jobledger.ledger.cursor import Position
from jobledger.ledger.filters import JobQuery
from jobledger.ledger.queries import PartitionQuery, parameters_of, partition_queries
from jobledger.ledger.skipping import readable
from jobledger.ledger.writing import Ledger

# A Lambda response can have 6 MB (quotas page). Each quote in the body is escaped once more.
MAX_PAGE_BYTES = 5_000_000
# Rows that one page may read to find a name prefix, over all merged queries.
PREFIX_ROWS = 2_000
# Rows that one Query of a page may leave out because the ledger learned of them after the walk began.
LATER_ROWS = 20_000
_FILTERED_CHUNK = 500
_SMALLEST_CHUNK = 10


class JobsPage(msgspec.Struct, frozen=True):
    """One page of jobs as ready-made JSON; `position` is None on the last page."""

    jobs: list[str]
    position: Position | None


class _Listed(NamedTuple):
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
    begun: str | None = None,
    consistent: bool = False,
) -> JobsPage:
    """Return the page of a query that follows `start`. Raises LedgerUnavailable.

    `now` is the time of the read, and the start of a new walk when `start` is None. `begun` is the start of
    an earlier walk, in the form of `Position.as_of`, whose first page is read again. `consistent` requests a
    consistent read where DynamoDB supports it: on the table, not on its indexes.
    """
    limit = start.as_of if start else begun
    read = _Reading(ledger, query, max_results, start, limit, consistent)
    merged = heapq.merge(
        *(_walk(read, part) for part in partition_queries(query)),
        key=lambda listed: (listed.sort_key, listed.family),
        reverse=query.descending,
    )
    as_of = limit or now
    jobs: list[str] = []
    size = 0
    last: _Listed | None = None
    end: _Listed | None = None
    for listed in merged:
        if listed.job is None:
            end = listed
            break
        if last is not None and (listed.sort_key, listed.family) == (last.sort_key, last.family):
            continue  # its status changed between the queries of two statuses
        size += _size(listed.job)
        if last is not None and (len(jobs) == max_results or size > MAX_PAGE_BYTES):
            end = last
            break
        jobs.append(listed.job)
        last = listed
    if len(jobs) == max_results and (end or limit):
        end = last  # whether rows follow that are left out must not make a difference
    return JobsPage(jobs, Position(end.sort_key, end.family, as_of) if end else None)


class _Reading(msgspec.Struct, frozen=True):
    """What the queries of one page have in common. `as_of` as in `Position`; None for the newest rows."""

    ledger: Ledger
    query: JobQuery
    max_results: int
    start: Position | None
    as_of: str | None
    consistent: bool


def _walk(read: _Reading, part: PartitionQuery) -> Iterator[_Listed]:
    """Yield the jobs of one query in order, and last the position where it stopped before its end."""
    parameters = parameters_of(read.ledger, read.query, part, read.start, read.as_of)
    if read.consistent and "IndexName" not in parameters:
        parameters["ConsistentRead"] = True
    by_prefix = read.query.name_prefix is not None
    if by_prefix:
        chunk, budget = _FILTERED_CHUNK, PREFIX_ROWS // part.parts
    elif part.parts == 1:
        chunk = budget = read.max_results
    else:
        chunk, budget = max(_SMALLEST_CHUNK, read.max_results // part.parts), read.max_results
    limit, later = min(chunk, budget), LATER_ROWS
    while True:
        answer = read.ledger.table.query(**parameters, Limit=limit)
        yield from readable(answer["Items"], partial(_listed, part.family))
        end = answer.get("LastEvaluatedKey")
        if end is None:
            return
        left_out = answer["ScannedCount"] - len(answer["Items"])
        later -= left_out
        # Rows without the prefix count as well: they are what the budget is for.
        budget -= answer["ScannedCount"] if by_prefix else len(answer["Items"])
        limit = _FILTERED_CHUNK if left_out and not by_prefix else min(chunk, budget)
        if budget <= 0 or later <= 0:
            yield _Listed(end["SK"]["S"], part.family, None)
            return
        parameters["ExclusiveStartKey"] = end


def _listed(family: Family, item: Mapping[str, Mapping[str, str]]) -> _Listed:
    """Return a row of the list. Raises NotUnderstood for damaged JSON, which would damage the whole page."""
    job = item["Job"]["S"]
    if not is_object(job):
        raise NotUnderstood("a job")
    return _Listed(item["SK"]["S"], family, job)


def _size(job: str) -> int:
    """Return the size of a job in a Lambda response, whose body is a JSON string, in bytes."""
    return len(job.encode()) + job.count('"') + job.count("\\")
