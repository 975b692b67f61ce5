"""Parses the properties of a `Custom::ComprehendMedicalJob` into a look-up request.

CloudFormation sends every value as text or as a list of texts. The filters are those of the job list. All
errors of a request are reported together. This module calls no AWS service.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from jobledger.errors import BadParameter, InvalidParameters, LookupFailed
from jobledger.inputs.filters import FILTERS, SOURCE_FILTERS, parse_parameters
from jobledger.inputs.validation import (
    Parameter,
    enumerated,
    nearest,
    number,
    truth,
    whole_number,
)
from jobledger.ledger.job_query import JobQuery, job_query
from jobledger.service import Family, JobStatus

MOST_WAIT_MINUTES = 120
# CloudFormation waits an hour, or the ServiceTimeout. The look-up stops earlier, while there is time to respond.
LONGEST_WAIT = timedelta(minutes=55)
_ANSWER_MARGIN = timedelta(minutes=1)

_DEFAULTS: Mapping[str, Any] = {
    "JobStatus": [JobStatus.COMPLETED],
    "Select": "newest",
    "MustExist": True,
    "WaitMinutes": 0.0,
    "ServiceTimeout": 3600,
}
_LISTS = ("Family", "JobStatus", *SOURCE_FILTERS)
_ORDERS = {"newest": "descending", "only": "descending", "oldest": "ascending"}


class LookupRequest(msgspec.Struct, frozen=True):
    """A validated request. The order of its query puts the selected job first.

    `wait_minutes` is the requested wait, `patience` the part of it that one resource can wait.
    """

    query: JobQuery
    select: str
    must_exist: bool
    wait_minutes: float
    patience: timedelta

    @property
    def waits(self) -> bool:
        """Whether to wait for a job that does not exist yet."""
        return self.wait_minutes > 0


def read_request(
    properties: Mapping[str, Any],
    families: Collection[Family],
    sources: Callable[[], Iterable[str]] = tuple,
) -> LookupRequest:
    """Parse a resource's properties. Raises LookupFailed.

    `families` and `sources` are those in this ledger.
    """
    given = {"Family": Family.SNOMEDCT.value, **properties}
    texts = {name: _split(name, _texts(value)) for name, value in given.items()}
    try:
        values = parse_parameters(texts, _KNOWN, families, _unknown, sources)
    except InvalidParameters as refused:
        raise LookupFailed(" ".join(map(_sentence, refused.parameters))) from None
    return _request({**_DEFAULTS, **values}, families, sources)


def _request(
    values: dict[str, Any],
    families: Collection[Family],
    sources: Callable[[], Iterable[str]],
) -> LookupRequest:
    if "ALL" in values.get("Family", ()):
        values["Family"] = list(families)
    asked = timedelta(minutes=values["WaitMinutes"])
    given = timedelta(seconds=values["ServiceTimeout"]) - _ANSWER_MARGIN
    return LookupRequest(
        query=job_query({**values, "Order": _ORDERS[values["Select"]]}, tuple(Family), sources),
        select=values["Select"],
        must_exist=values["MustExist"],
        wait_minutes=values["WaitMinutes"],
        patience=max(timedelta(), min(asked, LONGEST_WAIT, given)),
    )


def _texts(value: object) -> list[str]:
    """Return a value as texts. CloudFormation can also send booleans and numbers."""
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values or [""]]


def _split(name: str, texts: Sequence[str]) -> list[str]:
    """Return the single values of a list, or of a text such as `a,b`, for properties that take several values."""
    if name not in _LISTS:
        return list(texts)
    return [part.strip() for text in texts for part in text.split(",")]


def _unknown(name: str, _: object) -> str:
    near = nearest(name, PROPERTIES)
    hint = f" Did you mean {near}?" if near else ""
    return f"not a property of this resource.{hint} The properties are {', '.join(PROPERTIES)}"


def _sentence(bad: BadParameter) -> str:
    verb = "must be" if bad.parameter in _KNOWN else "is"
    return f"{bad.parameter} {verb} {bad.allowed}."


def _truth(text: str) -> object:
    return truth(text.lower())


_OWN = (
    Parameter(
        "Select",
        enumerated("newest", "oldest", "only"),
        "newest, oldest or only",
        "Which of several jobs. With only, several matching jobs are a failure.",
    ),
    Parameter(
        "MustExist",
        {"type": "boolean"},
        "true or false",
        "Whether it is a failure when no job matches.",
        from_text=_truth,
    ),
    Parameter(
        "WaitMinutes",
        {"type": "number", "minimum": 0, "maximum": MOST_WAIT_MINUTES},
        f"a number from 0 to {MOST_WAIT_MINUTES}",
        "How long to wait until a job matches.",
        from_text=number,
    ),
    Parameter(
        "Refresh",
        {},
        "any value",
        "A new value is an update, and an update looks up again.",
        repeatable=True,
    ),
)
PROPERTIES = FILTERS | {parameter.name: parameter for parameter in _OWN}
"""The properties of the resource."""

_OF_CLOUDFORMATION = (
    Parameter("ServiceToken", {}, "any value", "The look-up's function."),
    Parameter(
        "ServiceTimeout",
        {"type": "integer", "minimum": 1, "maximum": 3600},
        "a whole number from 1 to 3600",
        "The time that CloudFormation gives the resource, in seconds.",
        from_text=whole_number,
    ),
)
_KNOWN = PROPERTIES | {parameter.name: parameter for parameter in _OF_CLOUDFORMATION}
