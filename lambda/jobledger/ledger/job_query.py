"""The validated filters and order of a list or a summary. This module calls no AWS service."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from jobledger.service import Family, JobStatus
from jobledger.times import rfc3339

Order = Literal["ascending", "descending"]


class Condition(msgspec.Struct, frozen=True):
    """A filter that no key of a job row answers: `attribute` begins with the value.

    The attribute is the key of an index, which has the row's `Scope` before the value.
    """

    filter: str
    attribute: str
    value: str

    def stored(self, scope: str) -> str:
        """Return the value as rows of a `Scope` have it."""
        return f"{scope}#{self.value}"

    @property
    def expression(self) -> str:
        """The condition for DynamoDB; its value has the name of the filter."""
        return f"begins_with({self.attribute}, :{self.filter})"

    def holds(self, row: Mapping[str, object]) -> bool:
        """Whether a job row meets the condition."""
        return str(row.get(self.attribute, "")).startswith(self.stored(str(row["PK"])))


class JobQuery(msgspec.Struct, frozen=True):
    """The validated filters and order of a list.

    Bounds are exclusive and in the format of `times.rfc3339`: `after` < SubmitTime < `before`. `active`: only jobs
    that have not ended and that the service still knows. `sources` are those whose jobs are listed, sorted; empty for all.
    `accounts` and `regions` are the filters that select them: a source that is added later does not change these.
    """

    families: tuple[Family, ...] = (Family.SNOMEDCT,)
    name: str | None = None
    name_prefix: str | None = None
    statuses: tuple[str, ...] = ()
    after: str | None = None
    before: str | None = None
    order: Order = "descending"
    active: bool = False
    sources: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    @property
    def descending(self) -> bool:
        """Whether the newest job comes first."""
        return self.order == "descending"

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The filters that no key answers: rows that do not match are read as well."""
        asked = (("JobNamePrefix", "NameKey", self.name_prefix),)
        return tuple(
            Condition(name, attribute, value)
            for name, attribute, value in asked
            if value is not None
        )

    @property
    def is_counted(self) -> bool:
        """Whether counters answer the query: they know family, status and submit day only."""
        return self.name is None and not self.conditions

    def has_source(self, source: str) -> bool:
        """Whether the jobs of a source are listed."""
        return not self.sources or source in self.sources

    @property
    def key_range(self) -> tuple[str, str]:
        """The sort keys, `SubmitTime#JobId`, below and above those of all jobs between the bounds."""
        # "$" follows "#", so the first is above all keys of its time; ":" follows the digits.
        return f"{self.after}$" if self.after else "0", f"{self.before}#" if self.before else ":"


def job_query(
    values: Mapping[str, Any],
    families: Sequence[Family] = tuple(Family),
    sources: Callable[[], Iterable[str]] = tuple,
) -> JobQuery:
    """Return the query for valid values of the filters.

    `families` are those in the ledger. ALL selects all of them. The default is SNOMEDCT, or the first one
    when SNOMEDCT is not among them. `sources` returns those in the ledger, for the filters Account and Region.
    """
    after, before = values.get("SubmitTimeAfter"), values.get("SubmitTimeBefore")
    default = Family.SNOMEDCT if Family.SNOMEDCT in families else families[0]
    asked = values.get("Family", [default])
    oldest_first = before is not None and after is None
    return JobQuery(
        families=tuple(family for family in families if "ALL" in asked or family in asked),
        name=values.get("JobName"),
        name_prefix=values.get("JobNamePrefix"),
        statuses=tuple(status for status in JobStatus if status in values.get("JobStatus", ())),
        after=after and rfc3339(after),
        before=before and rfc3339(before),
        order=values.get("Order", "ascending" if oldest_first else "descending"),
        active=values.get("Active", False),
        sources=asked_sources(values, sources),
        accounts=tuple(sorted({*values.get("Account", ())})),
        regions=tuple(sorted({*values.get("Region", ())})),
    )


def asked_sources(
    values: Mapping[str, Any], sources: Callable[[], Iterable[str]]
) -> tuple[str, ...]:
    """Return the sources that Account and Region select, sorted; empty when these are all.

    When no source has both, it is one that does not exist.
    """
    accounts, regions = values.get("Account", ()), values.get("Region", ())
    if not accounts and not regions:
        return ()
    every = sorted(sources())
    chosen = []
    for source in every:
        account, _, region = source.partition("/")
        if (not accounts or account in accounts) and (not regions or region in regions):
            chosen.append(source)
    if not chosen:
        return (f"{''.join(accounts[:1])}/{''.join(regions[:1])}",)
    return () if chosen == every else tuple(chosen)
