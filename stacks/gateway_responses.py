"""API Gateway's own error responses, in the same form as the function's.

They are RFC 9457 problems titled with the service's exception names, like those of
`lambda/jobledger/api/problems.py`. The texts replace API Gateway's, which quote the caller's ARN and the
path.
"""

import json
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway

_RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """One kind of error, and its API Gateway response types."""

    kind: apigateway.ResponseType
    status: int
    title: str
    detail: str

    @property
    def retry(self) -> bool:
        """Whether the same request can succeed later."""
        return self.status in (429, 503, 504)


_VALIDATION = "ValidationException"
_DENIED = "AccessDeniedException"
_THROTTLED = "TooManyRequestsException"
_INTERNAL = "InternalServerException"
_SIGN = "Sign the request with Signature Version 4 for execute-api."
_kind = apigateway.ResponseType

_ANSWERS = (
    # All errors of the caller that have no type of their own are of signatures: an unknown access key, or an
    # incomplete signature. The other types that it stands for do not occur without authorizers and API keys.
    _Answer(
        kind=_kind.DEFAULT_4_XX,
        status=403,
        title=_DENIED,
        detail=f"The request is refused. {_SIGN}",
    ),
    _Answer(
        kind=_kind.BAD_REQUEST_PARAMETERS,
        status=400,
        title=_VALIDATION,
        detail="The request is not valid.",
    ),
    _Answer(
        kind=_kind.BAD_REQUEST_BODY,
        status=400,
        title=_VALIDATION,
        detail="The request is not valid.",
    ),
    _Answer(
        kind=_kind.WAF_FILTERED,
        status=403,
        title=_DENIED,
        detail="The web ACL of this API does not allow the request.",
    ),
    _Answer(
        kind=_kind.DEFAULT_5_XX,
        status=500,
        title=_INTERNAL,
        detail="An internal error occurred. No data was lost.",
    ),
    _Answer(
        kind=_kind.ACCESS_DENIED,
        status=403,
        title=_DENIED,
        detail="The caller is not authorized to make this request.",
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
        detail=f"The signature is not valid. {_SIGN}",
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
        detail="This route does not exist. See /docs for all routes.",
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
        detail="The request quota is exhausted.",
    ),
    _Answer(
        kind=_kind.INTEGRATION_FAILURE,
        status=504,
        title=_INTERNAL,
        detail="The service did not respond. Try again.",
    ),
    _Answer(
        kind=_kind.INTEGRATION_TIMEOUT,
        status=504,
        title=_INTERNAL,
        detail="The service did not respond in time. Try again, or request less.",
    ),
)


def add_problem_responses(rest: apigateway.RestApi) -> None:
    """Replace the responses that API Gateway generates with problems."""
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
    """Return the problem as a mapping template; $context.requestId is its only variable."""
    problem = {
        "type": "about:blank",
        "title": answer.title,
        "status": answer.status,
        "detail": answer.detail,
        "instance": "urn:request:$context.requestId",
    }
    if _stands_for_many(answer):
        # The default responses keep their status, so it is unknown here; RFC 9457 makes it optional.
        del problem["status"]
    return json.dumps(problem)


def _stands_for_many(answer: _Answer) -> bool:
    """Whether this is one of the default responses, which keep the status of each case."""
    return answer.kind.response_type.startswith("DEFAULT_")
