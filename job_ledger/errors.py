"""The errors of the client.

JobLedgerError
├── LedgerNotFound           no URL was given, and no stack has one
├── CredentialsUnavailable   AWS credentials are missing or have expired
├── ConnectionFailed         no answer from the API
└── ApiError                 the API answered with an error, which `problem` has; or something else answered

Each message is one line that says what is wrong and what to do.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from job_ledger.types import Problem

INVALID = "InvalidResponse"
_WHAT_TO_DO: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "Check that these credentials may call execute-api:Invoke on the API.",
    HTTPStatus.TOO_MANY_REQUESTS: "Try again later.",
}


class JobLedgerError(Exception):
    """The base of all errors of this package."""


class LedgerNotFound(JobLedgerError):
    """The address of the API is unknown or not usable."""


class CredentialsUnavailable(JobLedgerError):
    """There are no AWS credentials to sign with."""


class ConnectionFailed(JobLedgerError):
    """The API did not answer. The cause is botocore's exception."""


class ApiError(JobLedgerError):
    """The API answered with an error. `problem` is its RFC 9457 document."""

    def __init__(self, problem: Problem, request_id: str = "") -> None:
        self.problem = problem
        self.request_id = request_id
        super().__init__(self._text())

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem["status"]

    @property
    def title(self) -> str:
        """The service's exception name, for example ResourceNotFoundException."""
        return self.problem["title"]

    @property
    def transient(self) -> bool:
        """Whether the same request can succeed later."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= 500

    @property
    def reason(self) -> str:
        """What is wrong: for each parameter that is not valid, what is allowed."""
        errors = self.problem.get("errors", [])
        allowed = "; ".join(f"{error['parameter']}: {error['allowed']}" for error in errors)
        return f"{allowed}." if allowed else self.problem["detail"]

    def _text(self) -> str:
        text = f"{self.title} ({self.status}): {self.reason}"
        hint = _WHAT_TO_DO.get(self.status)
        return f"{text} {hint}" if hint else text


def api_error(status: int, body: bytes, request_id: str) -> ApiError:
    """Return the error for an answer. If it is not a problem document, another server sent it."""
    try:
        sent: dict[str, Any] = json.loads(body)
        title, detail = str(sent["title"]), str(sent["detail"])
        if "errors" in sent:
            _ = [(error["parameter"], error["allowed"]) for error in sent["errors"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        sent = {}
        title = _phrase(status)
        detail = "The answer is not from Job Ledger's API. Check its URL."
    return _error(status, title, detail, request_id, sent)


def invalid_answer(status: int, request_id: str) -> ApiError:
    """Return the error for a successful answer that is not what was asked for."""
    detail = "The answer is damaged, or not from Job Ledger's API. Check its URL and the network."
    return _error(status, INVALID, detail, request_id)


def job_not_found(request_id: str = "") -> ApiError:
    """Return the API's error for an unknown job."""
    detail = "The ledger has no job with this JobId."
    return _error(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", detail, request_id)


def source_not_found(source: str) -> ApiError:
    """Return the error for an account and region that the ledger does not list jobs of."""
    detail = f"The ledger has no jobs of {source}: it is none of its sources."
    return _error(HTTPStatus.BAD_REQUEST, "ValidationException", detail, "")


def _error(
    status: int, title: str, detail: str, request_id: str, sent: Mapping[str, Any] | None = None
) -> ApiError:
    problem = {"type": "about:blank", "instance": f"urn:request:{request_id}", **(sent or {})}
    problem |= {"title": title, "status": int(status), "detail": detail}
    return ApiError(cast(Problem, problem), request_id)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "HTTP error"
