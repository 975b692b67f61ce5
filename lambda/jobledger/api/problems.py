"""Errors as RFC 9457 `application/problem+json`, titled with the service's exception names.

A problem quotes nothing that the caller sent: it could identify a patient.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jobledger.errors import (
    DigestInProgress,
    DigestNotFound,
    FunctionRefused,
    FunctionThrottled,
    IdempotencyKeyReused,
    InvalidParameters,
    InvalidToken,
    JobLedgerError,
    JobNotFound,
    NotUnderstood,
    RequestInProgress,
    TooMuchToSummarise,
)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class Problem(msgspec.Struct, frozen=True):
    """One problem as in RFC 9457. `headers` are sent with it; `more` are its extension members."""

    status: int
    title: str
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    more: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def body(self, request_id: str) -> str:
        """Return the JSON body; `instance` is the request's id, for finding it in the logs."""
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


UNEXPECTED = Problem(
    500, "InternalServerException", "An internal error occurred. No data was lost."
)
NO_ROUTE = Problem(
    404, "ResourceNotFoundException", "This route does not exist. See /docs for all routes."
)
_LEDGER_UNAVAILABLE = Problem(
    503,
    "InternalServerException",
    "The ledger is temporarily unavailable. No data was lost. Try again.",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)
_TOKEN_RULE = "the NextToken of the previous page, unchanged, with the same filters and order"

# By the class of the error. All other errors have the same response as LedgerUnavailable.
_PROBLEMS: Mapping[type[JobLedgerError], Problem] = {
    InvalidToken: Problem(
        400,
        "InvalidRequestException",
        f"The NextToken does not belong to this query. It must be {_TOKEN_RULE}.",
        ({"parameter": "NextToken", "allowed": _TOKEN_RULE},),
    ),
    JobNotFound: Problem(
        404, "ResourceNotFoundException", "The ledger has no job with this JobId."
    ),
    NotUnderstood: Problem(
        500,
        "InternalServerException",
        "The ledger's row of this job is damaged. No other is affected.",
    ),
    DigestNotFound: Problem(404, "ResourceNotFoundException", "No digest has been published yet."),
    DigestInProgress: Problem(
        409,
        "InvalidRequestException",
        "Another request is publishing this digest. Try again to get its result.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    IdempotencyKeyReused: Problem(
        422,
        "InvalidRequestException",
        "This Idempotency-Key was already used with a different request. Use a new key.",
        (
            {
                "parameter": "Idempotency-Key",
                "allowed": "a new key, or the same request (body, filters and order) as in its first use",
            },
        ),
    ),
    RequestInProgress: Problem(
        409,
        "InvalidRequestException",
        "Another request with this Idempotency-Key is in progress. Try again to get the same result.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    FunctionThrottled: Problem(
        429,
        "TooManyRequestsException",
        "Too many concurrent requests of this kind. Try again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    FunctionRefused: Problem(
        503,
        "InternalServerException",
        "The digest was not confirmed in time. You can safely send the same request again if it has an "
        "Idempotency-Key.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
    TooMuchToSummarise: Problem(
        503,
        "InternalServerException",
        "The summary covers too many jobs to compute in one request. Narrow the filters, for example "
        "with SubmitTimeAfter and SubmitTimeBefore.",
    ),
}


def problem_of(error: JobLedgerError) -> Problem:
    """Return the problem for one of this package's errors."""
    if isinstance(error, InvalidParameters):
        names = ", ".join(dict.fromkeys(bad.parameter for bad in error.parameters))
        return Problem(
            400,
            "ValidationException",
            f"These parameters are not valid: {names}. See errors for the allowed values.",
            tuple({"parameter": bad.parameter, "allowed": bad.allowed} for bad in error.parameters),
        )
    return _PROBLEMS.get(type(error), _LEDGER_UNAVAILABLE)


def method_problem(allowed: Sequence[str]) -> Problem:
    """Return the problem for a request that matches no route: unknown path or unsupported method."""
    if not allowed:
        return NO_ROUTE
    methods = ", ".join(allowed)
    return Problem(
        405,
        "InvalidRequestException",
        f"This route supports {methods}.",
        headers={"Allow": methods},
    )


def unhealthy_problem(health: Mapping[str, Any]) -> Problem:
    """Return the problem for a stale ledger. It lists all families and sources, as a healthy response does."""
    return Problem(
        503,
        "InternalServerException",
        "The ledger has missed more than ten syncs. Families has the time of the last sync of each family.",
        more=health,
        headers={"Retry-After": "60"},
    )
