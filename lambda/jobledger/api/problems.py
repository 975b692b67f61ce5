"""Errors as answers: RFC 9457 `application/problem+json`, titled with the service's exception names.

Nothing that a caller sent is quoted: it may identify a patient.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobledger.errors import (
    DigestInProgress,
    FunctionRefused,
    FunctionThrottled,
    IdempotencyKeyReused,
    InvalidParameters,
    InvalidToken,
    JobLedgerError,
    JobNotFound,
    NotAcceptable,
    TooMuchToSummarise,
)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as RFC 9457 has it; `headers` go with it, `more` are members of its own."""

    status: int
    title: str
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self, request_id: str) -> str:
        """Return the JSON of the answer; `instance` is the request's id, for whoever reads the logs."""
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:request:{request_id}",
        }
        if self.errors:
            problem["errors"] = list(self.errors)
        return json.dumps(problem | dict(self.more))


UNEXPECTED = Problem(500, "InternalServerException", "Something went wrong here. Nothing is lost.")
NO_ROUTE = Problem(404, "ResourceNotFoundException", "There is no such route.")
_LEDGER_UNAVAILABLE = Problem(
    503,
    "InternalServerException",
    "The ledger cannot be read at the moment. Nothing is lost; try again.",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)
_TOKEN_RULE = "the NextToken of the page before, unchanged, with the same filters and order"
_FORMAT_RULE = "application/json, text/csv or application/x-ndjson"

# By the class of the error itself; LedgerUnavailable's answer is that of all others.
_PROBLEMS: Mapping[type[JobLedgerError], Problem] = {
    InvalidToken: Problem(
        400,
        "InvalidRequestException",
        f"NextToken is not one of this query: it must be {_TOKEN_RULE}.",
        ({"parameter": "NextToken", "allowed": _TOKEN_RULE},),
    ),
    JobNotFound: Problem(404, "ResourceNotFoundException", "The ledger has no job of this JobId."),
    NotAcceptable: Problem(
        406,
        "InvalidRequestException",
        f"The Accept header excludes every format that there is: {_FORMAT_RULE}.",
        ({"parameter": "Accept", "allowed": _FORMAT_RULE},),
    ),
    DigestInProgress: Problem(
        409,
        "InvalidRequestException",
        "This digest is being published by another request. Try again for its answer.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    IdempotencyKeyReused: Problem(
        422,
        "InvalidRequestException",
        "This Idempotency-Key came before with another body. A new request needs a new key.",
        ({"parameter": "Idempotency-Key", "allowed": "a key not used before, or its first body"},),
    ),
    FunctionThrottled: Problem(
        429,
        "TooManyRequestsException",
        "Too many requests of this kind are under way. Try again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    FunctionRefused: Problem(
        503,
        "InternalServerException",
        "No answer about the digest could be had in time. The same request can be sent again without "
        "harm when it has an Idempotency-Key.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    TooMuchToSummarise: Problem(
        503,
        "InternalServerException",
        "There are more jobs than can be counted in the time of one request: narrow the filters, by "
        "SubmitTimeAfter and SubmitTimeBefore first of all.",
    ),
}


def problem_of(error: JobLedgerError) -> Problem:
    """Return the answer to one of our errors."""
    if isinstance(error, InvalidParameters):
        names = ", ".join(dict.fromkeys(bad.parameter for bad in error.parameters))
        return Problem(
            400,
            "ValidationException",
            f"These parameters are not valid: {names}. See errors for what is allowed.",
            tuple({"parameter": bad.parameter, "allowed": bad.allowed} for bad in error.parameters),
        )
    return _PROBLEMS.get(type(error), _LEDGER_UNAVAILABLE)


def method_problem(allowed: Sequence[str]) -> Problem:
    """Return the answer where no route takes the request: its path is unknown, or its method wrong."""
    if not allowed:
        return NO_ROUTE
    methods = ", ".join(allowed)
    return Problem(
        405,
        "InvalidRequestException",
        f"This route takes {methods}.",
        headers={"Allow": methods},
    )


def unhealthy_problem(families: Mapping[str, Any]) -> Problem:
    """Return the answer about a ledger that is too old; it tells of all families, as a healthy one does."""
    return Problem(
        503,
        "InternalServerException",
        "The ledger has not agreed with the service for more than ten syncs; Families says since when.",
        more={"Families": families},
        headers={"Retry-After": "60"},
    )
