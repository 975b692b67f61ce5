"""Errors as answers: RFC 9457 `application/problem+json`, titled with the service's exception names.

Nothing that a caller sent is quoted: it may identify a patient.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobledger.errors import InvalidParameters, InvalidToken, JobLedgerError, JobNotFound

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as RFC 9457 has it; `headers` go with it."""

    status: int
    title: str
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

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
        return json.dumps(problem)


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
    if isinstance(error, InvalidToken):
        allowed = "the NextToken of the page before, unchanged, with the same filters and order"
        return Problem(
            400,
            "InvalidRequestException",
            f"NextToken is not one of this query: it must be {allowed}.",
            ({"parameter": "NextToken", "allowed": allowed},),
        )
    if isinstance(error, JobNotFound):
        return Problem(404, "ResourceNotFoundException", "The ledger has no job of this JobId.")
    return Problem(
        503,
        "InternalServerException",
        "The ledger cannot be read at the moment. Nothing is lost; try again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
