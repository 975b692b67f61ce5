"""The DynamoDB Query for one family and status, or one family and source: table or index, conditions and start position.

Jobs of a few members are read from an index of their own. Other lists by source read all rows of a family, with a
condition: the own source has no key there, and many members would be many queries. `pages` and `totals.scan` use it. A condition on the sort key can also express the start position.
"""

from typing import Any

import msgspec

from jobledger.ledger.cursor import Position, beginning
from jobledger.ledger.job_query import JobQuery
from jobledger.ledger.ledger import Ledger
from jobledger.ledger.output import ATTRIBUTE
from jobledger.service import Family
from jobledger.times import CLOCK_SKEW, parse, rfc3339

_MOST_MEMBERS = 8
"""Members that are read from their index, with one Query each."""
_MOST_IN = 100  # operands of IN


class PartitionQuery(msgspec.Struct, frozen=True):
    """One family, and one status or all, or one member: the jobs that a single Query returns in order.

    `searches` says that rows that do not match are read as well.
    """

    family: Family
    status: str | None
    parts: int
    member: str | None = None
    searches: bool = False


def partition_queries(
    ledger: Ledger, query: JobQuery, *, consistent: bool = False
) -> list[PartitionQuery]:
    """Return the queries that answer for a list. A `consistent` read is one of the table, which the index by source is not."""
    members = _few_members(ledger, query)
    if members and not (consistent and _is_of_the_table(query)):
        searches = not _is_of_the_table(query) or bool(query.conditions)
        count = len(query.families) * len(members)
        return [
            PartitionQuery(family, None, count, member, searches)
            for family in query.families
            for member in members
        ]
    statuses: tuple[str | None, ...] = query.statuses or (None,)
    count, searches = len(query.families) * len(statuses), bool(query.conditions or query.sources)
    return [
        PartitionQuery(family, status, count, searches=searches)
        for family in query.families
        for status in statuses
    ]


def _few_members(ledger: Ledger, query: JobQuery) -> tuple[str, ...]:
    few = len(query.sources) <= _MOST_MEMBERS and ledger.scope not in query.sources
    return query.sources if few and ledger.is_shared else ()


def _is_of_the_table(query: JobQuery) -> bool:
    """Whether no filter has an index by name or status."""
    return query.name is None and not query.statuses


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
    alternatives = _alternatives(ledger, query, part, values)
    if as_of is not None:
        values[":as_of"] = beginning(as_of, query, part.family)
        values[":ahead"] = rfc3339(parse(now) + CLOCK_SKEW)
        # Jobs that the ledger learned of after the traversal began would shift its pages. It is unknown when it
        # learned of a job that a wrong clock dated ahead.
        known = ("FirstObservedAt <= :as_of", "FirstObservedAt > :ahead")
        alternatives = [[*asked, when] for asked in alternatives for when in known]
    if conditions := " OR ".join(" AND ".join(asked) for asked in alternatives):
        parameters["FilterExpression"] = conditions
    if start is not None:
        if _comes_later(part.family, start, descending=query.descending):
            values[":high" if query.descending else ":low"] = start.sort_key
        else:
            parameters["ExclusiveStartKey"] = _start_key(ledger, index, part, start)
    return parameters | {
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()}
    }


def _alternatives(
    ledger: Ledger, query: JobQuery, part: PartitionQuery, values: dict[str, str]
) -> list[list[str]]:
    """Return the conditions that the key cannot express, of which one list must hold; add their values to `values`."""
    asked = [condition.expression for condition in query.conditions]
    scope = ledger.partition(part.family)
    if part.member:
        if query.name:
            asked.append("NameKey = :name")
            values[":name"] = f"{scope}#{query.name}"
        if query.statuses:
            of_statuses = {f":s{n}": f"{scope}#{one}" for n, one in enumerate(query.statuses)}
            asked.append(f"StatusKey IN ({', '.join(of_statuses)})")
            values |= of_statuses
        return [asked]
    if not query.sources:
        return [asked]
    # An expression has 4 KB at most, and a traversal has each of these twice: that is room for 350, with removed ones.
    members = [source for source in query.sources if source != ledger.scope]
    of_members = {f":{n:x}": f"{member}/{part.family}" for n, member in enumerate(members)}
    values.update(of_members)
    places = list(of_members)
    found = [["attribute_not_exists(SourceKey)"]] if ledger.scope in query.sources else []
    found += [
        [f"SourceKey IN ({','.join(places[first : first + _MOST_IN])})"]
        for first in range(0, len(places), _MOST_IN)
    ]
    return [[*asked, *source] for source in found]


class _Index(msgspec.Struct, frozen=True):
    """The index of a Query, or the table (name None), and the partition key's value."""

    name: str | None
    attribute: str
    value: str


def _index(ledger: Ledger, query: JobQuery, part: PartitionQuery) -> _Index:
    scope = ledger.partition(part.family)
    if part.member:
        return _Index("BySource", "SourceKey", f"{part.member}/{part.family}")
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
