"""The job filters and the idempotency key as a caller sends them, each declared once.

The API and the custom resource validate requests with FILTERS, and the OpenAPI document is generated from it.
This module calls no AWS service.
"""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobledger.errors import BadParameter, InvalidParameters
from jobledger.inputs.formats import parse_time, parse_upper_bound
from jobledger.inputs.validation import (
    Parameter,
    Unknown,
    enumerated,
    nearest,
    parse_texts,
    value_of,
)
from jobledger.service import Family, JobStatus

_NAME_RULE = "1 to 256 letters, digits, spaces and _ . : / = + - % @"
# The service's model, shape JobName.
_NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 256, "format": "job-name"}
TIME_RULE = (
    "an RFC 3339 time with its offset, a date such as 2026-11-23 (midnight UTC) or epoch seconds"
    " that do not read as a date"
)

FILTERS = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "Family",
            enumerated(*Family, "ALL"),
            f"one of {', '.join(Family)}, ALL",
            "The kind of job. Repeat the parameter for several kinds, or use ALL. Default: SNOMEDCT.",
            repeatable=True,
            example="SNOMEDCT",
        ),
        Parameter(
            "JobName",
            _NAME_SCHEMA,
            _NAME_RULE,
            "Only jobs with exactly this name.",
            example="nightly-notes",
        ),
        Parameter(
            "JobNamePrefix",
            _NAME_SCHEMA,
            _NAME_RULE,
            "Only jobs whose name starts with this prefix. A page can be short or empty and still have a NextToken.",
            example="nightly-",
        ),
        Parameter(
            "JobStatus",
            enumerated(*JobStatus),
            f"one of {', '.join(JobStatus)}",
            "Only jobs with this status. Repeat the parameter to match any of several.",
            repeatable=True,
            example="FAILED",
        ),
        Parameter(
            "SubmitTimeAfter",
            {"type": "string", "format": "time"},
            TIME_RULE,
            f"Only jobs submitted after this time: {TIME_RULE}. Exclusive.",
            parse=parse_time,
            example="2026-11-01T00:00:00Z",
        ),
        Parameter(
            "SubmitTimeBefore",
            {"type": "string", "format": "upper-time-bound"},
            TIME_RULE,
            f"Only jobs submitted before this time: {TIME_RULE}. Exclusive. Without "
            "SubmitTimeAfter, the oldest job comes first.",
            parse=parse_upper_bound,
            example="2026-11-24",
        ),
        Parameter(
            "Account",
            {"type": "string", "pattern": "^[0-9]{12}$"},
            "an account in this ledger, as 12 digits",
            "Only jobs of this AWS account, in a ledger of several. Repeat the parameter for several accounts. A page "
            "can be short or empty and still have a NextToken.",
            repeatable=True,
            example="111122223333",
        ),
        Parameter(
            "Region",
            {"type": "string", "pattern": "^[a-z]{2}(-[a-z]{1,16}){1,3}-[0-9]{1,2}$"},
            "a region in this ledger, such as us-east-1",
            "Only jobs of this AWS region, in a ledger of several. Repeat the parameter for several regions. A page "
            "can be short or empty and still have a NextToken.",
            repeatable=True,
            example="us-east-1",
        ),
    )
}

IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]([ -~]*[!-~])?$"},
    "1 to 255 printable ASCII characters, quoted or not",
    "The same key with the same body returns the same result and publishes once.",
)
"""An RFC 8941 string, as in the IETF draft, or a bare key, as most clients send it."""


def unknown_parameter(name: str, known: Iterable[str]) -> str:
    # Some clients write a list as `JobStatus[]` or `JobStatus[0]`.
    plain, bracket, _ = name.partition("[")
    near = nearest(plain, known)
    hint = f" Did you mean {near}?" if near else ""
    if near and bracket:
        hint = f" To give several values, repeat the parameter: {near}=…&{near}=…."
    return f"Unknown parameter.{hint} This call accepts {', '.join(known) or 'none'}"


def parse_parameters(
    sent: Mapping[str, Sequence[str]],
    known: Mapping[str, Parameter],
    families: Collection[Family] = tuple(Family),
    unknown: Unknown = unknown_parameter,
    sources: Callable[[], Iterable[str]] = tuple,
) -> dict[str, Any]:
    """Return the values of a request's parameters for a ledger of `families` and `sources`.

    Raises InvalidParameters with every error.
    """
    values, wrong = parse_texts(sent, known, unknown)
    after, before = values.get("SubmitTimeAfter"), values.get("SubmitTimeBefore")
    if after and before and after >= before:
        wrong.append(BadParameter("SubmitTimeAfter", "a time earlier than SubmitTimeBefore"))
    try:
        for family in values.get("Family", ()):
            value_of(family_in_ledger(tuple(families)), family)
    except InvalidParameters as invalid:
        wrong += invalid.parameters
    wrong += _unknown_sources(values, sources)
    if wrong:
        raise InvalidParameters(wrong)
    return values


SOURCE_FILTERS = ("Account", "Region")
"""The filters by source: its parts, in this order."""


def _unknown_sources(
    values: Mapping[str, Any], sources: Callable[[], Iterable[str]]
) -> Iterator[BadParameter]:
    for part, name in enumerate(SOURCE_FILTERS):
        if name in values:
            known = sorted({source.split("/")[part] for source in sources()})
            # Where no source is known, a later step checks it.
            if known and not set(values[name]) <= set(known):
                kind = "an account" if part == 0 else "a region"
                yield BadParameter(name, f"{kind} in this ledger: {', '.join(known)}")


@functools.cache
def family_in_ledger(families: tuple[Family, ...]) -> Parameter:
    """Return the filter Family of a ledger that has only `families`."""
    allowed = f"a family in this ledger: {', '.join(families)}, or ALL"
    return Parameter("Family", enumerated(*families, "ALL"), allowed, FILTERS["Family"].description)
