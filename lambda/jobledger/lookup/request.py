"""The properties of a `Custom::ComprehendMedicalJob`, as a look-up with its filters and its patience.

CloudFormation sends every value as text, or as a list of texts. The filters are those of the job list
and are read as there. All that is wrong with a request is told at once. Knows nothing of AWS.
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
# CloudFormation gives a custom resource an hour, or as long as its ServiceTimeout says. Some of it is
# needed to notice, and to answer, that the time is up.
LONGEST_WAIT = timedelta(minutes=55)
_ANSWER_MARGIN = timedelta(minutes=1)

_DEFAULTS: Mapping[str, Any] = {"Select": "newest", "MustExist": True, "WaitMinutes": 0.0}
_LISTS = ("Family", "JobStatus")
_QUOTED_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A valid request. Its query has the order in which the job to select comes first.

    `wait_minutes` is what was asked for, `patience` how long a single resource can wait for it.
    """

    query: JobQuery
    select: str
    must_exist: bool
    wait_minutes: float
    patience: timedelta

    @property
    def waits(self) -> bool:
        """Whether the job may be yet to come."""
        return self.wait_minutes > 0

    @property
    def looked_for(self) -> str:
        """The filters in the properties' words, for the sentences that CloudFormation is told."""
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
    """Return the request that a resource's properties make. Raises LookupFailed.

    `kept` are the families that this ledger holds.
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
    """Return a value as CloudFormation may send it as texts: true and 5 may be JSON's own."""
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values or [""]]


def _split(name: str, texts: Sequence[str]) -> list[str]:
    """Return the single texts of `a,b`, of a list, or of a list of such, where there may be several."""
    if name not in _LISTS:
        return list(texts)
    return [part.strip() for text in texts for part in text.split(",")]


def _seconds(texts: Sequence[str]) -> int:
    """Return a ServiceTimeout; CloudFormation has checked it, and its default is an hour."""
    return int(texts[0]) if texts and texts[0].isdecimal() else 3600


def _not_kept(families: Sequence[str], kept: Collection[Family]) -> list[BadParameter]:
    if set(families) <= {*kept, "ALL"}:
        return []
    return [BadParameter("Family", f"one of those that this ledger keeps: {', '.join(kept)}, ALL")]


def _unknown(name: str) -> str:
    by_lower_case = {property_name.lower(): property_name for property_name in PROPERTIES}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    hint = f", did you mean {by_lower_case[nearest[0]]}?" if nearest else "."
    return f"no property of this resource{hint} There are {', '.join(PROPERTIES)}"


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
# Refresh may have any value: another one is an update, and an update looks up anew.
PROPERTIES = (*FILTERS, *_OWN, "Refresh")
# CloudFormation's own two say whom it asks, and how long it waits for the answer.
_KNOWN = (*PROPERTIES, "ServiceToken", "ServiceTimeout")
