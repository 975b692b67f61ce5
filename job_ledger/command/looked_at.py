"""What a search without a result has covered: filters, families, the number of jobs, and as of when."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from job_ledger.command.options import option_of
from job_ledger.command.output import printable, time_text
from job_ledger.errors import JobLedgerError
from job_ledger.filters import JOB_FILTERS

if TYPE_CHECKING:
    from job_ledger.client import JobLedger

_SOURCES = ("account", "region")
_TIMES = ("submit_time_after", "submit_time_before")
_SCOPE = ("family", *_SOURCES, *_TIMES)
_NAMED = (*(name for name in JOB_FILTERS if name not in _SCOPE), *_SCOPE)


def none_matches(client: "JobLedger", filters: Mapping[str, Any]) -> str:
    """Return the sentence for an empty list."""
    if "next_token" in filters:
        return "No more jobs match."
    chosen = options_text(filters)
    text = f"No job matches {chosen}" if chosen else "There are no jobs"
    scope = {name: filters[name] for name in _SCOPE if name in filters}
    try:
        found = client.summary(**cast(Any, scope))
    except JobLedgerError:
        return f"{text} in {families_text(filters)}."
    families = _listed(found.get("ByFamily", {})) or families_text(filters)
    as_of = (
        f"as of {time_text(found.get('AsOf'))} UTC"
        if found.get("AsOf")
        else "before the first sync"
    )
    if not chosen:
        return f"{text} in {families}, {as_of}."
    within = " of these sources" if scope.keys() & set(_SOURCES) else ""
    within += " of that time" if scope.keys() & set(_TIMES) else ""
    return f"{text}: none among the {found['Total']:,} jobs{within} in {families}, {as_of}."


def options_text(filters: Mapping[str, Any]) -> str:
    """Return the filters other than every family as options."""
    texts: list[str] = []
    for name in _NAMED:
        values = filters.get(name, ())
        if name != "family" or "ALL" not in values:
            each = (values,) if isinstance(values, str) else values
            texts += (f"{option_of(name)} {printable(value)}" for value in each)
    return " ".join(texts)


def families_text(filters: Mapping[str, Any]) -> str:
    """Return the families of a query in words."""
    families = filters.get("family", ())
    return "all families" if "ALL" in families else _listed(families)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(printable, names))
