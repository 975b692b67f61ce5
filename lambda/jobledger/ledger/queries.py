"""The DynamoDB Query for one family and status: table or index, conditions and start position.

`pages` and `totals.scan` use it. A condition on the sort key can also express the start position.
"""

from typing import Any

import msgspec

from jobledger.ledger.cursor import Position, beginning
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import ATTRIBUTE
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
    low, high = query.key_range
    values = {":key": index.value, ":low": low, ":high": high}
    parameters: dict[str, Any] = {
        "KeyConditionExpression": f"{index.attribute} = :key AND SK BETWEEN :low AND :high",
        "ProjectionExpression": f"SK, Job, {ATTRIBUTE}",
        "ScanIndexForward": not query.descending,
    }
    if index.name:
        parameters["IndexName"] = index.name
    scope = ledger.partition(part.family)
    values |= {f":{condition.filter}": condition.stored(scope) for condition in query.conditions}
    if as_of is not None:
        values[":as_of"] = beginning(as_of, query, part.family)
        values[":ahead"] = rfc3339(parse(now) + CLOCK_SKEW)
    if conditions := _filter(query, of_a_traversal=":as_of" in values):
        parameters["FilterExpression"] = conditions
    if start is not None:
        if _comes_later(part.family, start, descending=query.descending):
            values[":high" if query.descending else ":low"] = start.sort_key
        else:
            parameters["ExclusiveStartKey"] = _start_key(ledger, index, part, start)
    return parameters | {
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()}
    }


def _filter(query: JobQuery, *, of_a_traversal: bool) -> str:
    """Return the conditions that the key cannot express; empty when there are none."""
    asked = [condition.expression for condition in query.conditions]
    if not of_a_traversal:
        return " AND ".join(asked)
    # Jobs that the ledger learned of after the traversal began would shift its pages. It is unknown when it learned of
    # a job that a wrong clock dated ahead.
    known = ("FirstObservedAt <= :as_of", "FirstObservedAt > :ahead")
    return " OR ".join(" AND ".join([*asked, when]) for when in known)


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
