"""The validated filters and order of a list or a summary. This module calls no AWS service."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from jobledger.jobs import Family, JobStatus
from jobledger.times import rfc3339

Order = Literal["ascending", "descending"]


class JobQuery(msgspec.Struct, frozen=True):
    """The validated filters and order of a list.

    Bounds are exclusive and in the format of `times.rfc3339`: `after` < SubmitTime < `before`. `active`: only jobs
    that have not ended and that the service still knows.
    """

    families: tuple[Family, ...] = (Family.SNOMEDCT,)
    name: str | None = None
    name_prefix: str | None = None
    statuses: tuple[str, ...] = ()
    after: str | None = None
    before: str | None = None
    order: Order = "descending"
    active: bool = False

    @property
    def descending(self) -> bool:
        """Whether the newest job comes first."""
        return self.order == "descending"


def job_query(values: Mapping[str, Any], kept: Sequence[Family] = tuple(Family)) -> JobQuery:
    """Return the query for valid values of the filters.

    `kept` are the families in the ledger. ALL selects all of them. The default is SNOMEDCT, or the first
    family when SNOMEDCT is not kept.
    """
    after, before = values.get("SubmitTimeAfter"), values.get("SubmitTimeBefore")
    default = Family.SNOMEDCT if Family.SNOMEDCT in kept else kept[0]
    families = values.get("Family", [default])
    oldest_first = before is not None and after is None
    return JobQuery(
        families=tuple(family for family in kept if "ALL" in families or family in families),
        name=values.get("JobName"),
        name_prefix=values.get("JobNamePrefix"),
        statuses=tuple(status for status in JobStatus if status in values.get("JobStatus", ())),
        after=after and rfc3339(after),
        before=before and rfc3339(before),
        order=values.get("Order", "ascending" if oldest_first else "descending"),
        active=values.get("Active", False),
    )
