"""What every answer of the API has in common: headers, gzip, and errors as problems."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.event_handler import Response

from jobledger.api.negotiation import compressed, takes_gzip
from jobledger.api.problems import CONTENT_TYPE, Problem

JSON = "application/json"
# Job data is health-related: no cache on the way may keep it.
_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Caller:
    """What an answer needs to know of its request."""

    request_id: str
    accept: str | None
    accept_encoding: str | None

    @property
    def takes_gzip(self) -> bool:
        """Whether gzip would reach the caller: API Gateway passes bytes on only to an Accept header."""
        return bool(self.accept) and takes_gzip(self.accept_encoding)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route has to say."""

    body: str
    content_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(value: Mapping[str, Any]) -> Answer:
    """Return a value as JSON."""
    return Answer(json.dumps(value, separators=(",", ":")))


def problem_answer(problem: Problem, caller: Caller) -> Answer:
    """Return a problem as RFC 9457 has it."""
    body = problem.body(caller.request_id)
    return Answer(body, CONTENT_TYPE, problem.status, problem.headers)


def response(answer: Answer, caller: Caller) -> Response[str]:
    """Dress an answer for API Gateway, which takes bytes in base64 only."""
    headers = {**_ALWAYS, "X-Request-Id": caller.request_id, **answer.headers}
    zipped = compressed(answer.body.encode()) if caller.takes_gzip else None
    if zipped is None:
        return Response(answer.status, answer.content_type, answer.body, headers=headers)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept, Accept-Encoding"}
    body = base64.b64encode(zipped).decode()
    dressed = Response(answer.status, answer.content_type, body, headers=headers)
    dressed.base64_encoded = True
    return dressed
