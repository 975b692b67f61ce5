"""Parses the properties of a `Custom::ComprehendMedicalJob` into a look-up request.

CloudFormation sends every value as text or as a list of texts. The filters are those of the job list. All
errors of a request are reported together. This module calls no AWS service.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobledger.errors import BadParameter, InvalidParameters, LookupFailed
from jobledger.inputs import FILTERS, parse_parameters
from jobledger.jobs import Family, JobStatus
from jobledger.ledger.filters import JobQuery, job_query

MOST_WAIT_MINUTES = 120
# CloudFormation's limit is an hour, or the ServiceTimeout. Part of it is needed to notice the timeout and
# to respond.
LONGEST_WAIT = timedelta(minutes=55)
_ANSWER_MARGIN = timedelta(minutes=1)

_DEFAULTS: Mapping[str, Any] = {"Select": "newest", "MustExist": True, "WaitMinutes": 0.0}
_LISTS = ("Family", "JobStatus")
_QUOTED_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class LookupRequest:
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

    @property
    def looked_for(self) -> str:
        """The filters as property names and values, for the failure reason."""
        query = self.query
        words = {
            "Family": " or ".join(query.families),
            "JobName": query.name and f'"{query.name}"',
            "JobNamePrefix": query.name_prefix and f'"{query.name_prefix}"',
            "JobStatus": " or ".join(query.statuses),
            "SubmitTimeAfter": query.after,
            "SubmitTimeBefore": query.before,
        }
        return ", ".join(f"{name} {value}" for name, value in words.items() if value)


def read_request(properties: Mapping[str, Any], kept: Collection[Family]) -> LookupRequest:
    """Parse a resource's properties. Raises LookupFailed.

    `kept` are the families in this ledger.
    """
    texts = {name: _texts(value) for name, value in properties.items()}
    wrong = [BadParameter(name, _unknown(name)) for name in texts if name not in _KNOWN]
    own = dict(_DEFAULTS)
    for name, (parse, allowed) in _OWN.items():
        if name in texts:
            try:
                (text,) = texts[name]
                own[name] = parse(text)
            except ValueError:
                wrong.append(BadParameter(name, allowed))
    try:
        filters = parse_parameters(
            {name: _split(name, texts[name]) for name in FILTERS if name in texts}, FILTERS
        )
        wrong += _not_kept(filters.get("Family", [Family.SNOMEDCT]), kept)
    except InvalidParameters as refused:
        wrong += refused.parameters
    if wrong:
        raise LookupFailed(" ".join(_sentence(bad, texts.get(bad.parameter)) for bad in wrong))
    return _request(filters, own, kept, _seconds(texts.get("ServiceTimeout", [])))


def _request(
    filters: Mapping[str, Any],
    own: Mapping[str, Any],
    kept: Collection[Family],
    service_seconds: int,
) -> LookupRequest:
    oldest_first = own["Select"] == "oldest"
    values = {
        "JobStatus": [JobStatus.COMPLETED],
        **filters,
        "Order": "ascending" if oldest_first else "descending",
    }
    if "ALL" in values.get("Family", ()):
        values["Family"] = list(kept)
    asked = timedelta(minutes=own["WaitMinutes"])
    given = timedelta(seconds=service_seconds) - _ANSWER_MARGIN
    return LookupRequest(
        query=job_query(values),
        select=own["Select"],
        must_exist=own["MustExist"],
        wait_minutes=own["WaitMinutes"],
        patience=max(timedelta(), min(asked, LONGEST_WAIT, given)),
    )


def _texts(value: object) -> list[str]:
    """Return a value as texts. CloudFormation can also send booleans and numbers."""
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values or [""]]


def _split(name: str, texts: Sequence[str]) -> list[str]:
    """Return the single texts of `a,b` or of a list, for properties that take several values."""
    if name not in _LISTS:
        return list(texts)
    return [part.strip() for text in texts for part in text.split(",")]


def _seconds(texts: Sequence[str]) -> int:
    """Return the ServiceTimeout in seconds. CloudFormation validates it; its default is an hour."""
    return int(texts[0]) if texts and texts[0].isdecimal() else 3600


def _not_kept(families: Sequence[str], kept: Collection[Family]) -> list[BadParameter]:
    if set(families) <= {*kept, "ALL"}:
        return []
    return [BadParameter("Family", f"a family in this ledger: {', '.join(kept)}, ALL")]


def _unknown(name: str) -> str:
    by_lower_case = {property_name.lower(): property_name for property_name in PROPERTIES}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    hint = f", did you mean {by_lower_case[nearest[0]]}?" if nearest else "."
    return f"not a property of this resource{hint} The properties are {', '.join(PROPERTIES)}"


def _sentence(bad: BadParameter, texts: Sequence[str] | None) -> str:
    if bad.parameter not in PROPERTIES:
        return f"{_cut(bad.parameter)} is {bad.allowed}."
    sent = "" if texts is None else f' is "{_cut(",".join(texts))}", and'
    return f"{bad.parameter}{sent} must be {bad.allowed}."


def _cut(text: str) -> str:
    return text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]}…"


def _parse_select(text: str) -> str:
    if text not in ("newest", "oldest", "only"):
        raise ValueError
    return text


def _parse_truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def _parse_minutes(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text, re.ASCII) or float(text) > MOST_WAIT_MINUTES:
        raise ValueError
    return float(text)


_OWN: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "Select": (_parse_select, "newest, oldest or only"),
    "MustExist": (_parse_truth, "true or false"),
    "WaitMinutes": (_parse_minutes, f"a number from 0 to {MOST_WAIT_MINUTES}"),
}
# Refresh can have any value: a new value is an update, and an update looks up again.
PROPERTIES = (*FILTERS, *_OWN, "Refresh")
# CloudFormation's own properties: the target function and the timeout.
_KNOWN = (*PROPERTIES, "ServiceToken", "ServiceTimeout")
