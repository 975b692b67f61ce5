"""API Gateway's own answers, for requests that never reach the function, in the form of all others.

RFC 9457 problems titled with the service's exception names, as `lambda/jobledger/api/problems.py` makes
them. The texts are ours: API Gateway's quote the caller's ARN and the path.
"""

import json
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway

_RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """One kind of refusal, and how API Gateway has to put it."""

    kind: apigateway.ResponseType
    status: int
    title: str
    detail: str

    @property
    def retry(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (429, 503, 504)


_VALIDATION = "ValidationException"
_DENIED = "AccessDeniedException"
_THROTTLED = "TooManyRequestsException"
_INTERNAL = "InternalServerException"
_SIGN = "Sign the request with Signature Version 4 for execute-api."
_kind = apigateway.ResponseType

_ANSWERS = (
    _Answer(
        kind=_kind.DEFAULT_4_XX, status=400, title=_VALIDATION, detail="The request is not valid."
    ),
    _Answer(
        kind=_kind.DEFAULT_5_XX,
        status=500,
        title=_INTERNAL,
        detail="Something went wrong here. Nothing is lost.",
    ),
    _Answer(
        kind=_kind.ACCESS_DENIED,
        status=403,
        title=_DENIED,
        detail="Whoever signed the request may not send it.",
    ),
    _Answer(
        kind=_kind.MISSING_AUTHENTICATION_TOKEN,
        status=403,
        title=_DENIED,
        detail=f"The request is not signed. {_SIGN}",
    ),
    _Answer(
        kind=_kind.INVALID_SIGNATURE,
        status=403,
        title=_DENIED,
        detail=f"The signature is wrong. {_SIGN}",
    ),
    _Answer(
        kind=_kind.EXPIRED_TOKEN,
        status=403,
        title=_DENIED,
        detail="The credentials that signed the request have expired.",
    ),
    _Answer(
        kind=_kind.RESOURCE_NOT_FOUND,
        status=404,
        title="ResourceNotFoundException",
        detail="There is no such route.",
    ),
    _Answer(
        kind=_kind.REQUEST_TOO_LARGE,
        status=413,
        title=_VALIDATION,
        detail="The request is too large.",
    ),
    _Answer(
        kind=_kind.UNSUPPORTED_MEDIA_TYPE,
        status=415,
        title=_VALIDATION,
        detail="The content type is not supported.",
    ),
    _Answer(
        kind=_kind.THROTTLED, status=429, title=_THROTTLED, detail="Too many requests. Try again."
    ),
    _Answer(
        kind=_kind.QUOTA_EXCEEDED,
        status=429,
        title=_THROTTLED,
        detail="The quota of requests is used up.",
    ),
    _Answer(
        kind=_kind.INTEGRATION_FAILURE,
        status=504,
        title=_INTERNAL,
        detail="No answer could be had. Try again.",
    ),
    _Answer(
        kind=_kind.INTEGRATION_TIMEOUT,
        status=504,
        title=_INTERNAL,
        detail="There was no answer in time. Try again, or ask for less.",
    ),
)


def answer_as_problems(rest: apigateway.RestApi) -> None:
    """Put every answer that API Gateway gives by itself into the form of the function's."""
    for answer in _ANSWERS:
        headers = {
            "Content-Type": "'application/problem+json'",
            "Cache-Control": "'no-store'",
            "X-Request-Id": "context.requestId",
        }
        if answer.retry:
            headers["Retry-After"] = f"'{_RETRY_AFTER_SECONDS}'"
        rest.add_gateway_response(
            answer.kind.response_type,
            type=answer.kind,
            status_code=None if _stands_for_many(answer) else str(answer.status),
            response_headers=headers,
            templates={"application/json": _template(answer)},
        )


def _template(answer: _Answer) -> str:
    """Return the problem as a mapping template; $context.requestId is all that it fills in."""
    problem = {
        "type": "about:blank",
        "title": answer.title,
        "status": answer.status,
        "detail": answer.detail,
        "instance": "urn:request:$context.requestId",
    }
    if _stands_for_many(answer):
        # Which status is not known here; RFC 9457 lets it be left out.
        del problem["status"]
    return json.dumps(problem)


def _stands_for_many(answer: _Answer) -> bool:
    """Whether the answer is one of the defaults, which keep the status that each case has."""
    return answer.kind.response_type.startswith("DEFAULT_")
