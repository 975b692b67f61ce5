"""Filters in Python style as query parameters of the API."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from job_ledger.types import JobFilters, ListFilters, SourceFilters

SOURCE_FILTERS = tuple(SourceFilters.__annotations__)
JOB_FILTERS = tuple(JobFilters.__annotations__)
LIST_FILTERS = tuple(ListFilters.__annotations__)  # with those it inherits

# Digits that people mean as a date. The API refuses them, because they are epoch seconds as well.
_DATES = {4: "%Y", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_YEARS = range(1900, 2101)

Query = list[tuple[str, str]]


def query_of(filters: Mapping[str, Any], known: Sequence[str] = LIST_FILTERS) -> Query:
    """Return the query parameters; None means that a filter is not set.

    Raises TypeError for an unknown filter and ValueError for a time without a zone or text that UTF-8
    cannot carry. The API checks the values.
    """
    query: Query = []
    for name, value in filters.items():
        if name not in known:
            raise TypeError(f"{name} is not a filter; this call accepts {', '.join(known)}")
        if value is None:
            continue
        several = isinstance(value, Sequence | set | frozenset) and not isinstance(value, str)
        query += [(api_name(name), text_of(name, each)) for each in (value if several else [value])]
    try:
        "".join(text for _, text in query).encode()
    except UnicodeEncodeError:
        raise ValueError("A filter is not valid Unicode text.") from None
    return query


def api_name(name: str) -> str:
    """Return the API's name of a filter: JobName for job_name."""
    return "".join(part.capitalize() for part in name.split("_"))


def text_of(name: str, value: object) -> str:
    """Return a value as the API reads it. Raises ValueError for a time without a zone."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} needs a time zone, for example datetime.now(timezone.utc)")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(value)


def date_in_digits(text: str) -> str | None:
    """Return a date that was written in digits alone as the API writes it; None for any other text."""
    form = _DATES.get(len(text)) if text.isascii() and text.isdigit() else None
    try:
        found = datetime.strptime(text, form).replace(tzinfo=UTC) if form else None
    except ValueError:
        return None
    if found is None or found.year not in _YEARS:
        return None
    return f"{found:%Y-%m-%d}" if len(text) <= 8 else f"{found:%Y-%m-%dT%H:%M:%SZ}"
