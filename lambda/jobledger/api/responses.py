"""The common parts of all API responses: headers, gzip, and errors as problems."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import Response

from jobledger.api.negotiation import compressed, takes_gzip
from jobledger.api.problems import CONTENT_TYPE, Problem

JSON = "application/json"
# Job data is health-related: no intermediate cache may store it.
_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Caller(msgspec.Struct, frozen=True):
    """The parts of a request that its response depends on."""

    request_id: str
    accept: str | None
    accept_encoding: str | None

    @property
    def takes_gzip(self) -> bool:
        """Whether to use gzip: API Gateway passes binary bodies only to requests with an Accept header."""
        return bool(self.accept) and takes_gzip(self.accept_encoding)


class Answer(msgspec.Struct, frozen=True):
    """The result of a route."""

    body: str
    content_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


def json_answer(value: Mapping[str, Any]) -> Answer:
    """Return a value as a JSON result."""
    return Answer(json.dumps(value, separators=(",", ":")))


def problem_answer(problem: Problem, caller: Caller) -> Answer:
    """Return a problem as a result."""
    body = problem.body(caller.request_id)
    return Answer(body, CONTENT_TYPE, problem.status, problem.headers)


def response(answer: Answer, caller: Caller) -> Response[str]:
    """Return a result as a response for API Gateway, which takes binary bodies as base64."""
    headers = {**_ALWAYS, "X-Request-Id": caller.request_id, **answer.headers}
    zipped = compressed(answer.body.encode()) if caller.takes_gzip else None
    if zipped is None:
        return Response(answer.status, answer.content_type, answer.body, headers=headers)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept, Accept-Encoding"}
    body = base64.b64encode(zipped).decode()
    dressed = Response(answer.status, answer.content_type, body, headers=headers)
    dressed.base64_encoded = True
    return dressed
