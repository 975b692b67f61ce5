"""The DynamoDB Query for one family and status: table or index, conditions and start position.

`pages` and `facts` use it. A condition on the sort key can also express the start position.
"""

from typing import Any

import msgspec

from jobledger.ledger.cursor import Position
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.service import Family
from jobledger.times import CLOCK_SKEW, parse, rfc3339


class PartitionQuery(msgspec.Struct, frozen=True):
    """One family, and one status or all: the jobs that a single Query returns in order."""

    family: Family
    status: str | None
    parts: int


def partition_queries(query: JobQuery) -> list[PartitionQuery]:
    statuses: tuple[str | None, ...] = query.statuses or (None,)
    count = len(query.families) * len(statuses)
    return [
        PartitionQuery(family, status, count) for family in query.families for status in statuses
    ]


def parameters_of(
    ledger: Ledger,
    query: JobQuery,
    part: PartitionQuery,
    start: Position | None,
    as_of: str | None = None,
    now: str = "",
) -> dict[str, Any]:
    """Return the parameters of one Query at `now`: after `start`, of jobs known at `as_of` (`Position`)."""
    index = _index(ledger, query, part)
    low = (
        f"{query.after}$" if query.after else "0"
    )  # "$" follows "#", so this is above all keys of that time
    high = (
        f"{query.before}#" if query.before else ":"
    )  # below all keys of that time; ":" follows the digits
    values = {":key": index.value, ":low": low, ":high": high}
    filters = [""]
    parameters: dict[str, Any] = {
        "KeyConditionExpression": f"{index.attribute} = :key AND SK BETWEEN :low AND :high",
        "ProjectionExpression": "SK, Job",
        "ScanIndexForward": not query.descending,
    }
    if index.name:
        parameters["IndexName"] = index.name
    if query.name_prefix is not None:
        filters = ["begins_with(JobName, :prefix) AND "]
        values[":prefix"] = query.name_prefix
    if as_of is not None:
        # Jobs that the ledger learned of after the walk began would shift its pages. When it learned of a job
        # that a wrong clock dated ahead is unknown.
        filters = [
            f"{also}FirstObservedAt {when}"
            for also in filters
            for when in ("<= :as_of", "> :ahead")
        ]
        times = as_of.split(",")
        values[":as_of"] = times[query.families.index(part.family)] if times[1:] else as_of
        values[":ahead"] = rfc3339(parse(now) + CLOCK_SKEW)
    if start is not None:
        if _comes_later(part.family, start, descending=query.descending):
            values[":high" if query.descending else ":low"] = start.sort_key
        else:
            parameters["ExclusiveStartKey"] = _start_key(ledger, index, part, start)
    if filters != [""]:
        parameters["FilterExpression"] = " OR ".join(filters).removesuffix(" AND ")
    return parameters | {
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()}
    }


class _Index(msgspec.Struct, frozen=True):
    """The index of a Query, or the table (name None), and the partition key's value."""

    name: str | None
    attribute: str
    value: str


def _index(ledger: Ledger, query: JobQuery, part: PartitionQuery) -> _Index:
    scope = ledger.partition(part.family)
    if query.name and part.status:
        return _Index("ByNameAndStatus", "NameStatusKey", f"{scope}#{part.status}#{query.name}")
    if query.name:
        return _Index("ByName", "NameKey", f"{scope}#{query.name}")
    if part.status:
        return _Index("ByStatus", "StatusKey", f"{scope}#{part.status}")
    return _Index(None, "PK", scope)


def _start_key(
    ledger: Ledger, index: _Index, part: PartitionQuery, start: Position
) -> dict[str, Any]:
    keys = {"PK": ledger.partition(part.family), "SK": start.sort_key, index.attribute: index.value}
    return {name: {"S": value} for name, value in keys.items()}


def _comes_later(family: Family, start: Position, *, descending: bool) -> bool:
    """Whether a family's job with the same sort key as `start` follows it in the merged order."""
    return family < start.family if descending else family > start.family
