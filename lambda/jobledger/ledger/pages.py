"""Reads keyset pages of jobs and joins them from the ready-made JSON of their rows.

A page of one family with at most one status is one Query that reads only what it returns. Several families
or statuses are merged from one Query each. A name prefix or a source filters the rows that were read: a page ends short after
a bounded number of rows, and one without jobs after a larger number, or when the caller has no time left. Rows of
jobs that the ledger learned of after the traversal began are left out, and more are read in their place: a page of a
traversal has the same jobs and the same position whenever it is read.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import msgspec

from jobledger.errors import NotUnderstood
from jobledger.jobs import is_object
from jobledger.ledger.cursor import Position, beginning
from jobledger.ledger.job_facts import facts_of_row, is_active
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import RECENT, Ledger
from jobledger.ledger.output import ATTRIBUTE
from jobledger.ledger.queries import PartitionQuery, parameters_of, partition_queries
from jobledger.ledger.rows import name_of, status_of
from jobledger.ledger.shown import ShownJobs
from jobledger.ledger.skipping import readable
from jobledger.ledger.states import States
from jobledger.ledger.table import Row, text_of
from jobledger.service import Family
from jobledger.times import known, parse

# A Lambda response can have 6 MB (quotas page). Each quote in the body is escaped once more.
MAX_PAGE_BYTES = 5_000_000
# Rows that a page reads to find a name prefix or a source, over all merged queries: with jobs on it, and without.
PREFIX_ROWS = 2_000
SEARCHED_ROWS = 50_000
# Rows that a page may leave out because the ledger learned of them after the traversal began.
LATER_ROWS = 20_000
_FILTERED_CHUNK = 500
_ACTIVE_CHUNK = 100
_SMALLEST_CHUNK = 10


class JobsPage(msgspec.Struct, frozen=True):
    """One page of jobs as ready-made JSON; `position` is None on the last page.

    `examined` is the number of rows that were read for it.
    """

    jobs: list[str]
    position: Position | None
    examined: int = 0


class _Listed(NamedTuple):
    """A row in the merged order; or, with job None, the last row that a query has read so far."""

    sort_key: str
    family: Family
    job: str | None

    @property
    def place(self) -> tuple[str, Family]:
        """Its place in the merged order."""
        return self.sort_key, self.family


def read_page(
    ledger: Ledger,
    query: JobQuery,
    max_results: int,
    start: Position | None,
    now: str,
    *,
    begun: str | None = None,
    consistent: bool = False,
    time_left: Callable[[], bool] = lambda: True,
) -> JobsPage:
    """Return the page of a query that follows `start`. Raises LedgerUnavailable.

    `now` is the time of the read, and the start of a new traversal when `start` is None. `begun` is the start of
    an earlier traversal, in the form of `Position.as_of`, whose first page is read again. `consistent` requests a
    consistent read where DynamoDB supports it: on the table, not on its indexes. When `time_left` says that there is none,
    the page ends.
    """
    as_of = _known_times(start.as_of if start else begun, now)
    parts = partition_queries(ledger, query, consistent=consistent)
    read = _Reading(ledger, query, parts, max_results, start, as_of, now, consistent)
    jobs, end = _fill(read, _in_order(read), time_left)
    position = Position(end.sort_key, end.family, as_of or now) if end else None
    return JobsPage(jobs, position, read.examined)


def _in_order(read: "_Reading") -> Iterator[_Listed]:
    """Merge the jobs of the queries that answer for the families and statuses of the list."""
    query = read.query
    if query.active:
        kept = timedelta(0) if read.consistent else RECENT
        states = read.ledger.states(consistent=read.consistent, within=kept)
        parts = [_read_active(read, family, states) for family in query.families]
    else:
        parts = [_read_jobs(read, part) for part in read.parts]
    return heapq.merge(*parts, key=lambda listed: listed.place, reverse=query.descending)


def _fill(
    read: "_Reading", in_order: Iterator[_Listed], time_left: Callable[[], bool]
) -> tuple[list[str], _Listed | None]:
    """Return the jobs of a page, and the place at which it ends; None when the list ends on it.

    | what is next in order              | the page ends when                          | at           |
    |------------------------------------|---------------------------------------------|--------------|
    | a job                              | it has no room for the job                  | its last job |
    | the last row that a query has read | it is full, has read enough, or time is up  | this row     |
    """
    jobs: list[str] = []
    size = 0
    last: _Listed | None = None
    end: _Listed | None = None
    for listed in in_order:
        if listed.job is None:
            if len(jobs) == read.max_results or read.enough(len(jobs)) or not time_left():
                end = listed
                break
        # A job whose status changed between the queries of two statuses comes twice.
        elif last is None or listed.place != last.place:
            size += _size(listed.job)
            if last is not None and (len(jobs) == read.max_results or size > MAX_PAGE_BYTES):
                end = last
                break
            jobs.append(listed.job)
            last = listed
    if len(jobs) == read.max_results and (end or read.as_of):
        # A full page of a traversal ends at its last job, even when the traversal leaves out all rows after it.
        end = last
    return jobs, end


def _known_times(times: str | None, now: str) -> str | None:
    """Return the beginning of a traversal, and now in place of what a wrong clock set ahead."""
    return times and ",".join(known(time, parse(now)) or now for time in times.split(","))


class _Reading(msgspec.Struct):
    """What the queries of one page have in common, and the rows that they have read and left out.

    `as_of` as in `Position`; None for the newest rows.
    """

    ledger: Ledger
    query: JobQuery
    parts: list[PartitionQuery]
    max_results: int
    start: Position | None
    as_of: str | None
    now: str
    consistent: bool
    examined: int = 0
    left_out: int = 0

    @property
    def searches(self) -> bool:
        """Whether rows that do not match are read as well."""
        return self.parts[0].searches

    def knows(self, family: Family, row: Row) -> bool:
        """Whether the ledger knew of a job when the traversal began, as `queries` asks for it."""
        if self.as_of is None:
            return True
        observed = known(text_of(row, "FirstObservedAt"), parse(self.now)) or ""
        return observed <= beginning(self.as_of, self.query, family)

    def enough(self, found: int) -> bool:
        """Whether a page with this many jobs ends here, although it is not full."""
        if self.searches or self.query.active:
            return self.examined >= (PREFIX_ROWS if found else SEARCHED_ROWS)
        return self.left_out >= LATER_ROWS


def _read_jobs(read: _Reading, part: PartitionQuery) -> Iterator[_Listed]:
    """Yield the jobs of one query in order, and after each answer but the last the last row that was read."""
    parameters = parameters_of(read.ledger, read.query, part, read.start, read.as_of, read.now)
    if read.consistent and "IndexName" not in parameters:
        parameters["ConsistentRead"] = True
    limit, found = _first_limit(read, part), 0
    most = min(_FILTERED_CHUNK, PREFIX_ROWS // part.parts)
    while True:
        answer = read.ledger.table.query(**parameters, Limit=limit)
        found += len(answer["Items"])
        left_out = answer["ScannedCount"] - len(answer["Items"])
        read.examined += answer["ScannedCount"]
        read.left_out += left_out
        yield from readable(answer["Items"], partial(_listed, read.ledger.shown, part.family))
        end = answer.get("LastEvaluatedKey")
        if end is None:
            return
        yield _Listed(end["SK"]["S"], part.family, None)
        parameters["ExclusiveStartKey"] = end
        if read.searches:
            following = 2 * limit if read.query.sources else limit
            limit = _FILTERED_CHUNK if read.examined >= PREFIX_ROWS else min(following, most)
        else:
            limit = _FILTERED_CHUNK if left_out else min(limit, max(read.max_results - found, 1))


def _first_limit(read: _Reading, part: PartitionQuery) -> int:
    """Return the number of rows to ask for first: few, because the other queries may have the page's jobs."""
    few = max(_SMALLEST_CHUNK, read.max_results // part.parts)
    if read.searches:
        most = min(_FILTERED_CHUNK, PREFIX_ROWS // part.parts)
        if read.query.conditions:
            return most
        if part.member:
            # A member's rows with any status and name: each following request is for twice as many.
            return min(2 * few, most)
        # As many as have the page's jobs, if all sources have equally many.
        return min(few * len(read.ledger.sources) // len(read.query.sources) + 1, most)
    if part.parts == 1:
        return read.max_results
    return min(few, read.max_results)


def _read_active(read: _Reading, family: Family, states: States) -> Iterator[_Listed]:
    """Yield a family's active jobs in order, from the rows of those that the syncs follow, as `_read_jobs` does."""
    query, ledger = read.query, read.ledger
    keys = sorted(
        (
            job.sort_key
            for job in ledger.all_active(family, states)
            if query.has_source(job.source or ledger.scope)
            and (query.after or "") < job.sort_key.partition("#")[0] < (query.before or "~")
            and _follows(read, (job.sort_key, family))
        ),
        reverse=query.descending,
    )
    for first in range(0, len(keys), _ACTIVE_CHUNK):
        chunk = keys[first : first + _ACTIVE_CHUNK]
        asked = [{"PK": ledger.partition(family), "SK": key} for key in chunk]
        rows = {str(row["SK"]): row for row in ledger.table.batch_get(asked)}
        read.examined += len(chunk)
        ordered = [rows[key] for key in chunk if key in rows]
        for listed in readable(ordered, partial(_followed, read, family)):
            if listed:
                yield listed
        if chunk[-1] != keys[-1]:
            yield _Listed(chunk[-1], family, None)


def _followed(read: _Reading, family: Family, row: Row) -> _Listed | None:
    """Return the row of a followed job, if it is listed. Raises NotUnderstood."""
    if not (_is_listed(read.query, family, row) and read.knows(family, row)):
        return None
    return _Listed(str(row["SK"]), family, read.ledger.shown.of_row(row))


def _follows(read: _Reading, place: tuple[str, Family]) -> bool:
    if read.start is None:
        return True
    last = (read.start.sort_key, read.start.family)
    return place < last if read.query.descending else place > last


def _is_listed(query: JobQuery, family: Family, row: Row) -> bool:
    """Whether a followed job is active and matches what its key does not say."""
    return (
        is_active(facts_of_row(family, row))
        and query.name in (None, name_of(row))
        and all(condition.holds(row) for condition in query.conditions)
        and (not query.statuses or status_of(row) in query.statuses)
    )


def _listed(shown: ShownJobs, family: Family, item: Mapping[str, Mapping[str, str]]) -> _Listed:
    """Return a row of the list. Raises NotUnderstood for damaged JSON, which would damage the whole page."""
    job = item["Job"]["S"]
    if not is_object(job):
        raise NotUnderstood("a job")
    sort_key = item["SK"]["S"]
    output = item[ATTRIBUTE]["S"] if ATTRIBUTE in item else None
    return _Listed(sort_key, family, shown.text(job, sort_key, output))


def _size(job: str) -> int:
    """Return the size of a job in a Lambda response, whose body is a JSON string, in bytes."""
    return len(job.encode()) + job.count('"') + job.count("\\")
