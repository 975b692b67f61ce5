"""Queries of DynamoDB: what their condition on a row's keys costs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

Evaluate = Callable[..., bool]

_RANGE = re.compile(r"(\w+) = (:\w+) AND (\w+) BETWEEN (:\w+) AND (:\w+)")
_parts = functools.lru_cache(_RANGE.fullmatch)


def _text(value: dict[str, Any] | None) -> Any:
    return value.get("S") if value else None


def compare_ranges(evaluate: Evaluate) -> Evaluate:
    """Wrap MiniStack's evaluation of a condition: a range of texts as sort keys is compared without parsing.

    MiniStack checks and parses the condition of a query again for each row of the partition, while nothing else
    is served: it is most of what a page costs. It still does so for an expression that it has not accepted yet.
    """
    accepted = set()

    def compare(
        expression: str,
        row: dict[str, Any],
        values: dict[str, Any],
        names: dict[str, str],
        slot: str = "ConditionExpression",
    ) -> bool:
        parts = _parts(expression) if slot == "KeyConditionExpression" else None
        if parts and expression in accepted:
            partition, value, sort, low, high = parts.groups()
            first, text, last = map(_text, (values.get(low), row.get(sort), values.get(high)))
            if value in values and None not in (first, text, last) and first <= last:
                return bool(row.get(partition) == values[value] and first <= text <= last)
        result = evaluate(expression, row, values, names, slot=slot)
        accepted.add(expression)
        return result

    return compare
