"""API Gateway's own error responses, in the same form as the function's.

They are RFC 9457 problems titled with the service's exception names, like those of
`lambda/jobledger/api/problems.py`. The texts replace API Gateway's, which quote the caller's ARN and the
path.
"""

import json
from typing import NamedTuple

from aws_cdk import aws_apigateway as apigateway

_RETRY_AFTER_SECONDS = 5
_CAN_SUCCEED_LATER = (429, 503, 504)


class _Answer(NamedTuple):
    """One of API Gateway's response types. A default response has no status: each case keeps its own."""

    kind: apigateway.ResponseType
    status: int | None
    title: str
    detail: str


_kind = apigateway.ResponseType
_VALIDATION = "ValidationException"
_DENIED = "AccessDeniedException"
_THROTTLED = "TooManyRequestsException"
_INTERNAL = "InternalServerException"
_SIGN = "Sign the request with Signature Version 4 for execute-api."
_INVALID = "The request is not valid."
_TIMED_OUT = "The service did not respond in time. Try again, or request less."
_NO_ROUTE = "This route does not exist. See /docs for all routes."

_ANSWERS = (
    # All other errors of the caller are about signatures: an unknown access key, or an incomplete signature. The
    # remaining types that this default covers do not occur without authorizers and API keys.
    _Answer(_kind.DEFAULT_4_XX, None, _DENIED, f"The request is refused. {_SIGN}"),
    _Answer(_kind.BAD_REQUEST_PARAMETERS, 400, _VALIDATION, _INVALID),
    _Answer(_kind.BAD_REQUEST_BODY, 400, _VALIDATION, _INVALID),
    _Answer(_kind.WAF_FILTERED, 403, _DENIED, "The web ACL of this API does not allow the request."),
    _Answer(_kind.DEFAULT_5_XX, None, _INTERNAL, "An internal error occurred. No data was lost."),
    _Answer(_kind.ACCESS_DENIED, 403, _DENIED, "The caller is not authorized to make this request."),
    _Answer(_kind.MISSING_AUTHENTICATION_TOKEN, 403, _DENIED, f"The request is not signed. {_SIGN}"),
    _Answer(_kind.INVALID_SIGNATURE, 403, _DENIED, f"The signature is not valid. {_SIGN}"),
    _Answer(_kind.EXPIRED_TOKEN, 403, _DENIED, "The credentials that signed the request have expired."),
    _Answer(_kind.RESOURCE_NOT_FOUND, 404, "ResourceNotFoundException", _NO_ROUTE),
    _Answer(_kind.REQUEST_TOO_LARGE, 413, _VALIDATION, "The request is too large."),
    _Answer(_kind.UNSUPPORTED_MEDIA_TYPE, 415, _VALIDATION, "The content type is not supported."),
    _Answer(_kind.THROTTLED, 429, _THROTTLED, "Too many requests. Try again."),
    _Answer(_kind.QUOTA_EXCEEDED, 429, _THROTTLED, "The request quota is exhausted."),
    _Answer(_kind.INTEGRATION_FAILURE, 504, _INTERNAL, "The service did not respond. Try again."),
    _Answer(_kind.INTEGRATION_TIMEOUT, 504, _INTERNAL, _TIMED_OUT),
)  # fmt: skip


def add_problem_responses(rest: apigateway.RestApi) -> None:
    """Replace the responses that API Gateway generates with problems."""
    for answer in _ANSWERS:
        headers = {
            "Content-Type": "'application/problem+json'",
            "Cache-Control": "'no-store'",
            "X-Request-Id": "context.requestId",
        }
        if answer.status in _CAN_SUCCEED_LATER:
            headers["Retry-After"] = f"'{_RETRY_AFTER_SECONDS}'"
        rest.add_gateway_response(
            answer.kind.response_type,
            type=answer.kind,
            status_code=None if answer.status is None else str(answer.status),
            response_headers=headers,
            templates={"application/json": _template(answer)},
        )


def _template(answer: _Answer) -> str:
    """Return the problem as a mapping template; $context.requestId is its only variable."""
    problem = {
        "type": "about:blank",
        "title": answer.title,
        # RFC 9457 makes it optional.
        **({} if answer.status is None else {"status": answer.status}),
        "detail": answer.detail,
        "instance": "urn:request:$context.requestId",
    }
    return json.dumps(problem)
